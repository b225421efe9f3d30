"""How people answer an intervention: pure decisions, by kind of responder.

`well` acknowledges the cause, promises, acts and follows up; `badly` apologises, sends a link and tries to close;
`absent` does nothing; `honest_no` explains why it will not be solved and offers something else; `false_alarm` looks
and finds nothing wrong. All of them answer within the deadlines of the record, where it has any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from streams.domain.time import DAY, HOUR
from streams.simulation.chance import between
from streams.simulation.drops import ABSENT, BADLY, HONEST_NO, WELL

FALSE_ALARM = "false_alarm"
Effect = Literal["none", "heal", "brush_off", "refuse"]
"""What a reply does to the account itself."""

ANSWERED = frozenset({"opened", "escalated", "relapsed"})
"""States of a record that ask somebody to do something."""

_ACK_BY_DEFAULT = 8 * HOUR
_ACT_BY_DEFAULT = 2 * DAY
_BOTS = 0.25
_CLOSES_ANYWAY = 0.5
_REPORTS_FALSE_ALARM = 0.8


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing done about an intervention: when (ms), which change of `response-events`, and what it does."""

    at: int
    change: str
    effect: Effect = "none"
    fields: dict[str, Any] = field(default_factory=dict)


def answer(kind: str, record: Mapping[str, Any], rng: Random) -> list[Reply]:
    """What a responder of `kind` does about an `interventions` record, in time order; empty when nothing.

    Raises KeyError for a kind that does not exist.
    """
    if record["state"] not in ANSWERED:
        return []
    actor_kind = "bot" if rng.random() < _BOTS else "human"
    who = {"actor": f"{actor_kind}-{rng.randrange(1, 9)}", "actor_kind": actor_kind}
    replies = _PLANS[kind](record, rng)
    return [Reply(reply.at, reply.change, reply.effect, {**who, **reply.fields}) for reply in replies]


def _within(record: Mapping[str, Any], deadline: str, default: int, rng: Random, share: tuple[float, float]) -> int:
    """A moment at a `share` of the time until a deadline of the record."""
    at = int(record["at"])
    by = record.get(deadline)
    return at + between(rng, *share, (int(by) - at) if by is not None else default)


def _well(record: Mapping[str, Any], rng: Random) -> list[Reply]:
    acknowledged = _within(record, "ack_by", _ACK_BY_DEFAULT, rng, (0.15, 0.8))
    acted = max(acknowledged + HOUR // 2, _within(record, "act_by", _ACT_BY_DEFAULT, rng, (0.3, 0.9)))
    followed = acted + between(rng, 1.5, 3, DAY)
    authority = record.get("authority") or {}
    done = {"action": (record.get("playbook") or {}).get("action"), "cost": _cost(authority, rng)}
    replies = [
        Reply(acknowledged, "acknowledged", fields={"names_cause": True}),
        Reply(acknowledged, "promised", fields={"promised_by": acted + between(rng, 2, 24, HOUR)}),
        Reply(acted, "action_executed", "heal", done),
        Reply(followed, "followed_up"),
    ]
    if authority.get("approval_needed"):
        replies.insert(2, Reply((acknowledged + acted) // 2, "approved", fields={"action": done["action"]}))
    return replies


def _badly(record: Mapping[str, Any], rng: Random) -> list[Reply]:
    first = _within(record, "ack_by", _ACK_BY_DEFAULT, rng, (0.1, 0.7))
    replies = [
        Reply(first, "apologised"),
        Reply(first + between(rng, 1, 6, HOUR), "link_sent"),
        Reply(first + between(rng, 20, 40, HOUR), "apologised", "brush_off"),
    ]
    if rng.random() < _CLOSES_ANYWAY:
        # Tries to close without a reason, an alternative or a result; the episode refuses.
        replies.append(Reply(first + between(rng, 41, 60, HOUR), "handled_unresolved"))
    return replies


def _absent(_record: Mapping[str, Any], _rng: Random) -> list[Reply]:
    return []


def _honest_no(record: Mapping[str, Any], rng: Random) -> list[Reply]:
    first = _within(record, "ack_by", _ACK_BY_DEFAULT, rng, (0.1, 0.7))
    told = first + between(rng, 4, 24, HOUR)
    ended = told + between(rng, 20, 40, HOUR)
    why = {
        "reason": rng.choice(("not on the roadmap this year", "the old interface was retired", "outside the plan")),
        "alternative": rng.choice(("weekly export by file", "partner integration", "downgrade without penalty")),
    }
    return [
        Reply(first, "acknowledged", fields={"names_cause": True}),
        Reply(told, "followed_up"),
        Reply(ended, "handled_unresolved", "refuse", why),
    ]


def _false_alarm(record: Mapping[str, Any], rng: Random) -> list[Reply]:
    if rng.random() > _REPORTS_FALSE_ALARM:
        return []
    looked = _within(record, "ack_by", _ACK_BY_DEFAULT, rng, (0.1, 0.7))
    reported = looked + between(rng, 3, 20, HOUR)
    return [
        Reply(looked, "acknowledged", fields={"names_cause": True}),
        Reply(reported, "false_alarm", fields={"reason": "nothing is wrong in this account"}),
    ]


def _cost(authority: Mapping[str, Any], rng: Random) -> float | None:
    limit = authority.get("limit")
    return None if limit is None else round(float(limit) * rng.uniform(0.05, 0.9), 2)


_PLANS = {WELL: _well, BADLY: _badly, ABSENT: _absent, HONEST_NO: _honest_no, FALSE_ALARM: _false_alarm}
