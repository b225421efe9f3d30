"""Taking partitions over and giving them back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

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
from streams.shell.changelog import PARTITION_KEY, state_record
from streams.shell.codec import Codec
from streams.shell.failure import Unrecoverable
from streams.shell.producer import Outgoing, Sender
from streams.shell.recovery import Cancelled, ChangelogReader
from streams.shell.state_codec import encode_partition
from streams.shell.table import AccountTable, Owned

log = structlog.stdlib.get_logger(__name__)

_READERS = 4
CONTROL_KEY = b"control"


class Ownership:
    """Recovers assigned partitions into the table, before their records flow.

    Args:
        settings: Names and clock.
        policy: The worker's policy; a partition whose active policy differs is sent this one through its log.
        table: Receives the partitions.
        sender: Writes the claim and the policy record.
        codec: For the policy record.
        metrics: Duration and size of recoveries.
        scorer: Scores raw text.
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
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._table = table
        self._sender = sender
        self._codec = codec
        self._metrics = metrics
        self._scorer = scorer
        self._changelog = topics.changelog(settings.app_id)
        self._threads = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="recovery")
        self._cancelled = threading.Event()
        self.recovered = False
        """True while every assigned partition is recovered."""

    def cancel(self) -> None:
        """The assignment is over: recoveries under way end."""
        self._cancelled.set()
        self.recovered = False

    async def take(self, partitions: Iterable[int], generation: int) -> None:
        """Recovers partitions and puts them on the table. Ends early, with none, when they are taken away meanwhile."""
        cancelled = self._cancelled = threading.Event()
        self.recovered = False
        began = time.monotonic()
        jobs = [self._recover(partition, generation, cancelled) for partition in sorted(partitions)]
        found = await asyncio.gather(*jobs, return_exceptions=True)
        for result in found:
            if isinstance(result, BaseException) and not isinstance(result, Cancelled):
                raise result
        if cancelled.is_set():
            return
        owned = {item.fold.state.partition: item for item in found if isinstance(item, Owned)}
        self._table.owned = owned
        if any(item.waiting for item in owned.values()):
            self._table.outputs_wait.set()
        if any(item.fold.state.outbox for item in owned.values()):
            self._table.checkpoint_due.set()
        self.recovered = True
        self._metrics.recovery_duration.observe(time.monotonic() - began)
        log.info(
            "partitions taken over",
            partitions=sorted(owned),
            generation=generation,
            accounts=sum(len(item.fold.accounts) for item in owned.values()),
            seconds=round(time.monotonic() - began, 3),
        )

    async def _recover(self, partition: int, generation: int, cancelled: threading.Event) -> Owned:
        loop = asyncio.get_running_loop()
        reader = await loop.run_in_executor(
            self._threads, ChangelogReader, self._settings, self._changelog, partition, cancelled
        )
        try:
            await loop.run_in_executor(self._threads, reader.read_to_end)
            failpoints.hit("recovery_read")
            # Generations begin again when a group was forgotten, so what was seen counts as well.
            epoch = max(generation, reader.epoch + 1)
            stored = reader.newest.get(PARTITION_KEY)
            first = stored is None and not reader.newest
            if first:
                stored = encode_partition(PartitionState(partition, policy=self._policy.text))
            if stored is not None:
                # The claim. Whatever a former owner wrote before it is read below; what it writes after it is ignored
                # by everybody. For a new partition it is the first state.
                await self._sender.send([state_record(self._changelog, partition, PARTITION_KEY, stored, epoch)])
                await self._sender.flush()
                failpoints.hit("recovery_claimed")
                await loop.run_in_executor(self._threads, reader.read_to_end)
            state, accounts = await loop.run_in_executor(self._threads, reader.states, partition)
        finally:
            await loop.run_in_executor(self._threads, reader.close)
        if state is None:
            raise Unrecoverable(f"{self._changelog}/{partition}: the state that was just written is not there")
        self._metrics.recovery_records.inc(reader.records)
        fold = PartitionFold(state, accounts, self._load(state.policy), self._load, self._scorer)
        owned = Owned(fold, epoch)
        owned.waiting = {account.account_id for account in accounts.values() if account.outbox}
        # Their newest health row may have been lost with the worker.
        fold.health_changed |= owned.waiting
        if state.policy != self._policy.text:
            await self._announce_policy(fold)
        if state.scorer and self._scorer is not None and state.scorer != self._scorer.name:
            # Allowed, as a better model is one: normals are learnt anew, and records name the model of each score.
            log.warning(
                "raw text is scored by another model from here on",
                partition=partition,
                before=state.scorer,
                now=self._scorer.name,
            )
        return owned

    def _load(self, text: str) -> Policy:
        try:
            return load_policy(text, "policy in the log")
        except PolicyError as error:
            raise ValueError(str(error)) from error

    async def _announce_policy(self, fold: PartitionFold) -> None:
        wall = self._settings.clock == "wall"
        at = int(time.time() * 1000) if wall else max(fold.state.stream_time, EARLIEST)
        record = {
            "kind": "policy",
            "at": at,
            "policy_version": self._policy.version,
            "policy": self._policy.text,
            "source": self._settings.app_id,
        }
        await self._sender.send([control_record(self._settings, self._codec, fold.state.partition, record)])
        await self._sender.flush()
        log.info("policy announced", partition=fold.state.partition, version=self._policy.version)


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
