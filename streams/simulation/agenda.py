"""The simulated calendar: what happens when, in one strict order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import TypeAlias

from streams.simulation.events import Event

Dated: TypeAlias = tuple[int, str, Event]
"""Record time in ms, logical topic, event."""
Task: TypeAlias = Callable[[int], None]
"""Something that happens at a time; it may plan more, never in the past."""


class Agenda:
    """Events to be sent and tasks to be run, by time, then by the order in which they were planned."""

    def __init__(self) -> None:
        self.now = 0
        self._items: list[tuple[int, int, str, Event | Task]] = []
        self._looks: list[int] = []
        self._planned = 0

    def send(self, at: int, topic: str, event: Event) -> None:
        """Plans an event; what is planned for the past leaves now."""
        self._push(at, topic, event)

    def call(self, at: int, task: Task) -> None:
        """Plans a task, which is called with its time."""
        self._push(at, "", task)

    def look(self, at: int) -> None:
        """Somebody should look at what was decided by `at`, because an answer will be due soon after."""
        heapq.heappush(self._looks, at)

    def next_look(self, before: int) -> int | None:
        """The next such moment between now and `before`; None when there is none."""
        while self._looks and self._looks[0] <= self.now:
            heapq.heappop(self._looks)
        return self._looks[0] if self._looks and self._looks[0] < before else None

    def advance(self, until: int) -> Iterator[Dated]:
        """Everything that happens before `until`, in time order; tasks run on the way."""
        while self._items and self._items[0][0] < until:
            at, _, topic, item = heapq.heappop(self._items)
            self.now = at
            if callable(item):
                item(at)
            else:
                yield at, topic, item
        self.now = max(self.now, until)

    def _push(self, at: int, topic: str, item: Event | Task) -> None:
        self._planned += 1
        heapq.heappush(self._items, (max(at, self.now), self._planned, topic, item))
