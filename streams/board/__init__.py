"""The board: a read API and one web page over the output topics, in a process of its own."""
