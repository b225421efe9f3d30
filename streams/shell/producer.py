"""Everything a worker writes goes through here: nothing counts as sent before the broker has acknowledged it.

Brokers that are away end nothing: what was handed over is sent again until it is acknowledged, however long that takes,
and so is what the brokers refuse until somebody grants a right or creates the topic of the dead letters. Only an error
that no waiting heals is raised.

The first record of a producer for a partition goes alone. Brokers up to 4.3 take any first number of a producer that
they do not know in a partition (KAFKA-15591): one that just becomes its leader may refuse a batch and take the next one
on its way. The client then takes the refused one for stored, and acknowledges what is nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams import topics
from streams.settings import Settings, SettingsError
from streams.shell import rotation
from streams.shell.admin import LARGEST_RECORD
from streams.shell.connection import librdkafka
from streams.shell.failure import Abandoned, Cure, Unrecoverable, cure
from streams.shell.holds import BROKER, DENIED, LETTERS, PATIENCE_S, ROWS, SENDING, Holds

log = structlog.stdlib.get_logger(__name__)

Headers = Mapping[str, bytes] | list[tuple[str, bytes | None]]

ANY_PARTITION = -1
"""Lets the key choose, by murmur2 as all Kafka clients for Java do."""
NOW = 0
"""As a timestamp: the moment of sending."""
_YIELD_EVERY = 500
_LOOK_S = 0.5
"""Longest wait in the client at a time, so that giving up takes effect soon."""
_AGAIN_S = 1.0
"""Wait before what was refused is sent again."""
_REFRESH_S = 5.0
_RETRY_S = 3.0
"""Wait before another producer is tried in place of one that was refused for good."""
_FIRST_SHARE = 1 / 8
"""After this part of a session, rows do not follow the first one of a partition under the same lease."""
_MAIN, _LEASED = "_producer", "_leased"
_QUEUED_KIB = 262_144

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


class Refused(NamedTuple):
    """A record that was not taken, and why."""

    record: Outgoing
    error: KafkaError


class Sender:
    """Two idempotent producers with acks=all, used from the event loop without blocking it.

    What is folded from the newest record of a key by its owner's number (states), or told apart by its id (decisions,
    dead letters), may arrive late: it is sent for as long as it takes. A health row may not: nothing tells a late row
    of a former owner from the newest. Rows have a lease, shorter than the session in which this worker owns the
    account for certain; a row that is not acknowledged by then is rendered and sent anew by whoever owns it then.

    Args:
        settings: Names and times.
        holds: Told when the brokers do not answer or refuse.
    """

    def __init__(self, settings: Settings, holds: Holds | None = None) -> None:
        self._settings = settings
        self._holds = holds or Holds()
        self._refused: list[Refused] = []
        self._unleased: list[Refused] = []
        self._purges = 0
        self._changelog = topics.changelog(settings.app_id)
        self.written: Counter[int] = Counter()
        """Records handed over for the changelog, by partition; all of them are there after `flush`."""
        self._newest: dict[tuple[int, bytes | None], Outgoing] = {}
        # Of what was handed over for the changelog and is not acknowledged for certain, by partition and key.
        self._unknown_since: dict[tuple[str, str], float] = {}
        self._waiter = ThreadPoolExecutor(max_workers=3, thread_name_prefix="producer")
        self._made_with = rotation.tls_signature(settings)
        self._retiring: list[Producer] = []
        self._fatal: dict[str, KafkaError] = {}
        self._first: set[Place] = set()
        self._begun: dict[str, set[Place]] = {_MAIN: set(), _LEASED: set()}
        # Places where the main producer's first record is on its way; those where each producer is known.

    # Made when they are first used: before the checks of the start, they would fill the log about a broker that is
    # away.

    @cached_property
    def _producer(self) -> Producer:
        return self._make({**self._config("worker"), "message.timeout.ms": 0})

    @cached_property
    def _leased(self) -> Producer:
        # A heartbeat lies back at most a quarter of a session, and what was then sent ends with its lease: both are
        # over before anybody else can own the account.
        lease = max(500, self._settings.session_timeout // 2)
        ends = {"message.timeout.ms": lease, "topic.metadata.propagation.max.ms": lease // 4}
        return self._make({**self._config("rows"), **ends})

    def _make(self, config: dict[str, Any]) -> Producer:
        made = Producer(config)
        rotation.keep_fresh(self._settings, made)
        return made

    def _config(self, name: str) -> dict[str, Any]:
        return {
            **librdkafka(self._settings),
            "client.id": f"{self._settings.app_id}-{name}",
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            # As the changelog and the dead letters take: a partition state holds the dead letters that wait in it.
            "message.max.bytes": max(LARGEST_RECORD, self._settings.max_record_bytes + 65_536),
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": _QUEUED_KIB,
            # A connection that is cut off without a word is given up then, and made anew.
            "socket.timeout.ms": self._settings.delivery_timeout,
            "request.timeout.ms": self._settings.delivery_timeout,
            "reconnect.backoff.max.ms": 2_000,
            # Records for a topic that is not there are kept by the client for so long, then here.
            "topic.metadata.propagation.max.ms": 5_000,
            # Success is known from an empty queue after a flush; a report for each record would cost more than
            # sending it.
            "delivery.report.only.error": True,
            # An outage is told by the hold; the client would tell it for every broker and attempt.
            "log_level": 2,
        }

    async def send(self, records: Iterable[Outgoing]) -> int:
        """Hands records to the producer, in order; returns how many. They are not stored before `flush` returns."""
        return await self._hand_over(_MAIN, records, self._refused)

    async def deliver(self, records: Iterable[Outgoing]) -> None:
        """Returns when the records are acknowledged. Raises Abandoned when they were purged, and Unrecoverable."""
        purges = self._purges
        await self.send(records)
        await self.flush()
        if self._purges != purges:
            raise Abandoned

    async def flush(self) -> None:
        """Returns when all that was handed over is acknowledged, however long that takes.

        Raises Abandoned when it was purged meanwhile, and Unrecoverable when something will never be acknowledged.
        """
        purges = self._purges
        reason = "what was sent is not acknowledged"
        began = time.monotonic()
        with self._holds.after(PATIENCE_S, BROKER, reason, SENDING):
            while True:
                first = set(self._first)
                left = await self._wait(_MAIN)
                if self._purges != purges:
                    raise Abandoned
                if not left:
                    # Those that were refused or dropped meanwhile are not among the first any more.
                    self._begun[_MAIN] |= first & self._first
                    self._first -= first
                await self._mend(_MAIN, SENDING)
                if not left or time.monotonic() - began > PATIENCE_S:
                    await self._renew()
                if self._refused:
                    await self._again()
                elif not left and not self._retiring:
                    break
        if not len(self._producer):
            self._newest.clear()
        self._let_go(SENDING)

    async def lease(self, rows: Iterable[Outgoing]) -> set[bytes]:
        """Sends health rows; returns the keys of those that were not acknowledged within their lease.

        For one caller at a time. Raises Abandoned when they were purged meanwhile, and Unrecoverable when a row will
        never be acknowledged.
        """
        purges, began = self._purges, time.monotonic()
        unleased = self._unleased
        unleased.clear()
        first, rest = self._firsts(rows)
        waiting: set[bytes] = set()
        if first:
            await self._lease(first.values(), unleased)
            if self._purges != purges:
                raise Abandoned
            if not unleased:
                self._begun[_LEASED].update(first)
            if unleased or time.monotonic() - began > _FIRST_SHARE * self._settings.session_timeout / 1000:
                waiting, rest = {row.key or b"" for row in rest}, []
        if rest:
            await self._lease(rest, unleased)
        elif not first:
            return set()
        await self._mend(_LEASED, ROWS)
        late = list(unleased)
        if not late:
            self._let_go(ROWS)
            return waiting
        if any(self._judge(item, ROWS) is not Cure.TIME for item in late):
            await self._refresh(self._leased, {item.record.topic for item in late})
            await asyncio.sleep(_AGAIN_S)
        else:
            self._holds.on(BROKER, "health rows are not acknowledged", ROWS)
        return waiting | {item.record.key or b"" for item in late}

    def _firsts(self, rows: Iterable[Outgoing]) -> tuple[dict[Place, Outgoing], list[Outgoing]]:
        """The first row of each partition in which the producer is not known, and the other rows."""
        first: dict[Place, Outgoing] = {}
        rest: list[Outgoing] = []
        for row in rows:
            place = row.topic, row.partition
            if place in self._begun[_LEASED] or first.setdefault(place, row) is not row:
                rest.append(row)
        return first, rest

    async def _lease(self, rows: Iterable[Outgoing], unleased: list[Refused]) -> None:
        await self._hand_over(_LEASED, rows, unleased)
        while await self._wait(_LEASED) or self._retiring:
            pass

    def purge(self) -> None:
        """Drops what is queued or on its way: the partitions are no longer this worker's. Whoever waits is told."""
        self._purges += 1
        self._drop()
        # Reports that are still under way go to the lists of then.
        self._refused, self._unleased = [], []
        self._newest.clear()
        self._let_go(SENDING)
        self._let_go(ROWS)

    def _let_go(self, part: str) -> None:
        for name in (BROKER, DENIED, LETTERS):
            self._holds.off(name, part)
        self._unknown_since = {place: since for place, since in self._unknown_since.items() if place[0] != part}

    async def _renew(self) -> None:
        """Producers with new certificates take over from those that were made with the old ones.

        What the old one could not send, for it may have no connection any more, is sent again by the new one.
        """
        now = rotation.tls_signature(self._settings)
        if now == self._made_with or self._retiring:
            return
        try:
            librdkafka(self._settings)
        except SettingsError:
            return  # certificate and key are replaced one after the other
        self._made_with = now
        for name in (_MAIN, _LEASED):
            await self._replace(name)
        log.info("new certificates are used for writing")

    async def _mend(self, name: str, part: str) -> None:
        """A producer that will never send again gives way to a new one, when a right can heal that.

        An idempotent producer needs a number from the brokers, which give none to a user who may write nowhere. Raises
        Unrecoverable when nothing heals it.
        """
        error = self._fatal.pop(name, None)
        if error is None:
            return
        if cure(error) is not Cure.RIGHT:
            raise Unrecoverable(
                f"nothing can be written any more: {error.str()}. Nothing was committed past it; start again"
            )
        self._holds.on(DENIED, f"nothing can be written: {error.str()}", part)
        await self._replace(name)
        await asyncio.sleep(_RETRY_S)

    async def _replace(self, name: str) -> None:
        """A new producer takes over; what the old one could not send is reported as refused."""
        self._forget(name)
        producer: Producer | None = self.__dict__.pop(name, None)
        if producer is None:
            return
        rotation.let_go(self._settings, producer)
        self._retiring.append(producer)
        producer.purge()
        loop = asyncio.get_running_loop()
        try:
            while await loop.run_in_executor(self._waiter, self._serve, producer, name):
                pass
            self._fatal.pop(name, None)
        finally:
            self._retiring.remove(producer)
            last = [producer]
            del producer
            self._waiter.submit(_end, last)

    def _drop(self) -> None:
        self._fatal.clear()
        for name in (_MAIN, _LEASED):
            self._forget(name)
            producer: Producer | None = self.__dict__.pop(name, None)
            if producer is not None:
                rotation.let_go(self._settings, producer)
                producer.purge()
                last = [producer]
                del producer
                self._waiter.submit(_end, last)

    def _forget(self, name: str) -> None:
        """The next producer is known nowhere."""
        self._begun[name].clear()
        if name == _MAIN:
            self._first.clear()

    async def _hand_over(self, name: str, records: Iterable[Outgoing], refused: list[Refused]) -> int:
        purges = self._purges
        count = 0
        for record in records:
            while name == _MAIN and (record.topic, record.partition) in self._first:
                # It goes alone, also when it has to go again.
                await self.flush()
            if record.topic == self._changelog:
                self._newest[record.partition, record.key] = record
            if not self._produce(name, record, refused):
                await self._make_room(name, record, refused)
            count += 1
            if record.topic == self._changelog:
                self.written[record.partition] += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
                if self._purges != purges:
                    raise Abandoned
        return count

    async def _make_room(self, name: str, record: Outgoing, refused: list[Refused]) -> None:
        """Hands a record over as soon as the client's queue takes it. Raises Abandoned when that was purged."""
        purges = self._purges
        part = SENDING if name == _MAIN else ROWS
        with self._holds.after(PATIENCE_S, BROKER, "the queue of what is to be sent is full", part):
            while True:
                await self._wait(name)
                await self._renew()
                if self._purges != purges:
                    raise Abandoned
                if self._produce(name, record, refused):
                    return

    async def _wait(self, name: str) -> int:
        """Waits a moment for acknowledgements; returns how many are missing."""
        producer: Producer = getattr(self, name)
        return await asyncio.get_running_loop().run_in_executor(self._waiter, self._serve, producer, name)

    def _serve(self, producer: Producer, name: str) -> int:
        # Not by `flush`, which raises the client's failure in the midst of reports, and so loses some of them.
        until = time.monotonic() + _LOOK_S
        pause = 0.001
        while len(producer) and time.monotonic() < until:
            try:
                producer.poll(pause)
            except KafkaException as error:
                self._fatal[name] = error.args[0]
            pause = min(2 * pause, 0.016)
        return len(producer)

    async def _again(self) -> None:
        """Sends once more what was refused, after a while and in the same order."""
        cures = {self._judge(item, SENDING) for item in list(self._refused)}
        if Cure.TOPIC in cures:
            await self._refresh(self._producer, {item.record.topic for item in list(self._refused)})
        await asyncio.sleep(_AGAIN_S)
        # In one go, so that nothing is neither in the list nor in the queue when somebody else flushes.
        refused = self._refused
        for _ in range(len(refused)):
            item = refused.pop(0)
            if self._superseded(item.record):
                self.written[item.record.partition] -= 1
                continue
            wait = (item.record.topic, item.record.partition) in self._first
            if wait or not self._produce(_MAIN, item.record, refused):
                refused.insert(0, item)
                break

    def _superseded(self, record: Outgoing) -> bool:
        """True for a state of which a newer one was handed over since: behind that, it would count as the newest."""
        newest = self._newest.get((record.partition, record.key), record)
        return record.topic == self._changelog and newest is not record

    def _judge(self, refused: Refused, part: str) -> Cure:
        """What heals it; begins a hold. Raises Unrecoverable when nothing does."""
        record, error = refused
        found = cure(error)
        if found is Cure.RIGHT:
            self._holds.on(DENIED, f"topic {record.topic} cannot be written: {error.str()}", part)
        elif found is Cure.TOPIC and record.topic == self._settings.topic(topics.DEAD_LETTERS):
            self._holds.on(
                LETTERS,
                f"topic {record.topic} is not there: {error.str()}. Create it with `backontrack topics create`",
                part,
            )
        elif found is Cure.TOPIC:
            # A cluster that has just come back may not know all its topics yet.
            since = self._unknown_since.setdefault((part, record.topic), time.monotonic())
            if time.monotonic() - since > self._settings.delivery_timeout / 1000:
                raise Unrecoverable(
                    f"the broker did not take a record: topic {record.topic} is not there ({error.str()}). Nothing was "
                    "committed past it; run `backontrack topics create`, then start again"
                )
        elif found is Cure.NONE:
            raise Unrecoverable(
                f"the broker did not take a record of {len(record.value or b'')} bytes for topic {record.topic}: "
                f"{error.str()}. Nothing was committed past it; {_remedy(error)}, then start again"
            )
        return found

    async def _refresh(self, producer: Producer, names: set[str]) -> None:
        """Makes the client ask for topics that it takes for unknown."""
        loop = asyncio.get_running_loop()
        for name in sorted(names):
            with contextlib.suppress(KafkaException):
                await loop.run_in_executor(self._waiter, producer.list_topics, name, _REFRESH_S)

    def _produce(self, name: str, record: Outgoing, refused: list[Refused]) -> bool:
        """Hands one record over; one that the client refuses at once is kept. False when the queue is full."""
        produce: Any = getattr(self, name).produce  # its stubs take a dict of wider values only
        topic, key, value, partition, headers, timestamp = record
        place = topic, partition
        if name == _MAIN and place not in self._begun[_MAIN]:
            self._first.add(place)
        try:
            reports = partial(self._report, refused, record)
            produce(topic, value, key, partition, reports, timestamp=timestamp, headers=headers)
        except BufferError:
            self._first.discard(place)
            return False
        except KafkaException as error:
            self._first.discard(place)
            refused.append(Refused(record, error.args[0]))
        return True

    def _report(self, refused: list[Refused], record: Outgoing, error: KafkaError | None, _message: Message) -> None:
        # Called in the threads of `_waiter`. The report's message is no record to be sent again: it has neither headers
        # nor time.
        if error is not None:
            place = record.topic, record.partition
            self._first.discard(place)
            for begun in self._begun.values():
                begun.discard(place)
            refused.append(Refused(record, error))

    def close(self) -> None:
        """Ends the waiting threads; what is not acknowledged is dropped."""
        self._drop()
        self._waiter.shutdown(wait=False, cancel_futures=True)


def _end(last: list[Producer]) -> None:
    """Ends a producer, given as the only reference to it: that waits for the client's own threads."""
    with contextlib.suppress(KafkaException):
        last[0].flush(0)
    last.clear()


def _remedy(error: KafkaError) -> str:
    if error.code() == KafkaError.INVALID_TIMESTAMP:
        # Brokers take nothing that is more than `message.timestamp.after.max.ms`, an hour, ahead of their own clock.
        return "the clock of this machine is far ahead of the brokers', or theirs is behind: set it right"
    return "check that `backontrack topics check` finds no difference"
