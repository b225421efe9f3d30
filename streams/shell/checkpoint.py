"""Emit and checkpoint: what is written when, so that dying anywhere loses and doubles nothing.

    emit         states of accounts with an outbox -> acknowledged -> their outboxes and health rows -> acknowledged
    checkpoint   emit; then
                 changed health rows -> acknowledged -> changed account states -> acknowledged
                 -> partition states -> acknowledged -> dead letters -> acknowledged -> offsets committed

A state is never stored without the outputs that it decided, an output never sent before the state that decided it is
stored, a partition's state never before all accounts are at least as far, and an offset never committed before that.
Applying goes on meanwhile: what is written is a snapshot, taken between two records.

What is taken to be written comes back to the table when it is not: a step that fails, is given up with the partitions
or is cancelled leaves everything owed as it was, and the next attempt begins from the front.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog
from faust.types import TP

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import OutboxRecord
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import dead_letters, failpoints, trace
from streams.shell.backoff import growing
from streams.shell.changelog import partition_record
from streams.shell.codec import Codec
from streams.shell.failure import Abandoned
from streams.shell.group import IsMember
from streams.shell.one_at_a_time import OneAtATime
from streams.shell.outgoing import Outgoing
from streams.shell.producer import Sender
from streams.shell.records import Records
from streams.shell.snapshot import Snapshot, chunks, next_offsets
from streams.shell.state_codec import encode_partition
from streams.shell.table import AccountTable, Owned

log = structlog.stdlib.get_logger(__name__)

_AGAIN_S, _LONGEST_S = 0.2, 5.0
_EARLY_S = 0.5
"""Wait before a checkpoint that is asked for ahead of its interval, so that one serves many."""

_SESSION_SHARE = 0.8
"""After this part of a session, being a member of the group is no longer taken for granted."""
_SHARE = 4
"""Times that the last checkpoint took before the next one begins: at most a fifth of the time goes into them."""

Commit = Callable[[Mapping[TP, int]], Awaitable[bool]]


class _Owed(Exception):  # noqa: N818  no error: the attempt is to be made again
    """Health rows were not acknowledged within their lease."""


class _Lost(Exception):  # noqa: N818  no error: the attempt is over
    """The group has given the partitions to another worker."""


class Checkpointer:
    """Writes what the table holds. One emit or checkpoint at a time.

    An outage makes an attempt take as long as it lasts. `abandon` ends it.

    Args:
        settings: Intervals and names.
        table: What is written.
        sender: How.
        codec: For health rows.
        metrics: Durations and counts.
        commit: Commits next offsets, however long that takes; False when the group is rebalancing.
        member: Asks the group.
    """

    def __init__(
        self,
        settings: Settings,
        table: AccountTable,
        sender: Sender,
        codec: Codec,
        metrics: Metrics,
        commit: Commit,
        member: IsMember,
    ) -> None:
        self._settings = settings
        self._table = table
        self._sender = sender
        self._records = Records(settings, codec)
        self._metrics = metrics
        self._commit = commit
        self._member = member
        self._changelog = topics.changelog(settings.app_id)
        self._writing = OneAtATime()
        self.committed: dict[TP, int] = {}
        """Next offsets of the last commit, of the partitions that are owned."""
        self.committed_at = time.monotonic()
        """When offsets were last committed, or found to be in place."""
        self._took = 0.0
        self.began: float | None = None
        """When the newest checkpoint began (monotonic, s), whether it has ended or not."""
        self.written = 0
        """Accounts that checkpoints have stored."""
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
        with contextlib.suppress(Abandoned):
            await self._writing.run(self._emit)

    async def make_room(self) -> None:
        """Writes what has piled up in the table: outputs, and dead letters, which leave with a checkpoint."""
        if any(owned.letter_bytes for owned in self._table.owned.values()):
            await self.checkpoint()
        else:
            await self.emit()

    async def checkpoint(self) -> bool:
        """Stores everything and commits the offsets of what was applied.

        False when the commit has to wait: the group is rebalancing, or the partitions are gone.
        """
        try:
            return await self._writing.run(self._checkpoint)
        except Abandoned:
            return False

    async def abandon(self) -> None:
        """Ends what is being written at once; afterwards nothing of it is written any more.

        For partitions that are given up: nothing is written until `forget` is called. What was not acknowledged stays
        owed in the table.
        """
        await self._writing.give_up(self._sender.purge)

    async def between(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does something while nothing is being written; not at all when partitions are being given up."""
        with contextlib.suppress(Abandoned):
            await self._writing.run(work)

    async def _checkpoint(self) -> bool:
        try:
            while True:
                began = self.began = time.monotonic()
                try:
                    return await self._try_checkpoint(began)
                except _Owed:
                    # The brokers were away for longer than a lease; this worker alone may have been.
                    if not await self.owns(0.0):
                        raise _Lost from None
        except _Lost:
            log.warning("checkpoint given up: the group has given the partitions to another worker")
            return False
        finally:
            self.began = None

    async def _try_checkpoint(self, began: float) -> bool:
        self._table.checkpoint_due.clear()
        await self._emit()
        await self._table.between_records(*self._table.owned.values())
        snapshots = [self._snapshot(owned) for owned in self._table.owned.values() if self._is_due(owned)]
        try:
            await self._store(snapshots, began)
            offsets = next_offsets(self._settings, snapshots)
            if offsets:
                failpoints.hit("commit_before")
                if not await self._commit(offsets):
                    log.info("offsets not committed: the group is rebalancing", partitions=len(snapshots))
                    return False
                failpoints.hit("commit_after")
                self.committed.update(offsets)
                self._metrics.checkpoint_duration.observe(time.monotonic() - began)
        except BaseException:
            for snapshot in snapshots:
                snapshot.put_back()
            raise
        self.committed_at = time.monotonic()
        self._took = self.committed_at - began
        return True

    async def owns(self, since: float) -> bool:
        """False when the group has given the partitions to somebody else. Asks it only when `since` is long ago.

        `since` is a moment (monotonic, s) when they were owned for certain. A worker that was paused or cut off learns
        here that its session is over, before it writes what nobody may see.
        """
        recent = time.monotonic() - since < _SESSION_SHARE * self._settings.session_timeout / 1000
        if recent or not self._table.owned:
            return True
        if self.committed:
            return await self._commit(dict(self.committed))
        pauses = growing(_AGAIN_S, _LONGEST_S)
        while True:
            found = await self._member()
            if found is not None:
                return found
            await asyncio.sleep(next(pauses))

    def forget(self) -> None:
        """After partitions were dropped."""
        self.committed.clear()
        self._writing.begin_again()

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
            try:
                for chunk in chunks(set(waiting)):
                    emitted += await self._emit_accounts(owned, chunk)
                    waiting.difference_update(chunk)
            except BaseException as error:
                owned.waiting |= waiting
                owned.trace.tell_again()
                if not isinstance(error, _Lost):
                    raise
                log.warning("outputs held back: the group has given the partitions to another worker")
        if emitted:
            self._metrics.emit_duration.observe(time.monotonic() - began)

    async def _emit_accounts(self, owned: Owned, ids: list[str]) -> int:
        await self._table.between_records(owned)
        began = time.monotonic()
        fold = owned.fold
        partition = fold.state.partition
        states: list[Outgoing] = []
        outputs: list[Outgoing] = []
        rows: list[Outgoing] = []
        taken: list[tuple[AccountState, list[OutboxRecord]]] = []
        # Row and state are taken at the same moment.
        unsent = fold.health_changed & set(ids)
        fold.health_changed -= unsent
        try:
            for account_id in ids:
                account = fold.accounts[account_id]
                states.append(self._records.account(owned, account))
                records = list(account.outbox)
                taken.append((account, records))
                outputs += (self._records.output(record, partition) for record in records)
                if account_id in unsent:
                    rows.append(self._records.row(owned, account_id))
            failpoints.hit("states_unsent")
            await self._sender.send(states)
            await self._sender.flush()
            failpoints.hit("states_stored")
            if not await self.owns(began):
                raise _Lost
            await self._sender.send(outputs)
            failpoints.hit("outbox_produced")
            late = await self._sender.lease(rows)
            unsent = {account_id for account_id in unsent if account_id.encode() in late}
            self._metrics.outputs.labels(topics.HEALTH).inc(len(rows) - len(unsent))
            await self._sender.flush()
            failpoints.hit("outbox_acknowledged")
        finally:
            # The next checkpoint sends the rows.
            fold.health_changed |= unsent
        for account, records in taken:
            # Further outputs may have been decided meanwhile; they stand behind these.
            del account.outbox[: len(records)]
            fold.dirty.add(account.account_id)
            self._count(records)
        return len(outputs) + len(rows)

    def _snapshot(self, owned: Owned) -> Snapshot:
        fold = owned.fold
        accounts, fold.dirty = fold.dirty, set()
        rows, fold.health_changed = fold.health_changed, set()
        owned.changed = False
        state = fold.state
        return Snapshot(
            owned,
            encode_partition(state),
            len(fold.accounts),
            owned.trace.count,
            dict(state.applied),
            list(state.outbox),
            accounts | rows,
            rows,
        )

    async def _store(self, snapshots: list[Snapshot], began: float) -> None:
        if not snapshots:
            await self._sender.flush()
            return
        failpoints.hit("dirty_unstored")
        for snapshot in snapshots:
            for chunk in chunks(snapshot.accounts):
                await self._store_accounts(snapshot, chunk, began)
        await self._sender.flush()
        failpoints.hit("dirty_stored")
        await self._sender.deliver(self._partition(snapshot) for snapshot in snapshots)
        for snapshot in snapshots:
            snapshot.owned.trace.confirm()
        failpoints.hit("partition_stored")
        letters = [self._records.output(record, None) for snapshot in snapshots for record in snapshot.letters]
        if letters:
            await self._sender.deliver(letters)
            failpoints.hit("letters_stored")
            for snapshot in snapshots:
                del snapshot.owned.fold.state.outbox[: len(snapshot.letters)]
                snapshot.owned.letter_bytes = sum(dead_letters.size(left) for left in snapshot.owned.fold.state.outbox)
                snapshot.owned.changed |= bool(snapshot.letters)
                self._count(snapshot.letters)

    def _partition(self, snapshot: Snapshot) -> Outgoing:
        owned = snapshot.owned
        return partition_record(
            self._changelog,
            owned.fold.state.partition,
            snapshot.partition,
            owned.epoch,
            snapshot.known,
            owned.since,
            owned.trace.repeated(snapshot.at) if trace.ON else None,
        )

    async def _store_accounts(self, snapshot: Snapshot, ids: list[str], began: float) -> None:
        owned, fold = snapshot.owned, snapshot.owned.fold
        await self._table.between_records(owned)
        states: list[Outgoing] = []
        rows: list[Outgoing] = []
        # Row and state of an account are taken at the same moment: the stored state is never newer than the sent row.
        for account_id in ids:
            states.append(self._records.account(owned, fold.accounts[account_id]))
            if account_id in fold.health_changed:
                fold.health_changed.discard(account_id)
                snapshot.rows.add(account_id)
            if account_id in snapshot.rows:
                rows.append(self._records.row(owned, account_id))
        if rows:
            if not await self.owns(began):
                raise _Lost
            if late := await self._sender.lease(rows):
                snapshot.rows.difference_update(set(ids) - {key.decode() for key in late})
                raise _Owed
            self._metrics.outputs.labels(topics.HEALTH).inc(len(rows))
            snapshot.rows.difference_update(ids)
        await self._sender.send(states)
        self.written += len(ids)
        await asyncio.sleep(0)

    def _count(self, records: list[OutboxRecord]) -> None:
        now = time.time() * 1000
        for record in records:
            self._metrics.outputs.labels(record.topic).inc()
            if record.topic == topics.INTERVENTIONS and self._settings.clock == "wall":
                self._metrics.intervention_latency.observe(max(0.0, (now - record.at) / 1000))
