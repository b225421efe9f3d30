"""The read side: what board, watch, explain and the demo's summary know, from the output topics alone.

`consume` reads the topics, `view` keeps what they said, `summary` counts it, `story` tells it in sentences,
`terminal` draws it. Nothing here knows how the worker works: the schemas are enough.
"""
