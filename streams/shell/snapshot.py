"""What a checkpoint writes of a partition, and how it is given back when it is not written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from faust.types import TP

from streams.domain.outputs import OutboxRecord
from streams.settings import Settings
from streams.shell.table import Owned

CHUNK = 500
"""Accounts encoded before the event loop gets its turn."""


@dataclass(slots=True)
class Snapshot:
    """A partition between two records, and what of it is to be written."""

    owned: Owned
    partition: bytes
    known: int
    """Accounts of the partition, all of which are stored before its state."""
    at: int
    """Records applied in this epoch when it was taken."""
    applied: dict[str, int]
    letters: list[OutboxRecord]
    accounts: set[str]
    """Accounts whose state is to be stored: changed ones, and those of the rows."""
    rows: set[str]
    """Accounts whose health row is owed; without those that were acknowledged since."""

    def put_back(self) -> None:
        """Everything is owed again."""
        self.owned.fold.dirty |= self.accounts
        self.owned.fold.health_changed |= self.rows
        self.owned.changed = True
        self.owned.trace.tell_again()


def next_offsets(settings: Settings, snapshots: Iterable[Snapshot]) -> dict[TP, int]:
    """Next offset of each topic partition, by what the snapshots hold."""
    return {
        TP(settings.topic(topic), snapshot.owned.fold.state.partition): offset + 1
        for snapshot in snapshots
        for topic, offset in snapshot.applied.items()
    }


def chunks(ids: set[str]) -> Iterator[list[str]]:
    """The ids in an order that is the same in every run, some at a time."""
    ordered = iter(sorted(ids))
    while chunk := list(islice(ordered, CHUNK)):
        yield chunk
