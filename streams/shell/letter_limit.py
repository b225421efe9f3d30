"""How many of a topic's newest records may become dead letters before a partition waits for somebody to look.

The window is the newest 1,000 records of one topic in one partition. It is a function of the log: the worker that takes
a partition over and meets a record that cannot be read looks at the records before it, as they lie on the broker, and
counts those that are no better. So neither a restart nor a rebalance gives a bad deploy a new allowance, and nothing
has to be stored for it. A release that reads those records again finds the window clean, and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition

from streams.settings import Settings
from streams.shell.acls import recovery
from streams.shell.log_reader import TIMEOUT_S, read_range, reading
from streams.shell.watermarks import watermarks

WINDOW = 1_000
"""Newest records of a topic partition that are looked at."""
LEAST_LETTERS = 100
"""So many letters in the window are never too many."""


class LetterWindow:
    """Dead letters among the newest records of one topic partition.

    Args:
        start: First offset that counts as a record: where the log began when the window was made.
        letters: Offsets of the letters among the records before the first one that is added, in order.
    """

    __slots__ = ("_letters", "_start")

    def __init__(self, start: int, letters: Iterable[int] = ()) -> None:
        self._start = start
        self._letters = deque(letters)

    def count(self, offset: int) -> tuple[int, int]:
        """Letters, and records, among the newest ones up to `offset`, when the record there becomes a letter.

        Places in the log without a record (markers of transactions, what compaction took) count as records.
        """
        while self._letters and self._letters[0] <= offset - WINDOW:
            self._letters.popleft()
        return len(self._letters) + 1, min(WINDOW, offset - self._start + 1)

    def allows(self, offset: int, ratio: float) -> bool:
        """True when the record at `offset` may become a dead letter."""
        letters, records = self.count(offset)
        return letters <= LEAST_LETTERS or letters <= ratio * records

    def add(self, offset: int) -> None:
        """The record at `offset` became a dead letter."""
        self._letters.append(offset)


class PastRecord(NamedTuple):
    """A record that was read again; `timestamp` in ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records_before(settings: Settings, topic: str, partition: int, offset: int) -> tuple[int, list[PastRecord]]:
    """First offset of a topic partition, and up to `WINDOW - 1` records before `offset`. Blocking; for a thread.

    Raises KafkaException.
    """
    consumer = Consumer(reading(settings, recovery(settings)))
    try:
        low, _ = watermarks(consumer, TopicPartition(topic, partition), TIMEOUT_S)
        batches = read_range(consumer, topic, partition, max(low, offset - WINDOW + 1), offset)
        return low, [_past(message) for batch in batches for message in batch]
    finally:
        consumer.close()


def _past(message: Message) -> PastRecord:
    key, value = message.key(), message.value()
    return PastRecord(message.offset() or 0, message.timestamp()[1], _bytes(key), _bytes(value))


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
