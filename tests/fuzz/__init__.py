"""Mutated input of every kind: what is wrong is told, nothing else happens. `python -m tests.fuzz --help`."""
