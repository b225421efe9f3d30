"""Putting dead letters back on the topics that they came from, each once.

A record that is put back carries the place of its original in a header; before anything is sent, the target partitions
are read once, and what is there already is left alone. All is sent in transactions of one producer id, so that

- a run that is broken off leaves a whole batch or nothing of it: the next run ends its open transaction first;
- of two runs at once the older one is fenced off: its open batch is taken back, and it stops with a message.

That holds for everybody who reads committed records. A consumer that reads uncommitted ones may see a record of a batch
that was taken back, and later the same record again, byte for byte. And a letter whose record was deleted from its
topic since it was put back is put back once more: the topic is the only memory of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.settings import Settings
from streams.shell.acls import readers, replaying
from streams.shell.admin import LARGEST_RECORD
from streams.shell.connection import ONE_IN_FLIGHT, librdkafka
from streams.shell.log_reader import TIMEOUT_S, read_range, reading
from streams.shell.watermarks import watermarks

REPLAYED = "backontrack.replayed-from"
"""Header of a record that was put back: `topic/partition/offset` of the original."""
BATCH = 500
"""Letters in one transaction."""
_TRANSACTION_MS = 15_000
"""After it, the broker ends a transaction that was broken off: until then it hides what comes behind it."""
_ATTEMPTS = 3
_WAIT_S = 0.3

Place = tuple[str, int]
Advance = Callable[[int], None]


class ReplayStopped(Exception):  # noqa: N818  says what happened
    """No more can be put back now; what was reported as put back is. The message says why."""


class Done(StrEnum):
    """What became of a letter."""

    PUT = "put"
    WOULD_PUT = "would_put"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Letter:
    """A record to be put back. `origin` is the value of its header; `at` its record time in ms."""

    id: str
    origin: str
    topic: str
    partition: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a letter: `reason` is filled when it was refused."""

    id: str
    done: Done
    topic: str
    partition: int
    reason: str = ""


