"""Is the worker stuck? Judged by what the brokers say: where the logs end, and how far the group has committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from faust.types import TP

FETCH, ORDER, APPLY, COMMIT, GROUP, LOOP, STOP = "fetch", "order", "apply", "commit", "group", "loop", "stop"
STAGES = (FETCH, ORDER, APPLY, COMMIT, GROUP, LOOP, STOP)
"""Where a worker can be stuck: reading, merging, folding, storing, its group, its event loop, its end."""

_MEANING = {
    FETCH: "records are not fetched",
    ORDER: "fetched records are not handed on",
    APPLY: "records that were handed on are not applied",
    COMMIT: "what was applied is not committed",
}


class Reached(NamedTuple):
    """How far this worker is in one topic partition that it owns."""

    position: int
    """Next offset to fetch."""
    handed: int
    """Newest offset that was handed to the agent."""
    empty: bool
    """True when nothing that was fetched waits to be handed on."""
    applied: int
    """Newest offset that was applied; -1 before any."""


@dataclass(frozen=True, slots=True)
class View:
    """The worker at one moment, as it sees itself."""

    phase: int = 0
    """Moves on whenever partitions are given back or taken."""
    working: bool = True
    """True while the partitions of an assignment are recovered, which keeps its own time."""
    settled: bool = False
    """True when the assigned partitions are recovered."""
    reached: Mapping[TP, Reached] = field(default_factory=dict)
    """By topic partition that is owned."""
    checkpoint: float | None = None
    """When the newest checkpoint began, whether it has ended or not."""
    written: int = 0
    """Accounts that checkpoints have stored so far."""


class Offsets(NamedTuple):
    """What the brokers say of one topic partition."""

    committed: int
    """Next offset by the group's commit; the first offset of the log when it has none."""
    end: int


class Stall(NamedTuple):
    """No progress."""

    stage: str
    reason: str


@dataclass(slots=True)
class _Mark:
    what: object
    at: float


class Progress:
    """Compares one look at the worker with those before it.

    Args:
        stall_s: Without progress for so long, something is stuck.
        settle_s: So much longer a group may take to give out partitions: it waits for members that do not answer.
    """

    def __init__(self, stall_s: float, settle_s: float) -> None:
        self._stall_s = stall_s
        self._settle_s = settle_s
        self._partitions: dict[int, _Mark] = {}
        self._phase = _Mark(None, 0.0)
        self._checkpoint = _Mark(None, 0.0)
        self._written = _Mark(None, 0.0)

    def rest(self) -> None:
        """Forgets what was seen: the worker waits for the outside world, so that nothing can be said."""
        self._partitions.clear()
        self._phase.what = self._checkpoint.what = self._written.what = None

    def judge(self, now: float, view: View, offsets: Mapping[TP, Offsets]) -> Stall | None:
        """Why the worker is stuck; None while it progresses, or has nothing to do.

        `now` counts seconds in which the process was awake.
        """
        _see(self._phase, (view.phase, view.working, view.settled), now)
        _see(self._checkpoint, view.checkpoint, now)
        _see(self._written, view.written, now)
        if not view.settled:
            self._partitions.clear()
            return None if view.working else self._group(now)
        waiting: dict[int, int] = {}
        committed: dict[int, int] = {}
        for tp, reached in view.reached.items():
            if tp in offsets:
                waiting[tp.partition] = waiting.get(tp.partition, 0) + _waiting(reached, offsets[tp])
                committed[tp.partition] = committed.get(tp.partition, 0) + offsets[tp].committed
        for partition in set(self._partitions) - set(waiting):
            del self._partitions[partition]
        stuck: tuple[float, int] | None = None
        for partition, count in waiting.items():
            mark = self._partitions.setdefault(partition, _Mark(None, now))
            _see(mark, (view.phase, committed[partition]), now)
            if not count:
                mark.at = now
            stuck = max(stuck or (0.0, 0), (now - mark.at, partition))
        if stuck is None or stuck[0] <= self._stall_s or self._stores(now, view):
            return None
        age, partition = stuck
        return _describe(age, partition, waiting[partition], view, offsets)

    def _group(self, now: float) -> Stall | None:
        age = now - self._phase.at
        if age <= self._stall_s + self._settle_s:
            return None
        return Stall(GROUP, f"the group has given out no partitions for {age:.0f} s although the brokers answer")

    def _stores(self, now: float, view: View) -> bool:
        """A single checkpoint that takes long and moves on is work. Many that end without a commit are not."""
        return (
            view.checkpoint is not None
            and now - self._checkpoint.at > self._stall_s / 3
            and now - self._written.at <= self._stall_s / 3
        )


def _see(mark: _Mark, what: object, now: float) -> None:
    if mark.what != what or mark.what is None:
        mark.what, mark.at = what, now


def _waiting(reached: Reached, offsets: Offsets) -> int:
    through = reached.position >= offsets.end and reached.empty and reached.applied >= reached.handed
    if through and offsets.committed > reached.applied:
        return 0  # what is left, if anything, are markers that are never handed out
    return max(0, offsets.end - offsets.committed)


def _describe(age: float, partition: int, waiting: int, view: View, offsets: Mapping[TP, Offsets]) -> Stall:
    behind = {
        tp: (reached, offsets[tp])
        for tp, reached in view.reached.items()
        if tp.partition == partition and tp in offsets and _waiting(reached, offsets[tp])
    }
    if any(reached.applied >= said.committed for reached, said in behind.values()):
        stage = COMMIT
    elif any(reached.handed >= max(reached.applied + 1, said.committed) for reached, said in behind.values()):
        stage = APPLY
    elif any(reached.empty and reached.position < said.end for reached, said in behind.values()):
        stage = FETCH  # merging waits for it, whatever the other topics have
    else:
        stage = ORDER
    places = "; ".join(
        f"{tp.topic}: committed {said.committed}, applied to {reached.applied + 1}, handed on to {reached.handed + 1}, "
        f"read to {reached.position}, log ends at {said.end}"
        for tp, (reached, said) in sorted(behind.items())
    )
    return Stall(
        stage,
        f"partition {partition}: {waiting} records wait and nothing was committed for {age:.0f} s: {_MEANING[stage]} "
        f"({places})",
    )
