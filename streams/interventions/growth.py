"""What account events mean for interventions: growth that is planned, and the end of the account.

Growth touches are not ours to make; they are only held back while something hurts. An intent to cancel is a finding
like any other (`detection/cancel.py`), only more urgent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.domain.account import AccountState
from streams.domain.finding import Finding
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.domain.time import format_duration, format_time
from streams.interventions import progress, records
from streams.interventions.lifecycle import Event
from streams.interventions.machine import fire
from streams.interventions.turn import Turn
from streams.policy.model import Policy

_LEFT = frozenset({"churned", "erased"})


def on_account_event(
    account: AccountState,
    partition: PartitionState,
    event: Mapping[str, Any],
    now: int,
    origin: Origin,
    policy: Policy,
) -> list[Output]:
    """Called after the profile has been brought up to date."""
    turn = Turn(account, partition, now, origin, policy, event["traceparent"])
    change = event["change"]
    if change == "growth_planned":
        return _growth_planned(turn, event)
    if change in _LEFT:
        outputs = []
        for episode in list(account.episodes.values()):
            outputs += fire(turn, episode, Event.CHURN, change)
        progress.schedule(turn)
        return outputs
    return []


def _growth_planned(turn: Turn, event: Mapping[str, Any]) -> list[Output]:
    """Inhibited while an episode is open and for some time after a relapse; otherwise nothing is ours to do."""
    guard = turn.account.guard
    hurting = [episode for episode in turn.account.episodes.values() if episode.open]
    pause_ends = guard.relapsed_at + turn.policy.guardrails.growth_pause
    if hurting:
        worst = max(hurting, key=lambda episode: (episode.severity, episode.intervention_id))
        until, detail = None, f"{worst.kind} in {worst.dimension} is open since {format_time(worst.opened_at)[:10]}"
    elif guard.relapsed_at and pause_ends > turn.now:
        until, detail = pause_ends, f"relapsed {format_duration(turn.now - guard.relapsed_at)} ago"
    else:
        return []
    touch = Finding(
        kind="other",
        dimension="sales",
        subject="growth",
        severity=0.0,
        confidence=1.0,
        onset_at=event["occurred_at"],
        at=turn.now,
        text="A growth touch was planned while the account is not well.",
    )
    return [records.suppressed(turn, touch, "growth_inhibited", until, detail, "")]
