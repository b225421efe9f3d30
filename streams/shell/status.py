"""How far the worker is: lag, whether it has caught up, whether it lives. For the probes and --until-caught-up."""

from __future__ import annotations

import time
from collections.abc import Mapping

from faust.types import TP

from streams import topics
from streams.settings import Settings
from streams.shell.checkpoint import Checkpointer
from streams.shell.lanes import PartitionLanes
from streams.shell.ownership import Ownership
from streams.shell.table import AccountTable


class Status:
    """What can be said about the worker's progress at this moment.

    Args:
        settings: Names and the stall timeout.
        table: What is applied.
        ownership: Whether the partitions are recovered.
        checkpointer: What is committed, and since when.
    """

    def __init__(
        self, settings: Settings, table: AccountTable, ownership: Ownership, checkpointer: Checkpointer
    ) -> None:
        self._settings = settings
        self._table = table
        self._ownership = ownership
        self._checkpointer = checkpointer
        self.lanes: Mapping[int, PartitionLanes] = {}
        self._idle_at = time.monotonic()

    def on_assigned(self, lanes: Mapping[int, PartitionLanes]) -> None:
        """A new assignment flows."""
        self.lanes = lanes
        self._idle_at = time.monotonic()

    def lag(self) -> dict[tuple[str, int], int]:
        """Records on the broker that are not applied yet, by logical topic and partition."""
        found: dict[tuple[str, int], int] = {}
        for partition, lanes in self.lanes.items():
            owned = self._table.owned.get(partition)
            if owned is None:
                continue
            for topic in topics.RANKS:
                applied = owned.fold.state.applied.get(topic, -1)
                found[topic, partition] = lanes.lag(self._settings.topic(topic), applied)
        return found

    def caught_up(self, targets: Mapping[TP, int]) -> bool:
        """True when all records before the target offsets, of the partitions owned here, are applied."""
        if not self._ownership.recovered or set(self.lanes) != set(self._table.owned):
            return False
        for partition, lanes in self.lanes.items():
            applied = self._table.owned[partition].fold.state.applied
            for topic in topics.RANKS:
                name = self._settings.topic(topic)
                if not lanes.reached(name, targets.get(TP(name, partition), 0), applied.get(topic, -1)):
                    return False
        return True

    def not_live(self) -> str | None:
        """Why the worker should be restarted; None while it makes progress or has nothing to do."""
        now = time.monotonic()
        lag = sum(self.lag().values())
        if not lag:
            self._idle_at = now
        since = max(self._idle_at, self._checkpointer.committed_at)
        if lag and now - since > self._settings.stall_timeout / 1000:
            return f"{lag} records wait and nothing was committed for {now - since:.0f} s"
        return None

    def not_ready(self) -> str | None:
        """Why the worker does no work yet; None when its partitions flow."""
        if not self._ownership.recovered:
            return "partitions are not assigned and recovered yet"
        if set(self.lanes) != set(self._table.owned):
            return "records do not flow yet"
        return None
