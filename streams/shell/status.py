"""How far the worker is: lag, caught up, stuck, ready. For the probes, the watchdog and --until-caught-up."""

from __future__ import annotations

from collections.abc import Mapping

from faust.types import TP

from streams import topics
from streams.settings import Settings
from streams.shell.checkpoint import Checkpointer
from streams.shell.holds import Holds
from streams.shell.lanes import PartitionLanes
from streams.shell.ownership import Ownership
from streams.shell.progress import Offsets, Reached, Stall, View
from streams.shell.table import AccountTable


class Status:
    """What can be said about the worker's progress at this moment.

    Args:
        settings: Names.
        table: What is applied.
        ownership: Whether the partitions are recovered.
        checkpointer: Which checkpoint is under way.
        holds: What the worker waits for.
    """

    def __init__(
        self,
        settings: Settings,
        table: AccountTable,
        ownership: Ownership,
        checkpointer: Checkpointer,
        holds: Holds,
    ) -> None:
        self._settings = settings
        self._table = table
        self._ownership = ownership
        self._checkpointer = checkpointer
        self._holds = holds
        self._phase = 0
        self._recovering = False
        self._ends: Mapping[TP, int] = {}
        self.lanes: Mapping[int, PartitionLanes] = {}
        self.stall: Stall | None = None
        """What the watchdog has found; None while the worker progresses."""

    def on_assigned(self, lanes: Mapping[int, PartitionLanes]) -> None:
        """A new assignment flows."""
        self._phase += 1
        self.lanes = lanes

    def on_offsets(self, found: Mapping[TP, Offsets]) -> None:
        """The watchdog has asked the brokers; called from its thread."""
        self._ends = {place: offsets.end for place, offsets in found.items()}

    def on_ownership(self, *, recovering: bool) -> None:
        """Partitions begin or end being recovered, or are given back."""
        self._phase += 1
        self._recovering = recovering

    def lag(self) -> dict[tuple[str, int], int]:
        """Records on the broker that are not applied yet, by logical topic and partition."""
        found: dict[tuple[str, int], int] = {}
        for partition, lanes in self.lanes.items():
            owned = self._table.owned.get(partition)
            if owned is None:
                continue
            for topic in topics.RANKS:
                name, applied = self._settings.topic(topic), owned.fold.state.applied.get(topic, -1)
                found[topic, partition] = lanes.lag(name, applied, self._ends.get(TP(name, partition), 0))
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

    def view(self) -> View:
        """The worker at this moment, for the watchdog; called from its thread."""
        reached: dict[TP, Reached] = {}
        lanes, owned = self.lanes, dict(self._table.owned)
        for partition, item in owned.items():
            for topic in topics.RANKS:
                name, applied = self._settings.topic(topic), item.fold.state.applied.get(topic, -1)
                reading = lanes[partition].reading(name) if partition in lanes else (-1, -1, True)
                reached[TP(name, partition)] = Reached(*reading, applied)
        return View(
            phase=self._phase,
            working=self._recovering,
            settled=self._ownership.recovered,
            reached=reached,
            checkpoint=self._checkpointer.began,
            written=self._checkpointer.written,
        )

    def not_live(self) -> str | None:
        """Why the worker is about to end; None while it progresses, has nothing to do, or waits for others."""
        return self.stall and f"stuck ({self.stall.stage}): {self.stall.reason}"

    def holds(self) -> str:
        """What the worker waits for, a line each; empty when for nothing."""
        return "\n".join(f"holds ({name}): {reason}" for name, reason in sorted(self._holds.reasons.items()))

    def not_ready(self) -> str | None:
        """Why the worker does no work now, a line a reason; None when its partitions flow."""
        reasons = [self.holds()]
        if not self._ownership.recovered:
            reasons.append("partitions are not assigned and recovered yet")
        elif set(self.lanes) != set(self._table.owned):
            reasons.append("records do not flow yet")
        return "\n".join(filter(None, reasons)) or None
