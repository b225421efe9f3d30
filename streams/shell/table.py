"""The account table: the folds of the owned partitions, and what the log has made of them that is not stored yet.

A record that cannot be applied now makes its partition wait (`pauses.py`): what is handed on of it meanwhile is put
aside in order, its lanes hand on no more, and all other partitions go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams import topics
from streams.domain.outputs import OutboxRecord, Output
from streams.domain.validate import EARLIEST, LATEST, REASONS, check
from streams.metrics import Metrics
from streams.partition import PartitionFold
from streams.settings import Settings
from streams.shell import dead_letters, failpoints, trace
from streams.shell.codec import Codec
from streams.shell.envelope import headers
from streams.shell.frames import BadRecord
from streams.shell.holds import RATIO, Holds
from streams.shell.lanes import PartitionLanes, Slice
from streams.shell.letter_limit import LetterWindow, PastRecord
from streams.shell.pauses import HistoryWanted, OverLimit, Pause, Pauses, RegistryWanted
from streams.shell.registry import RegistryUnavailable

STEP = 500
"""Records applied before the event loop gets its turn: some 20 ms."""
TIMERS = 100
"""Timers fired before the event loop gets its turn: at the end of a day one record may fire those of all accounts."""
_WAITING_LIMIT = 20_000
"""Accounts with outputs that are not sent yet, beyond which applying waits for the emit."""
_LETTERS_LIMIT = 1 << 20
"""Bytes of dead letters in a partition's outbox beyond which applying waits for a checkpoint.

The outbox is part of the partition's state, which has to fit one record of the changelog, and what waits in it takes
about five times its size in memory.
"""
_ALL_LETTERS_LIMIT = 4 << 20
"""The same of all partitions together."""
_LOOK_S = 0.25


@dataclass(slots=True)
class Owned:
    """A partition that this worker owns."""

    fold: PartitionFold
    epoch: int
    """Number that stands on all it writes to the changelog; later owners have larger ones."""
    since: int = 0
    """Changelog offset of the record by which this worker took over."""
    before: int = 0
    """Where the changelog would end if this worker had written nothing: foreign records alone move it."""
    waiting: set[str] = field(default_factory=set)
    """Accounts with outputs that are not on their topics yet."""
    changed: bool = False
    """True when something was applied since the partition's state was last stored."""
    letter_bytes: int = 0
    """Size of the dead letters that wait in the partition's outbox."""
    windows: dict[str, LetterWindow] = field(default_factory=dict)
    """Dead letters among the newest records, by topic; made when the first one is met."""
    trace: trace.Trace = field(default_factory=trace.Trace)
    """Order of application, when it is asked for."""
    applied_at: float = field(default_factory=time.monotonic)
    """When a record was last applied, or found to have to wait."""


@dataclass(slots=True, eq=False)
class _Held:
    """What was handed on of a partition that waits."""

    partition: int
    turn: int
    pause: Pause
    pieces: deque[Sequence[Any]]
    lanes: PartitionLanes | None
    waits: bool = False
    """False while it applies, or writes to make room: that is not broken off, it ends at its next step."""
    task: asyncio.Task[None] | None = None


