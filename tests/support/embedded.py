"""The broker of the fast tests is the one that the demo ships."""

from streams.cli.embedded_broker import PARTITIONS, EmbeddedBroker

__all__ = ["PARTITIONS", "EmbeddedBroker"]
