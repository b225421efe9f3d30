"""Emit and checkpoint: what is written when, so that dying anywhere loses and doubles nothing.

    emit         states of accounts with an outbox -> acknowledged -> their outboxes and health rows -> acknowledged
    checkpoint   emit; then
                 changed health rows -> acknowledged -> changed account states -> acknowledged
                 -> partition states -> acknowledged -> dead letters -> acknowledged -> offsets committed

A state is never stored without the outputs that it decided, an output never sent before the state that decided it is
stored, a partition's state never before all accounts are at least as far, and an offset never committed before that.
Applying goes on meanwhile: what is written is a snapshot, taken between two records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog
from faust.types import TP

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import OutboxRecord
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import failpoints, trace
from streams.shell.changelog import PARTITION_KEY, state_record
from streams.shell.codec import Codec
from streams.shell.envelope import health_headers
from streams.shell.producer import Outgoing, Sender
from streams.shell.state_codec import encode_account, encode_partition
from streams.shell.table import AccountTable, Owned

log = structlog.stdlib.get_logger(__name__)

_CHUNK = 500
"""Accounts encoded before the event loop gets its turn."""
_EARLY_S = 0.5
"""Wait before a checkpoint that is asked for ahead of its interval, so that one serves many."""

_SESSION_SHARE = 0.8
"""After this part of a session, being a member of the group is no longer taken for granted."""
_SHARE = 4
"""Times that the last checkpoint took before the next one begins: at most a fifth of the time goes into them."""

Commit = Callable[[Mapping[TP, int]], Awaitable[bool]]


@dataclass(slots=True)
class _Snapshot:
    owned: Owned
    partition: bytes
    at: int
    """Records applied in this epoch when it was taken."""
    applied: dict[str, int]
    letters: list[OutboxRecord]
    accounts: set[str]
    rows: set[str]


class Checkpointer:
    """Writes what the table holds. One emit or checkpoint at a time.

    Args:
        settings: Intervals and names.
        table: What is written.
        sender: How.
        codec: For health rows.
        metrics: Durations and counts.
        commit: Commits next offsets; False when the group is rebalancing.
    """

    def __init__(
        self, settings: Settings, table: AccountTable, sender: Sender, codec: Codec, metrics: Metrics, commit: Commit
    ) -> None:
        self._settings = settings
        self._table = table
        self._sender = sender
        self._codec = codec
        self._metrics = metrics
        self._commit = commit
        self._changelog = topics.changelog(settings.app_id)
        self._writing = asyncio.Lock()
        self.committed: dict[TP, int] = {}
        """Next offsets of the last commit, of the partitions that are owned."""
        self.committed_at = time.monotonic()
        """When offsets were last committed, or found to be in place."""
        self._took = 0.0
        table.make_room = self.make_room

    async def emit_forever(self) -> None:
        """Emits as soon as outputs wait, at most once in each `emit_interval`."""
        while True:
            await self._table.outputs_wait.wait()
            await self.emit()
            await asyncio.sleep(self._settings.emit_interval / 1000)

    async def checkpoint_forever(self) -> None:
        """Makes a checkpoint in each `checkpoint_interval`, earlier when one is due.

        Over a backlog nearly every account changes between two of them, so that they would take most of the time: the
        interval then grows with what the last one took. Decisions leave all the same, by `emit`.
        """
        due = self._table.checkpoint_due
        while True:
            longest = max(self._settings.checkpoint_interval, self._settings.stall_timeout // 3) / 1000
            interval = max(self._settings.checkpoint_interval / 1000, min(longest, _SHARE * self._took))
            try:
                await asyncio.wait_for(due.wait(), interval)
                await asyncio.sleep(min(_EARLY_S, self._settings.checkpoint_interval / 1000))
            except TimeoutError:
                pass
            await self.checkpoint()

    async def emit(self) -> None:
        """Stores what decided waiting outputs, then sends them."""
        async with self._writing:
            await self._emit()

    async def make_room(self) -> None:
        """Writes what has piled up in the table: outputs, and dead letters, which leave with a checkpoint."""
        if any(owned.letter_bytes for owned in self._table.owned.values()):
            await self.checkpoint()
        else:
            await self.emit()

    async def checkpoint(self) -> bool:
        """Stores everything and commits the offsets of what was applied. False when the commit has to wait."""
        async with self._writing:
            began = time.monotonic()
            self._table.checkpoint_due.clear()
            await self._emit()
            snapshots = [self._snapshot(owned) for owned in self._table.owned.values() if self._is_due(owned)]
            await self._store(snapshots)
            offsets = self._offsets(snapshots)
            if offsets:
                failpoints.hit("commit_before")
                if not await self._commit(offsets):
                    log.info("offsets not committed: the group is rebalancing", partitions=len(snapshots))
                    return False
                failpoints.hit("commit_after")
                self.committed.update(offsets)
                self._metrics.checkpoint_duration.observe(time.monotonic() - began)
            self.committed_at = time.monotonic()
            self._took = self.committed_at - began
            return True

    async def owns(self, since: float) -> bool:
        """False when the group has given the partitions to somebody else. Asks it only when `since` is long ago.

        `since` is a moment (monotonic, s) when they were owned for certain. A worker that was paused or cut off learns
        here that its session is over, before it writes what nobody may see.
        """
        if time.monotonic() - since < _SESSION_SHARE * self._settings.session_timeout / 1000 or not self.committed:
            return True
        return await self._commit(dict(self.committed))

    def forget(self) -> None:
        """After partitions were dropped."""
        self.committed.clear()

    def _is_due(self, owned: Owned) -> bool:
        fold = owned.fold
        return owned.changed or bool(fold.dirty or fold.health_changed or fold.state.outbox) or self._behind(owned)

    def _behind(self, owned: Owned) -> bool:
        """True when the last commit did not go through."""
        name, partition = self._settings.topic, owned.fold.state.partition
        return any(
            self.committed.get(TP(name(topic), partition), 0) <= offset
            for topic, offset in owned.fold.state.applied.items()
        )

    async def _emit(self) -> None:
        self._table.outputs_wait.clear()
        began = time.monotonic()
        emitted = 0
        for owned in list(self._table.owned.values()):
            waiting, owned.waiting = owned.waiting, set()
            for chunk in _chunks(waiting):
                emitted += await self._emit_accounts(owned, chunk)
        if emitted:
            self._metrics.emit_duration.observe(time.monotonic() - began)

    async def _emit_accounts(self, owned: Owned, ids: list[str]) -> int:
        began = time.monotonic()
        fold = owned.fold
        partition = fold.state.partition
        states: list[Outgoing] = []
        outputs: list[Outgoing] = []
        taken: list[tuple[AccountState, list[OutboxRecord]]] = []
        rows = fold.health_changed & set(ids)
        fold.health_changed -= rows
        for account_id in ids:
            account = fold.accounts[account_id]
            states.append(self._account_state(owned, account))
            records = list(account.outbox)
            taken.append((account, records))
            outputs += (self._output(record, partition) for record in records)
            if account_id in rows:
                outputs.append(self._health_row(owned, account_id))
        failpoints.hit("states_unsent")
        await self._sender.send(states)
        await self._sender.flush()
        failpoints.hit("states_stored")
        if not await self.owns(began):
            log.warning("outputs held back: the group has given the partitions to another worker")
            owned.waiting.update(ids)
            fold.health_changed |= rows
            return 0
        await self._sender.send(outputs)
        failpoints.hit("outbox_produced")
        await self._sender.flush()
        failpoints.hit("outbox_acknowledged")
        for account, records in taken:
            # Further outputs may have been decided meanwhile; they stand behind these.
            del account.outbox[: len(records)]
            fold.dirty.add(account.account_id)
            self._count(records)
        return len(outputs)

    def _snapshot(self, owned: Owned) -> _Snapshot:
        fold = owned.fold
        accounts, fold.dirty = fold.dirty, set()
        rows, fold.health_changed = fold.health_changed, set()
        owned.changed = False
        state = fold.state
        return _Snapshot(
            owned,
            encode_partition(state),
            owned.trace.count,
            dict(state.applied),
            list(state.outbox),
            accounts | rows,
            rows,
        )

    async def _store(self, snapshots: list[_Snapshot]) -> None:
        if snapshots:
            failpoints.hit("dirty_unstored")
        for snapshot in snapshots:
            for chunk in _chunks(snapshot.accounts):
                await self._store_accounts(snapshot, chunk)
        await self._sender.flush()
        if snapshots:
            failpoints.hit("dirty_stored")
        for snapshot in snapshots:
            owned = snapshot.owned
            await self._sender.send(
                [
                    state_record(
                        self._changelog,
                        owned.fold.state.partition,
                        PARTITION_KEY,
                        snapshot.partition,
                        owned.epoch,
                        owned.trace.header(snapshot.at) if trace.ON else None,
                    )
                ]
            )
        await self._sender.flush()
        if snapshots:
            failpoints.hit("partition_stored")
        letters = [self._output(record, None) for snapshot in snapshots for record in snapshot.letters]
        if letters:
            await self._sender.send(letters)
            await self._sender.flush()
            failpoints.hit("letters_stored")
            for snapshot in snapshots:
                del snapshot.owned.fold.state.outbox[: len(snapshot.letters)]
                snapshot.owned.letter_bytes = sum(len(left.value or b"") for left in snapshot.owned.fold.state.outbox)
                snapshot.owned.changed |= bool(snapshot.letters)
                self._count(snapshot.letters)

    async def _store_accounts(self, snapshot: _Snapshot, ids: list[str]) -> None:
        owned, fold = snapshot.owned, snapshot.owned.fold
        states: list[Outgoing] = []
        rows: list[Outgoing] = []
        # Row and state of an account are taken at the same moment: the stored state is never newer than the sent row.
        for account_id in ids:
            states.append(self._account_state(owned, fold.accounts[account_id]))
            if account_id in snapshot.rows or account_id in fold.health_changed:
                fold.health_changed.discard(account_id)
                rows.append(self._health_row(owned, account_id))
        if rows:
            await self._sender.send(rows)
            await self._sender.flush()
            self._metrics.outputs.labels(topics.HEALTH).inc(len(rows))
        await self._sender.send(states)
        await asyncio.sleep(0)

    def _account_state(self, owned: Owned, account: AccountState) -> Outgoing:
        return state_record(
            self._changelog,
            owned.fold.state.partition,
            account.account_id.encode(),
            encode_account(account),
            owned.epoch,
            owned.trace.header(owned.trace.count) if trace.ON else None,
        )

    def _health_row(self, owned: Owned, account_id: str) -> Outgoing:
        row: dict[str, Any] = owned.fold.health_row(account_id)
        return Outgoing(
            self._settings.topic(topics.HEALTH),
            account_id.encode(),
            self._codec.encode(topics.HEALTH, row),
            owned.fold.state.partition,
            health_headers(row, self._settings.app_id),
            row["as_of"],
        )

    def _output(self, record: OutboxRecord, partition: int | None) -> Outgoing:
        name = self._settings.topic(record.topic)
        if partition is None:
            return Outgoing(name, record.key, record.value, headers=record.all_headers(), timestamp=record.at)
        return Outgoing(name, record.key, record.value, partition, record.all_headers(), record.at)

    def _count(self, records: list[OutboxRecord]) -> None:
        now = time.time() * 1000
        for record in records:
            self._metrics.outputs.labels(record.topic).inc()
            if record.topic == topics.INTERVENTIONS and self._settings.clock == "wall":
                self._metrics.intervention_latency.observe(max(0.0, (now - record.at) / 1000))

    def _offsets(self, snapshots: list[_Snapshot]) -> dict[TP, int]:
        name = self._settings.topic
        return {
            TP(name(topic), snapshot.owned.fold.state.partition): offset + 1
            for snapshot in snapshots
            for topic, offset in snapshot.applied.items()
        }


def _chunks(ids: set[str]) -> Iterator[list[str]]:
    """The ids in an order that is the same in every run, some at a time."""
    ordered = iter(sorted(ids))
    while chunk := list(islice(ordered, _CHUNK)):
        yield chunk
