"""Reads what lies in a topic, from its beginning to where it ends now, with a client that is a member of nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.shell.watermarks import watermarks

QUIET = {"log_level": 0, "log.connection.close": False}


class Stored(NamedTuple):
    """A record as it lies in a log. Headers in order; `time` in ms."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    time: int

    def header(self, name: str) -> bytes | None:
        """The last header of a name."""
        return dict(self.headers).get(name)


def reader(bootstrap: str, group: str) -> Consumer:
    """A client that may ask for the offsets of a group, and joins none."""
    return Consumer(
        {
            **QUIET,
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 8 << 20,
        }
    )


def read_topic(
    bootstrap: str, topic: str, timeout: float = 180.0, told: Callable[[int], None] = lambda _records: None
) -> list[Stored]:
    """Every record of a topic, partition by partition. Raises TimeoutError; a topic that does not exist is empty."""
    consumer = reader(bootstrap, "oracle")
    found: list[Stored] = []
    try:
        metadata = consumer.list_topics(topic, timeout=30).topics.get(topic)
        if metadata is None or metadata.error is not None:
            return []
        for partition in sorted(metadata.partitions):
            low, high = watermarks(consumer, TopicPartition(topic, partition), timeout)
            for batch in _read(consumer, TopicPartition(topic, partition, low), high, timeout):
                found += batch
                told(len(batch))
    finally:
        consumer.close()
    return found


def _read(consumer: Consumer, start: TopicPartition, end: int, timeout: float) -> Iterator[list[Stored]]:
    place, position = f"{start.topic}/{start.partition}", start.offset
    if position < end:
        consumer.assign([start])
    deadline = time.monotonic() + timeout
    while position < end:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{place} could be read up to {position} of {end} only")
        batch: list[Stored] = []
        for message in consumer.consume(10_000, 0.2):
            error, offset = message.error(), message.offset() or 0
            if error is None:
                key, value, headers = message.key(), message.value(), tuple(message.headers() or ())
                position = offset + 1
                batch.append(Stored(start.partition, offset, key, value, headers, message.timestamp()[1]))  # type: ignore[arg-type]  # bytes: no deserializer is set
            elif error.code() == KafkaError._PARTITION_EOF:
                # Not `end`: a fetch that was under way before may tell of an end that was passed since.
                position = max(position, offset)
            elif not error.retriable():
                raise KafkaException(error)
        yield batch
