"""Taking partitions over and giving them back."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import structlog

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.validate import EARLIEST
from streams.metrics import Metrics
from streams.partition import PartitionFold
from streams.policy.load import PolicyError, load_policy
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer
from streams.settings import Settings
from streams.shell import failpoints
from streams.shell.changelog import claim_record, next_epoch, schema_key, schema_record
from streams.shell.codec import Codec
from streams.shell.failure import Abandoned, Unrecoverable
from streams.shell.group import IsMember
from streams.shell.holds import Holds
from streams.shell.outgoing import Outgoing
from streams.shell.producer import Sender
from streams.shell.recovery import Cancelled, ChangelogReader
from streams.shell.replica import Replica
from streams.shell.stale import make_up
from streams.shell.standby import Standbys
from streams.shell.state_codec import encode_partition, written_schemas
from streams.shell.table import AccountTable, Owned

log = structlog.stdlib.get_logger(__name__)

_READERS = 4
_LOOK_S = 0.2
_POLICIES = 4
"""Kept of those that the log names: reading one takes some 10 ms."""
CONTROL_KEY = b"control"


async def _always() -> bool:
    return True


class Ownership:
    """Recovers assigned partitions into the table, before their records flow.

    A partition that comes back at once is not read again (it was parked), and one for which this worker stood by only
    from where its copy ends. All three ways are the same one from there on, so that they end in the same states.

    Args:
        settings: Names and clock.
        policy: The worker's policy; a partition whose active policy differs is sent this one through its log.
        table: Receives the partitions.
        sender: Writes the claim and the policy record.
        codec: For the policy record.
        metrics: Duration and size of recoveries.
        scorer: Scores raw text.
        holds: Told while the changelog cannot be read.
        member: Asks the group before a partition is claimed.
    """

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        table: AccountTable,
        sender: Sender,
        codec: Codec,
        metrics: Metrics,
        scorer: Scorer | None,
        holds: Holds | None = None,
        member: IsMember = _always,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._table = table
        self._sender = sender
        self._codec = codec
        self._metrics = metrics
        self._scorer = scorer
        self._holds = holds or Holds()
        self._member = member
        self._changelog = topics.changelog(settings.app_id)
        self._threads = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="recovery")
        self._cancelled = threading.Event()
        self._parked: dict[int, Replica] = {}
        self.standbys = Standbys(settings, self._changelog)
        self.generation = -1
        """Of the group, in which the partitions were taken over."""
        self.recovered = False
        """True while every assigned partition is recovered."""

    def cancel(self) -> None:
        """The assignment is over: recoveries under way end."""
        self._cancelled.set()
        self.recovered = False

    def park(self, ends: Mapping[int, int]) -> None:
        """Keeps the partitions that are being given back, in case that they come back at once.

        `ends` says where the changelog of each ended when this worker was still its owner for certain. A partition
        with anything in memory that is not on its changelog, or the other way round, is not kept.
        """
        for partition, owned in self._table.owned.items():
            self._parked.pop(partition, None)
            fold = owned.fold
            owed = fold.dirty or fold.health_changed or fold.state.outbox or owned.waiting or owned.changed
            if not owed and ends.get(partition) == owned.before + self._sender.written[partition]:
                place = f"{self._changelog}/{partition}"
                self._parked[partition] = Replica.parked(place, fold.state, fold.accounts, owned.epoch, ends[partition])

    async def take(self, partitions: Iterable[int], generation: int, standbys: Iterable[int] = ()) -> None:
        """Recovers partitions and puts them on the table. Ends early, with none, when they are taken away meanwhile.

        `standbys` are partitions of others, of which warm copies are to be kept.
        """
        cancelled = self._cancelled = threading.Event()
        self.recovered = False
        self.generation = generation
        began = time.monotonic()
        wanted = sorted(partitions)
        if wanted:
            self._sender.open()  # anew after a purge
        warm = {partition: self._warm(partition) for partition in wanted}
        parked, self._parked = self._parked, {}
        jobs = [self._recover(partition, generation, cancelled, *warm[partition]) for partition in wanted]
        with self.standbys.resting():
            found = await asyncio.gather(*jobs, return_exceptions=True)
        for result in found:
            if isinstance(result, BaseException) and not isinstance(result, Cancelled):
                raise result
        done = [result for result in found if not isinstance(result, BaseException)]
        if cancelled.is_set() or len(done) < len(jobs):
            # What was read need not be read again: another assignment is on the way.
            self._parked = {**parked, **self._parked, **{replica.partition: replica for _, replica in done}}
            return
        owned = {item.fold.state.partition: item for item, _ in done}
        self._table.owned = owned
        self.standbys.assign(set(standbys) - set(wanted), parked)
        if any(item.waiting for item in owned.values()):
            self._table.outputs_wait.set()
        if any(item.changed or item.fold.state.outbox or item.fold.dirty for item in owned.values()):
            self._table.checkpoint_due.set()
        self.recovered = True
        self._metrics.recovery_duration.observe(time.monotonic() - began)
        log.info(
            "partitions taken over",
            partitions=sorted(owned),
            generation=generation,
            accounts=sum(len(item.fold.accounts) for item in owned.values()),
            sources={partition: source for partition, (source, _) in warm.items() if source != "changelog"},
            seconds=round(time.monotonic() - began, 3),
        )

    def _warm(self, partition: int) -> tuple[str, Replica | None]:
        """What is known of a partition, and from where."""
        stood_by = self.standbys.release(partition)
        if partition in self._parked:
            return "parked", self._parked.pop(partition)
        return ("changelog" if stood_by is None else "standby"), stood_by

    async def _recover(
        self, partition: int, generation: int, cancelled: threading.Event, source: str, warm: Replica | None
    ) -> tuple[Owned, Replica]:
        loop = asyncio.get_running_loop()
        known = 0 if warm is None else warm.records
        reader = await loop.run_in_executor(
            self._threads, ChangelogReader, self._settings, self._changelog, partition, cancelled, self._holds, warm
        )
        try:
            await loop.run_in_executor(self._threads, reader.read_to_end)
            failpoints.hit("recovery_read")
            epoch = await self._claim(reader, partition, generation, cancelled)
            state, accounts = await loop.run_in_executor(self._threads, reader.states)
        except Cancelled:
            self._parked[partition] = reader.replica
            raise
        except asyncio.CancelledError:
            # The worker stops. Closing waits for the read that is under way.
            cancelled.set()
            raise
        finally:
            await loop.run_in_executor(self._threads, reader.close)
        replica = reader.replica
        if state is None:
            raise Unrecoverable(f"{self._changelog}/{partition}: the state that was just written is not there")
        self._metrics.recovery_records.inc(max(0, replica.records - known))
        self._metrics.recovered.labels(source).inc()
        fold = PartitionFold(state, accounts, self._load(state.policy), self._load, self._scorer)
        before = (replica.position or 0) - self._sender.written[partition]
        owned = Owned(fold, epoch, replica.since, before)
        removed = make_up(self._changelog, owned, replica.stale, self._metrics)
        if removed:
            await self._deliver(removed, cancelled)
        owned.waiting = {account.account_id for account in accounts.values() if account.outbox}
        # Their newest health row may have been lost with the worker.
        fold.health_changed |= owned.waiting
        if state.policy != self._policy.text:
            await self._announce_policy(fold, cancelled)
        if state.scorer and self._scorer is not None and state.scorer != self._scorer.name:
            # Allowed, as a better model is one: normals are learnt anew, and records name the model of each score.
            log.warning(
                "raw text is scored by another model from here on",
                partition=partition,
                before=state.scorer,
                now=self._scorer.name,
            )
        return owned, replica

    async def _claim(self, reader: ChangelogReader, partition: int, generation: int, cancelled: threading.Event) -> int:
        """Takes the partition over on the changelog; returns the owner's number.

        Whatever a former owner wrote before the claim is read; what it writes after it is ignored by everybody. For a
        new partition it is the first state. The schemas of this release come before it, so that every other release
        can read what follows.
        """
        loop = asyncio.get_running_loop()
        schemas = written_schemas()
        while True:
            replica = reader.replica
            await loop.run_in_executor(self._threads, replica.check)
            state = replica.decode_partition() or PartitionState(partition, policy=self._policy.text)
            # What was read before this answer holds no claim of a newer generation, so that its number is smaller.
            await self._prove(cancelled)
            epoch, mark = next_epoch(generation, replica.epoch), secrets.token_bytes(8)
            records = [
                schema_record(self._changelog, partition, fingerprint, source, epoch)
                for fingerprint, source in schemas.items()
                if schema_key(fingerprint) not in replica.schemas
            ]
            value = encode_partition(state)
            records.append(claim_record(self._changelog, partition, value, epoch, replica.count, mark))
            await self._deliver(records, cancelled)
            failpoints.hit("recovery_claimed")
            await loop.run_in_executor(self._threads, reader.read_to_end)
            if reader.replica.claim == mark and reader.replica.contested < epoch:
                return epoch
            log.warning("another worker has claimed the partition meanwhile", partition=partition, epoch=epoch)

    async def _prove(self, cancelled: threading.Event) -> None:
        """Returns when the group says that it counts this worker in. Raises Cancelled when it does not."""
        while (member := await self._member()) is None:
            if cancelled.is_set():
                raise Cancelled
            await asyncio.sleep(_LOOK_S)
        if not member or cancelled.is_set():
            raise Cancelled

    async def _deliver(self, records: Iterable[Outgoing], cancelled: threading.Event) -> None:
        """Returns when the records are acknowledged. Raises Cancelled when the partition is taken away before."""
        task = asyncio.ensure_future(self._sender.deliver(records))
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_LOOK_S)
                if cancelled.is_set() and not task.done():
                    raise Cancelled
        finally:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            try:
                return task.result()
            except Abandoned:
                pass
        raise Cancelled

    def _load(self, text: str) -> Policy:
        """The policy of a text; partitions with the same text share it. Raises ValueError."""
        return self._policy if text == self._policy.text else _policy_of(text)

    async def _announce_policy(self, fold: PartitionFold, cancelled: threading.Event) -> None:
        wall = self._settings.clock == "wall"
        at = int(time.time() * 1000) if wall else max(fold.state.stream_time, EARLIEST)
        record = {
            "kind": "policy",
            "at": at,
            "policy_version": self._policy.version,
            "policy": self._policy.text,
            "source": self._settings.app_id,
        }
        await self._deliver([control_record(self._settings, self._codec, fold.state.partition, record)], cancelled)
        log.info("policy announced", partition=fold.state.partition, version=self._policy.version)


@lru_cache(maxsize=_POLICIES)
def _policy_of(text: str) -> Policy:
    try:
        return load_policy(text, "policy in the log")
    except PolicyError as error:
        raise ValueError(str(error)) from error


def control_record(settings: Settings, codec: Codec, partition: int, record: Mapping[str, object]) -> Outgoing:
    """A record for `partition-control`, at the time in its field `at`."""
    at = record["at"]
    if not isinstance(at, int):
        raise TypeError("at is a time in ms")
    return Outgoing(
        settings.topic(topics.CONTROL),
        CONTROL_KEY,
        codec.encode(topics.CONTROL, record),
        partition,
        timestamp=at,
    )


def copartitioned(ranks: Iterable[str], assigned: Iterable[tuple[str, int]]) -> set[int]:
    """The assigned partitions; every one of them must be assigned with all its topics.

    Raises Unrecoverable when topics of a partition are on different workers: their partition counts differ then.
    """
    found: dict[int, set[str]] = {}
    wanted = set(ranks)
    for topic, partition in assigned:
        if topic in wanted:
            found.setdefault(partition, set()).add(topic)
    for partition, names in sorted(found.items()):
        if names != wanted:
            raise Unrecoverable(
                f"partition {partition} is assigned without {', '.join(sorted(wanted - names))}: the account topics "
                "must have equal partition counts. Run `backontrack topics check`"
            )
    return set(found)
