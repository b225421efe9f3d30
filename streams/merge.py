"""One order for all topics of a partition, as a function of the log alone.

Records are applied by smallest record time first, where a topic's times are made non-decreasing (running maximum) so
that order inside a topic never changes; ties go by the topic's rank, then by offset. A topic that is known to hold
more than was fetched is waited for; one that is caught up is not (as `max.task.idle.ms` in Kafka Streams).
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """What the merge looks at in a record: offset, and timestamp in ms."""

    @property
    def offset(self) -> int:
        """Offset in its topic."""
        ...

    @property
    def timestamp(self) -> int:
        """Record time in ms."""
        ...


R = TypeVar("R", bound=Timed)


class Lane(Generic[R]):
    """One topic's buffer in the merge of a partition."""

    __slots__ = ("buffer", "clock", "more", "rank")

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.buffer: deque[tuple[int, int, int, R]] = deque()
        self.clock = -1
        self.more = True
        """True while the log is known, or not yet known not, to hold records beyond the buffer."""

    def push(self, record: R) -> None:
        """Appends a record, in offset order."""
        self.clock = max(self.clock, record.timestamp)
        self.buffer.append((self.clock, self.rank, record.offset, record))


def merge(lanes: list[Lane[R]], limit: int) -> list[R]:
    """Takes from the lanes, at most `limit` records, what can be ordered for certain now.

    Empty when a lane must be waited for.
    """
    bound: tuple[int, int] | None = None
    for lane in lanes:
        if lane.more:
            if not lane.buffer:
                return []
            last = lane.buffer[-1]
            if bound is None or (last[0], last[1]) < bound:
                bound = (last[0], last[1])
    ready: list[tuple[int, int, int, R]] = []
    for lane in lanes:
        buffer = lane.buffer
        while buffer and (bound is None or (buffer[0][0], buffer[0][1]) <= bound):
            ready.append(buffer.popleft())
    ready.sort(key=lambda item: item[:3])
    if len(ready) > limit:
        by_rank = {lane.rank: lane for lane in lanes}
        for item in reversed(ready[limit:]):
            by_rank[item[1]].buffer.appendleft(item)
        del ready[limit:]
    return [item[3] for item in ready]
