"""Reads what lies in a topic, from its beginning to where it ends now, with a client that is a member of nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
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
            "fetch.wait.max.ms": 100,
        }
    )


def read_topic(
    bootstrap: str, topic: str, timeout: float = 180.0, told: Callable[[int], None] = lambda _records: None
) -> list[Stored]:
    """Every record of a topic, partition by partition. Raises TimeoutError; a topic that does not exist is empty."""
    consumer = reader(bootstrap, "oracle")
    try:
        metadata = consumer.list_topics(topic, timeout=30).topics.get(topic)
        if metadata is None or metadata.error is not None:
            return []
        # All of them before anything is read: a fetch that waits for news would keep every answer behind it waiting.
        bounds = {
            partition: watermarks(consumer, TopicPartition(topic, partition), timeout)
            for partition in sorted(metadata.partitions)
        }
        found: dict[int, list[Stored]] = {partition: [] for partition in bounds}
        for record in _read(consumer, topic, bounds, timeout):
            found[record.partition].append(record)
            told(1)
    finally:
        consumer.close()
    return [record for records in found.values() for record in records]


def _read(consumer: Consumer, topic: str, bounds: Mapping[int, tuple[int, int]], timeout: float) -> Iterator[Stored]:
    """Records from the first to the second offset of each partition, and perhaps some behind it."""
    left = {partition: end for partition, (start, end) in bounds.items() if start < end}
    positions = {partition: start for partition, (start, _) in bounds.items()}
    consumer.assign([TopicPartition(topic, partition, positions[partition]) for partition in left])
    deadline = time.monotonic() + timeout
    while left:
        if time.monotonic() > deadline:
            read = ", ".join(f"{partition} up to {positions[partition]} of {end}" for partition, end in left.items())
            raise TimeoutError(f"{topic} could not be read to its end: partition {read} only")
        first = consumer.poll(0.2)
        # A call for many waits until its time is up, even when the end was reached long before.
        for message in [] if first is None else [first, *consumer.consume(10_000, 0)]:
            error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
            if error is None:
                key, value, headers = message.key(), message.value(), tuple(message.headers() or ())
                positions[partition] = offset + 1
                yield Stored(partition, offset, key, value, headers, message.timestamp()[1])  # type: ignore[arg-type]  # bytes: no deserializer is set
            elif error.code() == KafkaError._PARTITION_EOF:
                # Not the end: a fetch that was under way before may tell of an end that was passed since.
                positions[partition] = max(positions[partition], offset)
            elif not error.retriable():
                raise KafkaException(error)
        left = {partition: end for partition, end in left.items() if positions[partition] < end}
