"""Everything a worker writes goes through here: nothing counts as sent before the broker has acknowledged it.

Brokers that are away end nothing: what was handed over is sent again until it is acknowledged, however long that takes,
and so is what the brokers refuse until somebody grants a right or creates the topic of the dead letters. Only an error
that no waiting heals is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import structlog
from confluent_kafka import KafkaError

from streams import topics
from streams.settings import Settings, SettingsError
from streams.shell import rotation
from streams.shell.connection import librdkafka
from streams.shell.failure import Abandoned, Cure, Unrecoverable, cure
from streams.shell.holds import BROKER, DENIED, LETTERS, PATIENCE_S, ROWS, SENDING, Holds
from streams.shell.outgoing import Outgoing, Place, Refused
from streams.shell.writer import Writer

log = structlog.stdlib.get_logger(__name__)

_YIELD_EVERY = 500
_AGAIN_S = 1.0
"""Wait before what was refused is sent again."""
_RETRY_S = 3.0
"""Wait before another producer is tried in place of one that was refused for good."""
_LATE_MS = 1_250
"""What the client gives up may be so much older than its time-out: it looks once a second."""
_FIRST_SHARE = 1 / 8
"""After this part of a session, rows do not follow the first one of a partition under the same lease."""


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
        # A heartbeat lies back at most a quarter of a session, and what was then sent ends with its lease: both are
        # over before anybody else can own the account.
        lease = max(500, min(settings.session_timeout // 2, 3 * settings.session_timeout // 4 - _LATE_MS))
        ends = {"message.timeout.ms": lease, "topic.metadata.propagation.max.ms": lease // 4}
        self._main = Writer(settings, "worker", {"message.timeout.ms": 0}, self._waiter, self._forget)
        self._leased = Writer(settings, "rows", ends, self._waiter, self._forget)
        self._writers = {SENDING: self._main, ROWS: self._leased}

    def open(self) -> None:
        """Connects; to be called some time before there is something to send, which would wait for it."""
        for writer in self._writers.values():
            writer.open()

    async def send(self, records: Iterable[Outgoing]) -> int:
        """Hands records to the producer, in order; returns how many. They are not stored before `flush` returns."""
        return await self._hand_over(SENDING, records, self._refused)

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
                left = await self._main.wait()
                if self._purges != purges:
                    raise Abandoned
                await self._mend(SENDING)
                if not left or time.monotonic() - began > PATIENCE_S:
                    await self._renew()
                if self._refused:
                    await self._again()
                elif not left and not self._retires:
                    break
        if not self._main.waiting:
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
            if unleased or time.monotonic() - began > _FIRST_SHARE * self._settings.session_timeout / 1000:
                waiting, rest = {row.key or b"" for row in rest}, []
        if rest:
            await self._lease(rest, unleased)
        elif not first:
            return set()
        await self._mend(ROWS)
        late = list(unleased)
        if not late:
            self._let_go(ROWS)
            return waiting
        if any(self._judge(item, ROWS) is not Cure.TIME for item in late):
            await self._leased.refresh({item.record.topic for item in late})
            await asyncio.sleep(_AGAIN_S)
        else:
            self._holds.on(BROKER, "health rows are not acknowledged", ROWS)
        return waiting | {item.record.key or b"" for item in late}

    def _firsts(self, rows: Iterable[Outgoing]) -> tuple[dict[Place, Outgoing], list[Outgoing]]:
        """The first row of each partition in which the producer is not known, and the other rows."""
        first: dict[Place, Outgoing] = {}
        rest = [row for row in rows if self._leased.knows(row.place) or first.setdefault(row.place, row) is not row]
        return first, rest

    async def _lease(self, rows: Iterable[Outgoing], unleased: list[Refused]) -> None:
        await self._hand_over(ROWS, rows, unleased)
        while await self._leased.wait() or self._retires:
            pass

    def purge(self) -> None:
        """Drops what is queued or on its way: the partitions are no longer this worker's. Whoever waits is told."""
        self._purges += 1
        for writer in self._writers.values():
            writer.drop()
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
        if now == self._made_with or self._retires:
            return
        try:
            librdkafka(self._settings)
        except SettingsError:
            return  # certificate and key are replaced one after the other
        self._made_with = now
        for writer in self._writers.values():
            await writer.replace()
        log.info("new certificates are used for writing")

    async def _mend(self, part: str) -> None:
        """A producer that will never send again gives way to a new one, when a right can heal that.

        An idempotent producer needs a number from the brokers, which give none to a user who may write nowhere. Raises
        Unrecoverable when nothing heals it.
        """
        writer = self._writers[part]
        error, writer.fatal = writer.fatal, None
        if error is None:
            return
        if cure(error) is not Cure.RIGHT:
            raise Unrecoverable(
                f"nothing can be written any more: {error.str()}. Nothing was committed past it; start again"
            )
        self._holds.on(DENIED, f"nothing can be written: {error.str()}", part)
        await writer.replace()
        await asyncio.sleep(_RETRY_S)

    @property
    def _retires(self) -> bool:
        return any(writer.retiring for writer in self._writers.values())

    def _forget(self, place: Place) -> None:
        """After a refusal no producer counts on what the leader of a partition knows of it."""
        for writer in self._writers.values():
            writer.forget(place)

    async def _hand_over(self, part: str, records: Iterable[Outgoing], refused: list[Refused]) -> int:
        purges, writer = self._purges, self._writers[part]
        count = 0
        for record in records:
            while part == SENDING and writer.begins(record.place):
                # It goes alone, also when it has to go again.
                await self.flush()
            if record.topic == self._changelog:
                self._newest[record.partition, record.key] = record
            if not writer.produce(record, refused):
                await self._make_room(part, record, refused)
            count += 1
            if record.topic == self._changelog:
                self.written[record.partition] += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
                if self._purges != purges:
                    raise Abandoned
        return count

    async def _make_room(self, part: str, record: Outgoing, refused: list[Refused]) -> None:
        """Hands a record over as soon as the client's queue takes it. Raises Abandoned when that was purged."""
        purges, writer = self._purges, self._writers[part]
        with self._holds.after(PATIENCE_S, BROKER, "the queue of what is to be sent is full", part):
            while True:
                await writer.wait()
                await self._renew()
                if self._purges != purges:
                    raise Abandoned
                if writer.produce(record, refused):
                    return

    async def _again(self) -> None:
        """Sends once more what was refused, after a while and in the same order."""
        cures = {self._judge(item, SENDING) for item in list(self._refused)}
        if Cure.TOPIC in cures:
            await self._main.refresh({item.record.topic for item in list(self._refused)})
        await asyncio.sleep(_AGAIN_S)
        # In one go, so that nothing is neither in the list nor in the queue when somebody else flushes.
        refused = self._refused
        for _ in range(len(refused)):
            item = refused.pop(0)
            if self._superseded(item.record):
                self.written[item.record.partition] -= 1
                continue
            if self._main.begins(item.record.place) or not self._main.produce(item.record, refused):
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

    def close(self) -> None:
        """Ends the waiting threads; what is not acknowledged is dropped."""
        for writer in self._writers.values():
            writer.drop()
        self._waiter.shutdown(wait=False, cancel_futures=True)


def _remedy(error: KafkaError) -> str:
    if error.code() == KafkaError.INVALID_TIMESTAMP:
        # Brokers take nothing that is more than `message.timestamp.after.max.ms`, an hour, ahead of their own clock.
        return "the clock of this machine is far ahead of the brokers', or theirs is behind: set it right"
    return "check that `backontrack topics check` finds no difference"
