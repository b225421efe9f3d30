"""The people at the other end: reads interventions, answers them in simulated time, and changes the world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from streams import topics
from streams.simulation import events
from streams.simulation.chance import stream
from streams.simulation.responders import FALSE_ALARM, Reply, answer
from streams.simulation.trouble import Trouble
from streams.simulation.world import World


class Desk:
    """Answers each record of `interventions` once, as the responder of the drop behind it would."""

    def __init__(self, world: World) -> None:
        self.sent: Counter[str] = Counter()
        """Responses planned so far, by change."""
        self._world = world
        self._seen: set[tuple[str, int]] = set()
        self._troubles: dict[str, Trouble | None] = {}

    def take(self, record: Mapping[str, Any]) -> None:
        """Plans what people do about a record; a repeated `(intervention_id, seq)` is a copy and changes nothing."""
        name = (str(record["intervention_id"]), int(record["seq"]))
        if name in self._seen:
            return
        self._seen.add(name)
        intervention_id = name[0]
        if intervention_id not in self._troubles:
            # Judged once: an episode stays about what it was opened for.
            found = self._world.trouble_at(record["account_id"], record["opened_at"])
            self._troubles[intervention_id] = found
        trouble = self._troubles[intervention_id]
        rng = stream(self._world.seed, "respond", *name)
        kind = trouble.drop.responder if trouble else FALSE_ALARM
        for number, reply in enumerate(answer(kind, record, rng)):
            self._plan(record, f"{intervention_id}:{name[1]}:{number}", reply, trouble)

    def _plan(self, record: Mapping[str, Any], event_id: str, reply: Reply, trouble: Trouble | None) -> None:
        agenda = self._world.agenda
        at = max(reply.at, agenda.now)
        account_id, intervention_id = str(record["account_id"]), str(record["intervention_id"])
        event = events.response(account_id, event_id, at, intervention_id, reply.change, **reply.fields)
        agenda.send(at, topics.RESPONSES, event)
        self.sent[reply.change] += 1
        if trouble is not None and reply.effect != "none":
            agenda.call(
                at, {"heal": trouble.heal, "brush_off": trouble.brush_off, "refuse": trouble.refuse}[reply.effect]
            )
