"""A record on its way to the brokers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError

Headers = Mapping[str, bytes] | list[tuple[str, bytes | None]]

ANY_PARTITION = -1
"""Lets the key choose, by murmur2 as all Kafka clients for Java do."""
NOW = 0
"""As a timestamp: the moment of sending."""

Place = tuple[str, int]
"""A topic's name on the broker, and a partition."""


class Outgoing(NamedTuple):
    """A record to be written. `timestamp` in ms; `topic` is the name on the broker."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = ANY_PARTITION
    headers: Headers | None = None
    timestamp: int = NOW

    @property
    def place(self) -> Place:
        """Where it goes."""
        return self.topic, self.partition


class Refused(NamedTuple):
    """A record that was not taken, and why."""

    record: Outgoing
    error: KafkaError
