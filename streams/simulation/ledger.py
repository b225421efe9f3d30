"""The ledger: what was sent and what should be found, as lines that are written once it is certain that they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from streams.domain.time import format_time
from streams.simulation.drops import Drop
from streams.simulation.world import World

Line = dict[str, Any]


class Ledger:
    """Turns a world into ledger lines, in order of time. Times are ISO 8601.

    Entries: `run` (what was asked for), `outage` (the usage feed of everybody; must raise nothing), `drop` (begins:
    should be found), `recovered`, `relapsed` and `ended` of a drop, and `sent` (events acknowledged so far, by topic).
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: set[tuple[str, int]] = set()
        self._begun = False

    def upto(self, until: int, sent: Counter[str]) -> Iterator[Line]:
        """Lines that became true before `until`, whose events are all acknowledged; each is handed out once."""
        world = self._world
        if not self._begun:
            self._begun = True
            yield {
                "entry": "run",
                "seed": world.seed,
                "accounts": len(world.accounts),
                "start": format_time(world.start),
                "end": format_time(world.end),
            }
        found: list[tuple[int, Line]] = []
        if self._news("outage", world.outage.start, until):
            found.append((world.outage.start, {"entry": "outage", "end": format_time(world.outage.end)}))
        for drop in world.drops:
            found += self._of(drop, until)
        for at, line in sorted(found, key=lambda pair: (pair[0], str(pair[1]))):
            entry = line.pop("entry")
            yield {"entry": entry, "at": format_time(at), **line}
        yield {"entry": "sent", "at": format_time(until), "events": dict(sorted(sent.items()))}

    def _of(self, drop: Drop, until: int) -> Iterator[tuple[int, Line]]:
        name = {"account_id": drop.account_id, "kind": drop.kind, "dimension": drop.dimension, "subject": drop.subject}
        if self._news(drop.account_id, drop.start, until):
            yield drop.start, {"entry": "drop", **name, "depth": round(drop.depth, 3), "ramp_ms": drop.ramp}
        for well in drop.recoveries:
            if self._news(drop.account_id + "+", well, until):
                yield well, {"entry": "recovered", **name}
        if drop.relapsed_at is not None and self._news(drop.account_id + "-", drop.relapsed_at, until):
            yield drop.relapsed_at, {"entry": "relapsed", **name}
        if drop.closed_at is not None and self._news(drop.account_id + "!", drop.closed_at, until):
            yield drop.closed_at, {"entry": "ended", **name, "as": drop.closed_as}

    def _news(self, name: str, at: int, until: int) -> bool:
        if at >= until or (name, at) in self._told:
            return False
        self._told.add((name, at))
        return True