class Replayer:
    """Puts letters back. For one run; ends with `close`.

    Args:
        settings: Broker and names.
        dry_run: Only tell what would be done.

    Raises ReplayStopped when the broker does not let it begin.
    """

    def __init__(self, settings: Settings, *, dry_run: bool = False) -> None:
        self._settings = settings
        self._timeout_s = settings.delivery_timeout / 1000
        self._failed: dict[str, KafkaError] = {}
        self._there: set[str] = set()
        self._hidden: set[Place] = set()
        self._producer: Producer | None = None
        if not dry_run:
            # First of all: whoever ran before is fenced off, and what it left open is taken back, so that the look at
            # the topics sees the last word.
            self._producer = self._begin()

    def look(self, starts: Mapping[Place, int], advance: Advance) -> None:
        """Finds what was put back before, by reading each place from an offset to where it ends now."""
        consumer = self._consumer("read_committed")
        raw = self._consumer("read_uncommitted")
        try:
            for place, start in starts.items():
                end, whole = self._ends(consumer, raw, place)
                if end < whole:
                    self._hidden.add(place)
                    continue
                for batch in read_range(consumer, *place, start, end):
                    for message in batch:
                        self._note(message.headers())
                    advance(len(batch))
        finally:
            consumer.close()
            raw.close()

    def put(self, letters: Iterable[Letter]) -> Iterator[Result]:
        """Puts letters back in batches; what is yielded as put is committed. Raises ReplayStopped."""
        batch: list[Letter] = []
        for letter in letters:
            if letter.origin in self._there:
                yield Result(letter.id, Done.ALREADY, letter.topic, letter.partition)
                continue
            if (letter.topic, letter.partition) in self._hidden:
                reason = (
                    f"a transaction of another producer is open on {letter.topic}/{letter.partition} and may hide that "
                    "it was put back before; run this again when it is over"
                )
                yield Result(letter.id, Done.REFUSED, letter.topic, letter.partition, reason)
                continue
            # Letters are at least once: a second one of the same record is the same record.
            self._there.add(letter.origin)
            batch.append(letter)
            if len(batch) == BATCH:
                yield from self._send(batch)
                batch = []
        if batch:
            yield from self._send(batch)

    def close(self) -> None:
        """Ends what is open."""
        if self._producer is not None:
            self._producer.purge()

    # Sending.

    def _begin(self) -> Producer:
        producer = Producer(
            {
                **librdkafka(self._settings),
                **ONE_IN_FLIGHT,
                "transactional.id": replaying(self._settings),
                "transaction.timeout.ms": _TRANSACTION_MS,
                "message.timeout.ms": _TRANSACTION_MS,
                "linger.ms": 5,
                # A letter of about 1 MB gains a header; the topic's own limit is for the broker to tell.
                "message.max.bytes": LARGEST_RECORD,
                "log_level": 2,
            }
        )
        try:
            producer.init_transactions(self._timeout_s)
        except KafkaException as error:
            raise ReplayStopped(f"nothing can be put back: {_said(error)}") from error
        return producer

    def _send(self, batch: list[Letter]) -> Iterator[Result]:
        if self._producer is None:
            yield from (Result(letter.id, Done.WOULD_PUT, letter.topic, letter.partition) for letter in batch)
            return
        if self._commit(self._producer, batch):
            yield from (Result(letter.id, Done.PUT, letter.topic, letter.partition) for letter in batch)
            return
        failed = dict(self._failed)
        if len(batch) == 1:
            (letter,) = batch
            reason = f"not stored: {failed[letter.id].str()}"
            yield Result(letter.id, Done.REFUSED, letter.topic, letter.partition, reason)
            return
        # One that the broker refuses takes its whole transaction with it, and those beside it are refused in its
        # place: the rest is sent again without them, and each of them alone.
        if rest := [letter for letter in batch if letter.id not in failed]:
            yield from self._send(rest)
        for letter in batch:
            if letter.id in failed:
                yield from self._send([letter])

    def _commit(self, producer: Producer, batch: list[Letter]) -> bool:
        """Sends a batch in one transaction; False when it was taken back because of letters that are in `_failed`.

        Raises ReplayStopped.
        """
        for _ in range(_ATTEMPTS):
            # After a record that the broker refused, the next transaction fails once as well.
            self._failed.clear()
            if self._try(producer, batch):
                return True
            if self._failed:
                return False
        raise ReplayStopped("the brokers do not acknowledge; what is open is taken back. Run this again")

    def _try(self, producer: Producer, batch: list[Letter]) -> bool:
        """One transaction; False when it was taken back. Raises ReplayStopped when no other can follow it."""
        try:
            producer.begin_transaction()
            for letter in batch:
                self._produce(producer, letter)
            unsent = producer.flush(self._timeout_s)
            if not self._failed and not unsent:
                producer.commit_transaction(self._timeout_s)
                return True
            producer.abort_transaction(self._timeout_s)
        except KafkaException as error:
            self._end(producer, error)
        return False

    def _end(self, producer: Producer, error: KafkaException) -> None:
        """After an error of the transaction: returns when it was taken back. Raises ReplayStopped."""
        why: KafkaError = error.args[0]
        if why.code() in _FENCED:
            raise ReplayStopped(
                "another replay of the same dead letters was started and goes on from here; the batch that was open "
                "here is taken back"
            ) from error
        if not why.txn_requires_abort():
            raise ReplayStopped(
                f"it is not known whether the last batch was put back: {why.str()}. Run this again: it finds what is "
                "there"
            ) from error
        try:
            producer.abort_transaction(self._timeout_s)
        except KafkaException as second:
            raise ReplayStopped(f"{_said(second)}; what is open is taken back") from second

    def _produce(self, producer: Producer, letter: Letter) -> None:
        def report(error: KafkaError | None, _message: Message) -> None:
            if error is not None and error.code() not in _TAKEN_BACK:
                self._failed[letter.id] = error

        headers: list[tuple[str, str | bytes | None]] = [*letter.headers, (REPLAYED, letter.origin)]
        while True:
            try:
                producer.produce(
                    letter.topic,
                    letter.value,
                    letter.key,
                    letter.partition,
                    timestamp=letter.at,
                    headers=headers,
                    on_delivery=report,
                )
            except BufferError:
                producer.poll(_WAIT_S)
            except KafkaException as error:
                if error.args[0].code() in _FENCED or error.args[0].txn_requires_abort():
                    raise
                self._failed[letter.id] = error.args[0]
                return
            else:
                producer.poll(0)
                return

    # Looking.

    def _consumer(self, level: str) -> Consumer:
        return Consumer({**reading(self._settings, readers(self._settings)), "isolation.level": level})

    def _ends(self, consumer: Consumer, raw: Consumer, place: Place) -> tuple[int, int]:
        """Where the committed part of a log ends, and the log itself: waits for them to meet while others commit."""
        deadline = time.monotonic() + _TRANSACTION_MS / 1000
        whole = watermarks(raw, TopicPartition(*place), TIMEOUT_S)[1]
        while True:
            end = watermarks(consumer, TopicPartition(*place), TIMEOUT_S)[1]
            if end >= whole or time.monotonic() > deadline:
                return end, whole
            time.sleep(_WAIT_S)

    def _note(self, headers: Any) -> None:
        for name, value in headers or ():
            if name == REPLAYED and value is not None:
                self._there.add(value.decode(errors="replace"))


# The second and the third are what a producer gets to hear when another one with its id has begun.
_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})  # noqa: SLF001  its name
_TAKEN_BACK = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001  as above


def _said(error: KafkaException) -> str:
    why: KafkaError = error.args[0]
    if why.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return f"the user may not write with this transactional id ({why.str()})"
    return why.str()