class AccountTable:
    """States of the owned partitions, changed by applying slices.

    `outputs_wait` is set when an emit is due, `checkpoint_due` when a checkpoint should not wait for its interval.
    `make_room` is awaited when too much waits to be written.

    Args:
        settings: Names and limits.
        codec: Reads the records.
        metrics: Counts what becomes of them.
        holds: Told while a partition waits.
        pauses: How a partition waits; without them, as in tests, nothing is known of earlier records.
        fail: Stops the worker.
    """

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        metrics: Metrics,
        holds: Holds | None = None,
        pauses: Pauses | None = None,
        fail: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._settings = settings
        self._codec = codec
        self._metrics = metrics
        self._holds = holds or Holds()
        self._pauses = pauses or Pauses(settings, self._holds)
        self._fail = fail
        self._decoders = {settings.topic(name): (name, codec.decoder(name)) for name in topics.RANKS}
        self._held: dict[int, _Held] = {}
        self.lanes: Mapping[int, PartitionLanes] = {}
        """Lanes of the current assignment; those of a partition that waits are closed."""
        self.turn = 0
        """Number of the current assignment."""
        self.owned: dict[int, Owned] = {}
        self.outputs_wait = asyncio.Event()
        self.checkpoint_due = asyncio.Event()
        self._whole = asyncio.Event()
        # Set when a record was applied to its end.
        self.make_room: Callable[[], Awaitable[None]] | None = None

    @property
    def dirty(self) -> int:
        """Accounts changed since they were last stored."""
        return sum(len(owned.fold.dirty) for owned in self.owned.values())

    @property
    def over_limit(self) -> list[tuple[str, int]]:
        """Topic and partition of those that wait because too many newest records cannot be read."""
        return [
            (held.pause.topic, held.partition)
            for held in self._held.values()
            if isinstance(held.pause, OverLimit) and held.turn == self.turn
        ]

    def drop(self) -> None:
        """Forgets all partitions; slices that are under way are not applied any further."""
        self.turn = -1
        self.owned.clear()
        for held in list(self._held.values()):
            self._let_go(held)

    async def apply_slice(self, piece: Slice) -> None:
        """Applies a slice of a partition, in steps between which the event loop gets its turn."""
        held = self._held.get(piece.partition)
        if held is not None and held.turn == piece.turn:
            held.pieces.append(piece.records)
            return
        done, pause = await self._advance(piece.partition, piece.turn, piece.records)
        if pause is not None:
            self._hold(piece, done, pause)

    async def _advance(self, partition: int, turn: int, records: Sequence[Any]) -> tuple[int, Pause | None]:
        """Applies records; how many that were, and why the next one has to wait."""
        done, total = 0, len(records)
        begun: Owned | None = None
        while done < total:
            owned = self.owned.get(partition)
            # Nothing can be stored in the midst of a record: it is applied first, also when that is the last one.
            mine = turn == self.turn if begun is None else owned is begun
            if owned is None or not mine:
                return total, None
            if begun is None and self._holds.reading_waits:
                # What is applied now could not be stored, so it would only fill the memory.
                await asyncio.sleep(_LOOK_S)
                continue
            if begun is None and self.make_room is not None and self._full(owned):
                await self.make_room()
                continue
            step = STEP if begun is None else 1
            count, pause = self._apply(owned, records[done : done + step])
            begun = owned if owned.fold.advancing else None
            if begun is None:
                self._whole.set()
            done += count
            if self.dirty >= self._settings.checkpoint_max_dirty:
                self.checkpoint_due.set()
            if pause is not None:
                return done, pause
            await asyncio.sleep(0)
        return done, None

    def _mine(self, partition: int, turn: int) -> Owned | None:
        return self.owned.get(partition) if turn == self.turn else None

    async def between_records(self, *partitions: Owned) -> None:
        """Returns when none of these is in the midst of a record, so that it can be stored."""
        while any(owned.fold.advancing for owned in partitions):
            self._whole.clear()
            await self._whole.wait()

    def _full(self, owned: Owned) -> bool:
        return (
            len(owned.waiting) > _WAITING_LIMIT
            or owned.letter_bytes > _LETTERS_LIMIT
            or sum(other.letter_bytes for other in self.owned.values()) > _ALL_LETTERS_LIMIT
        )

    # Waiting.

    def _hold(self, piece: Slice, done: int, pause: Pause) -> None:
        before = self._held.get(piece.partition)
        if before is not None:
            self._let_go(before)
        lanes = self.lanes.get(piece.partition)
        if lanes is not None:
            lanes.closed = True
        held = _Held(piece.partition, piece.turn, pause, deque([piece.records[done:]]), lanes)
        self._held[piece.partition] = held
        held.task = asyncio.get_running_loop().create_task(self._guarded(held))

    async def _guarded(self, held: _Held) -> None:
        try:
            await self._go_on(held)
        except Exception as error:
            if self._fail is None:
                raise
            self._fail(error)
        finally:
            self._let_go(held)

    def _let_go(self, held: _Held) -> None:
        if self._held.get(held.partition) is held:
            del self._held[held.partition]
        if isinstance(held.pause, OverLimit):
            self._holds.off(RATIO, held.pause.part)
        if held.lanes is not None:
            held.lanes.closed = False
        if held.task is not None and held.waits and held.task is not asyncio.current_task():
            held.task.cancel()

    async def _go_on(self, held: _Held) -> None:
        """Waits until the next record can be applied, then applies what was put aside, until nothing is left."""
        while True:
            owned = self._mine(held.partition, held.turn)
            if owned is None:
                return
            owned.applied_at = time.monotonic()
            held.waits = True
            await self._wait(owned, held.pause)
            held.waits = False
            pause: Pause | None = None
            while held.pieces and pause is None:
                done, pause = await self._advance(held.partition, held.turn, held.pieces[0])
                if pause is None:
                    held.pieces.popleft()
                else:
                    held.pieces[0] = held.pieces[0][done:]
                if isinstance(held.pause, OverLimit) and pause != held.pause:
                    self._holds.off(RATIO, held.pause.part)
            if pause is None:
                return
            held.pause = pause

    async def _wait(self, owned: Owned, pause: Pause) -> None:
        if isinstance(pause, HistoryWanted):
            partition = owned.fold.state.partition
            start, records = await self._pauses.before(pause.topic, partition, pause.offset)
            await self._pauses.learn_all(pause.topic, records, self._codec)
            letters = [record.offset for record in records if self._is_letter(owned, pause.topic, record)]
            owned.windows[pause.topic] = LetterWindow(start, letters)
        else:
            await self._pauses.wait(pause)

    def _is_letter(self, owned: Owned, topic: str, record: PastRecord) -> bool:
        try:
            event = self._codec.decode(topic, record.value)
        except BadRecord:
            return True
        except RegistryUnavailable:
            return False
        return check(topic, record.key, event, record.timestamp, owned.fold.policy.time) is not None

    # Applying.

    def _apply(self, owned: Owned, records: Sequence[Any]) -> tuple[int, Pause | None]:
        """Applies records up to where dead letters fill the outbox, or one has to wait; how many that were."""
        fold, decoders = owned.fold, self._decoders
        applied = fold.state.applied
        try:
            for index, record in enumerate(records):
                if owned.letter_bytes > _LETTERS_LIMIT:
                    return index, None
                topic, decode = decoders[record.topic]
                if record.offset <= applied.get(topic, -1):
                    continue
                if failpoints.ARMED:
                    failpoints.hit("record")
                pause = self._take(owned, topic, decode, record)
                if pause is not None or fold.advancing:
                    return index, pause
            return len(records), None
        finally:
            self._settle(owned)

    def _take(self, owned: Owned, topic: str, decode: Callable[[bytes | None], Any], record: Any) -> Pause | None:
        """Applies a record, or makes a dead letter of it; why it has to wait. `advancing`: it is not applied yet."""
        fold, offset, at = owned.fold, record.offset, record.timestamp
        try:
            event = decode(record.value)
            reason = check(topic, record.key, event, at, fold.policy.time)
        except (BadRecord, RegistryUnavailable) as error:
            return self._unreadable(owned, topic, record, error)
        if reason is not None:
            return self._dead_letter(owned, topic, record, BadRecord(reason, REASONS[reason]))
        if self._reach(owned, topic, offset, at):
            fold.apply(topic, offset, at, event)
        return None

    def _reach(self, owned: Owned, topic: str, offset: int, at: int) -> bool:
        """Moves time to the record that is applied next; False while more timers fire before it."""
        if not owned.fold.advance(topic, offset, at, TIMERS):
            return False
        if trace.ON:
            owned.trace.applied(topics.RANKS[topic], offset)
        return True

    def _settle(self, owned: Owned) -> None:
        """Takes what the fold handed out, in one go with applying.

        A state must never be stored without the outputs that it decided.
        """
        fold = owned.fold
        if fold.outputs:
            outputs, fold.outputs = fold.outputs, []
            self._keep(owned, outputs)
        owned.changed |= bool(fold.tallies)
        owned.applied_at = time.monotonic()
        self._metrics.count_tallies(fold.tallies)
        fold.tallies.clear()

    def _keep(self, owned: Owned, outputs: list[Output]) -> None:
        accounts, encode, app_id = owned.fold.accounts, self._codec.encode, self._settings.app_id
        for output in outputs:
            accounts[output.account_id].outbox.append(
                OutboxRecord(
                    output.topic,
                    output.account_id.encode(),
                    encode(output.topic, output.record),
                    headers(output, app_id),
                    output.at,
                )
            )
            owned.waiting.add(output.account_id)
            self._metrics.count_output(output)
        self.outputs_wait.set()

    def _unreadable(
        self, owned: Owned, topic: str, record: Any, error: BadRecord | RegistryUnavailable
    ) -> Pause | None:
        if isinstance(error, BadRecord):
            return self._dead_letter(owned, topic, record, error)
        # Says nothing about the record, so it is neither skipped nor dead-lettered.
        return RegistryWanted(error)

    def _dead_letter(self, owned: Owned, topic: str, record: Any, error: BadRecord) -> Pause | None:
        """Passes over a record that cannot be applied; or why that has to wait."""
        offset = record.offset
        window = owned.windows.get(topic)
        if window is None:
            if offset and self._pauses.knows_history:
                return HistoryWanted(topic, offset)
            window = owned.windows[topic] = LetterWindow(offset)
        if not window.allows(offset, self._settings.max_dead_letter_ratio):
            return OverLimit(topic, record.partition, error, *window.count(offset))
        fold = owned.fold
        at = record.timestamp if EARLIEST <= record.timestamp < LATEST else fold.state.stream_time
        if not self._reach(owned, topic, offset, at):
            return None
        window.add(offset)
        if fold.skip(topic, offset, at):
            letter = dead_letters.dead_letter(record, error, at)
            fold.state.outbox.append(letter)
            owned.letter_bytes += dead_letters.size(letter)
            self._metrics.dead_letters.labels(topic, error.reason).inc()
            self.checkpoint_due.set()
        return None

    def next_offsets(self) -> Mapping[tuple[str, int], int]:
        """Next offset of each topic on the broker and partition."""
        prefix = self._settings.topic
        return {
            (prefix(topic), partition): offset + 1
            for partition, owned in self.owned.items()
            for topic, offset in owned.fold.state.applied.items()
        }
