"""Reads a topic from given offsets to where it ends now: for commands, not for the worker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.settings import Settings
from streams.shell.acls import readers
from streams.shell.connection import librdkafka

TIMEOUT_S = 30.0
"""Longest wait for the next record."""


class LogReader:
    """A consumer without a group: it leaves nothing behind.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(
            {
                **librdkafka(settings),
                "group.id": readers(settings),
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 2,
            }
        )

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset, and the offset that the next record will get. Raises KafkaException."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
        return low, high

    def read(self, topic: str, starts: Mapping[int, int]) -> Iterator[Message]:
        """Records of a topic (its name on the broker) from an offset by partition to the end as it is now.

        Raises KafkaException for errors, and when nothing arrives in time.
        """
        ends = {partition: self.bounds(topic, partition)[1] for partition in starts}
        waiting = {partition: start for partition, start in starts.items() if start < ends[partition]}
        if not waiting:
            return
        self._consumer.assign([TopicPartition(topic, number, start) for number, start in waiting.items()])
        deadline = time.monotonic() + TIMEOUT_S
        while waiting:
            message = self._consumer.poll(0.5)
            if message is None:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{topic} could not be read to its end"))  # noqa: SLF001  its name
                continue
            error = message.error()
            if error is None:
                deadline = time.monotonic() + TIMEOUT_S
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its name
                partition = message.partition() or 0
                # A fetch that was under way before may tell of an end that was passed since.
                if (message.offset() or 0) >= ends.get(partition, 0):
                    waiting.pop(partition, None)
            else:
                raise KafkaException(error)
        self._consumer.unassign()

    def close(self) -> None:
        """Ends the connections."""
        self._consumer.close()
