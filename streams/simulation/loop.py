"""Runs a world against an engine, step by step: events in, interventions out, answers back in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from streams import topics
from streams.domain.time import DAY, MINUTE, start_of
from streams.simulation.agenda import Dated
from streams.simulation.desk import Desk
from streams.simulation.world import World

_LOOKS = tuple(minute * MINUTE for minute in (70, 220, 430, 630, 790, 910, 1_110, 1_390))
"""When people look at their interventions, in UTC after midnight.

Soon after daily figures are closed (01:00), and after the night ends in each of the simulated time zones.
"""


class Decided(NamedTuple):
    """An output of the engine: logical topic, account, record."""

    topic: str
    account_id: str
    record: Mapping[str, Any]


class Engine(Protocol):
    """What turns events into interventions."""

    def process(self, batch: list[Dated]) -> list[Decided]:
        """Takes events, in order, and returns what came of them."""

    def finish(self, until: int) -> list[Decided]:
        """Lets time pass to `until`, after the last event."""


class Step(NamedTuple):
    """What one step did."""

    until: int
    sent: int
    decided: list[Decided]


def run(world: World, desk: Desk, engine: Engine, hurry: Callable[[], bool] = lambda: False) -> Iterator[Step]:
    """Advances the world to its end; yields after each step, the last time after time itself has passed to the end.

    While `hurry` says so, people look half as often, and answer later.
    """
    until = world.start
    while until < world.end:
        until = min(_next_look(world, until, 2 if hurry() else 1), world.end)
        batch = list(world.advance(until))
        decided = engine.process(batch)
        for topic, _, record in decided:
            if topic == topics.INTERVENTIONS:
                desk.take(record)
        yield Step(until, len(batch), decided)
    yield Step(until, 0, engine.finish(until))


def _next_look(world: World, at: int, places: int) -> int:
    day = start_of(DAY, at)
    planned = [moment for moment in (day + days * DAY + look for days in range(2) for look in _LOOKS) if moment > at]
    usual = planned[places - 1]
    return world.agenda.next_look(usual) or usual
