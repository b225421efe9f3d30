"""Reading a partition of the changelog to its end, and on from there after the own claim."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, TopicPartition

from streams.domain.partition import PartitionState
from streams.settings import Settings
from streams.shell import recovery
from streams.shell.changelog import ACCOUNTS, CLAIM, EPOCH, PARTITION_KEY
from streams.shell.recovery import ChangelogReader
from streams.shell.state_codec import encode_partition

_END = KafkaError(KafkaError._PARTITION_EOF)


@dataclass
class _Message:
    at: int
    failure: KafkaError | None = None

    def error(self) -> KafkaError | None:
        return self.failure

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return PARTITION_KEY

    def value(self) -> bytes:
        return encode_partition(PartitionState(0))

    def headers(self) -> list[tuple[str, bytes]]:
        return [(EPOCH, b"1"), (ACCOUNTS, b"0"), (CLAIM, b"mark %d" % self.at)]


@dataclass
class _Consumer:
    """Gives out what a test has put there, one batch at a time."""

    end: int = 0
    batches: deque[list[_Message]] = field(default_factory=deque)

    def get_watermark_offsets(self, _place: TopicPartition, **_: float) -> tuple[int, int]:
        return 0, self.end

    def assign(self, _places: list[TopicPartition]) -> None:
        pass

    def consume(self, _count: int, _timeout: float) -> list[_Message]:
        return self.batches.popleft() if self.batches else []


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> _Consumer:
    made = _Consumer()
    monkeypatch.setattr(recovery, "reader", lambda *_, **__: made)
    return made


def _reader() -> ChangelogReader:
    return ChangelogReader(Settings(), "changelog", 0, threading.Event())


def test_end_that_was_reached_before_the_claim_is_not_taken_for_the_end_behind_it(consumer: _Consumer) -> None:
    reading = _reader()
    reading.read_to_end()  # of an empty log: nothing is asked of the client, which tells of the end later
    consumer.end = 2
    consumer.batches += [[_Message(0, _END)], [_Message(0), _Message(1)]]
    reading.read_to_end()
    assert reading.replica.claim == b"mark 1"
    assert reading.replica.position == 2


def test_end_without_a_record_before_it_is_an_end(consumer: _Consumer) -> None:
    consumer.end = 3  # the last offset is that of a mark of a transaction
    consumer.batches += [[_Message(0), _Message(1)], [_Message(3, _END)]]
    reading = _reader()
    reading.read_to_end()
    assert reading.replica.records == 2
    assert reading.replica.position == 3
