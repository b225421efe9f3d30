"""The account table: the folds of the owned partitions, and what the log has made of them that is not stored yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from streams import topics
from streams.domain.outputs import OutboxRecord, Output
from streams.domain.validate import EARLIEST, LATEST, REASONS, check
from streams.metrics import Metrics
from streams.partition import PartitionFold
from streams.settings import Settings
from streams.shell import failpoints, trace
from streams.shell.codec import Codec
from streams.shell.dead_letters import dead_letter
from streams.shell.envelope import headers
from streams.shell.frames import BadRecord
from streams.shell.lanes import Slice
from streams.shell.registry import RegistryUnavailable

log = structlog.stdlib.get_logger(__name__)

STEP = 500
"""Records applied before the event loop gets its turn: some 20 ms."""
_WAITING_LIMIT = 20_000
"""Accounts with outputs that are not sent yet, beyond which applying waits for the emit."""
_LETTERS_LIMIT = 4 << 20
"""Bytes of dead letters in a partition's outbox beyond which applying waits for a checkpoint.

The outbox is part of the partition's state, which has to fit one record of the changelog.
"""
_RETRY_S = 1.0


@dataclass(slots=True)
class Owned:
    """A partition that this worker owns."""

    fold: PartitionFold
    epoch: int
    """Number that stands on all it writes to the changelog; later owners have larger ones."""
    waiting: set[str] = field(default_factory=set)
    """Accounts with outputs that are not on their topics yet."""
    changed: bool = False
    """True when something was applied since the partition's state was last stored."""
    letter_bytes: int = 0
    """Size of the dead letters that wait in the partition's outbox."""
    trace: trace.Trace = field(default_factory=trace.Trace)
    """Order of application, when it is asked for."""
    applied_at: float = field(default_factory=time.monotonic)
    """When a record was last applied."""


class AccountTable:
    """States of the owned partitions, changed by applying slices.

    `outputs_wait` is set when an emit is due, `checkpoint_due` when a checkpoint should not wait for its interval.
    `make_room` is awaited when too much waits to be written.
    """

    def __init__(self, settings: Settings, codec: Codec, metrics: Metrics) -> None:
        self._settings = settings
        self._codec = codec
        self._metrics = metrics
        self._decoders = {settings.topic(name): (name, codec.decoder(name)) for name in topics.RANKS}
        self.turn = 0
        """Number of the current assignment."""
        self.owned: dict[int, Owned] = {}
        self.outputs_wait = asyncio.Event()
        self.checkpoint_due = asyncio.Event()
        self.make_room: Callable[[], Awaitable[None]] | None = None

    @property
    def dirty(self) -> int:
        """Accounts changed since they were last stored."""
        return sum(len(owned.fold.dirty) for owned in self.owned.values())

    def drop(self) -> None:
        """Forgets all partitions; slices that are under way are not applied any further."""
        self.turn = -1
        self.owned.clear()

    async def apply_slice(self, piece: Slice) -> None:
        """Applies a slice of a partition, in steps between which the event loop gets its turn."""
        done, total = 0, len(piece.records)
        while done < total:
            owned = self.owned.get(piece.partition)
            if owned is None or piece.turn != self.turn:
                return
            if self.make_room is not None and (
                len(owned.waiting) > _WAITING_LIMIT or owned.letter_bytes > _LETTERS_LIMIT
            ):
                await self.make_room()
                continue
            try:
                done += self._apply(owned, piece.records[done : done + STEP])
            except RegistryUnavailable as error:
                # Says nothing about the record, so it is neither skipped nor dead-lettered.
                log.warning("schema registry unavailable, waiting", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            if self.dirty >= self._settings.checkpoint_max_dirty:
                self.checkpoint_due.set()
            await asyncio.sleep(0)

    def _apply(self, owned: Owned, records: Sequence[Any]) -> int:
        """Applies records up to where dead letters fill the outbox; how many that were."""
        fold = owned.fold
        state, apply, decoders = fold.state, fold.apply, self._decoders
        applied = state.applied
        try:
            for index, record in enumerate(records):
                if owned.letter_bytes > _LETTERS_LIMIT:
                    return index
                topic, decode = decoders[record.topic]
                offset = record.offset
                if offset <= applied.get(topic, -1):
                    continue
                at = record.timestamp
                if failpoints.ARMED:
                    failpoints.hit("record")
                if trace.ON:
                    owned.trace.applied(topics.RANKS[topic], offset)
                try:
                    event = decode(record.value)
                except BadRecord as error:
                    self._dead_letter(owned, topic, record, error)
                    continue
                reason = check(topic, record.key, event, at, fold.policy.time)
                if reason is None:
                    apply(topic, offset, at, event)
                else:
                    self._dead_letter(owned, topic, record, BadRecord(reason, REASONS[reason]))
            return len(records)
        finally:
            # In one go with applying: a state must never be stored without the outputs that it decided.
            if fold.outputs:
                outputs, fold.outputs = fold.outputs, []
                self._keep(owned, outputs)
            owned.changed = True
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

    def _dead_letter(self, owned: Owned, topic: str, record: Any, error: BadRecord) -> None:
        fold = owned.fold
        at = record.timestamp if EARLIEST <= record.timestamp < LATEST else fold.state.stream_time
        if fold.skip(topic, record.offset, at):
            fold.state.outbox.append(dead_letter(record, error, at))
            owned.letter_bytes += len(record.value or b"")
            self._metrics.dead_letters.labels(topic, error.reason).inc()
            self.checkpoint_due.set()

    def next_offsets(self) -> Mapping[tuple[str, int], int]:
        """Next offset of each topic on the broker and partition."""
        prefix = self._settings.topic
        return {
            (prefix(topic), partition): offset + 1
            for partition, owned in self.owned.items()
            for topic, offset in owned.fold.state.applied.items()
        }
