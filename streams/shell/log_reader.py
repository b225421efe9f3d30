"""Reads partitions from one offset to another: for commands, and for a worker's look back. Nobody joins a group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.settings import Settings
from streams.shell.acls import readers
from streams.shell.connection import librdkafka
from streams.shell.watermarks import watermarks

TIMEOUT_S = 30.0
"""Longest wait for an answer, and for the next record."""
_BATCH = 5_000
_WAIT_S = 0.3


def reading(settings: Settings, group: str) -> dict[str, Any]:
    """Configuration of a consumer for `read_range`; `group` is required by the client and left empty."""
    return {
        **librdkafka(settings),
        "group.id": group,
        "enable.auto.commit": False,
        # Where a start was deleted meanwhile, what is left is read, not nothing.
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "log_level": 2,
    }


def read_range(consumer: Consumer, topic: str, partition: int, start: int, end: int) -> Iterator[list[Message]]:
    """Records of a partition from offset `start` up to, without, `end`, in batches; markers of transactions are not.

    Raises KafkaException for errors that waiting does not heal, and when nothing comes for `TIMEOUT_S`.
    """
    if start >= end:
        return
    consumer.assign([TopicPartition(topic, partition, start)])
    position, deadline = start, time.monotonic() + TIMEOUT_S
    while position < end:
        before, batch = position, []
        first = consumer.poll(_WAIT_S)
        # A call for many waits until its time is up, even when the end was reached long before.
        for message in [] if first is None else [first, *consumer.consume(_BATCH, 0)]:
            position = max(position, _position_after(message))
            if message.error() is None and (message.offset() or 0) < end:
                batch.append(message)
        if batch:
            yield batch
        if position > before:
            deadline = time.monotonic() + TIMEOUT_S
        elif time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{topic} could not be read to its end"))  # noqa: SLF001  its name
    consumer.unassign()


def _position_after(message: Message) -> int:
    """The offset that the log is read up to. Raises KafkaException for an error that waiting does not heal."""
    error, offset = message.error(), message.offset() or 0
    if error is None:
        return offset + 1
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its name
        # Its offset, not the end that is waited for: a fetch under way before may tell of an end that was passed since.
        return offset
    if not error.retriable():
        raise KafkaException(error)
    return 0


class LogReader:
    """A consumer without a group: it leaves nothing behind.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(reading(settings, readers(settings)))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset, and the offset that the next record will get. Raises KafkaException."""
        return watermarks(self._consumer, TopicPartition(topic, partition), TIMEOUT_S)

    def read(self, topic: str, starts: Mapping[int, int]) -> Iterator[Message]:
        """Records of a topic (its name on the broker) from an offset by partition to the end as it is now.

        Partition by partition. Raises KafkaException for errors, and when nothing arrives in time.
        """
        ends = {partition: self.bounds(topic, partition)[1] for partition in starts}
        for partition, start in starts.items():
            for batch in read_range(self._consumer, topic, partition, start, ends[partition]):
                yield from batch

    def close(self) -> None:
        """Ends the connections."""
        self._consumer.close()
