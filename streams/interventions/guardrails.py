"""Why a finding is not fired now. Each check gives a reason of the suppressed-interventions schema, or None.

They run in the order of `CHECKS`; the first reason counts. An intent to cancel passes cool-down, frequency cap and
quiet hours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streams import topics
from streams.domain.finding import Finding
from streams.domain.time import MINUTE, format_duration, local_minute
from streams.interventions.turn import CANCEL_INTENT, Drop, Turn, family
from streams.policy.playbooks import Playbook

_FEEDS = {
    "support": topics.TICKETS,
    "service": topics.TICKETS,
    "success": topics.USAGE,
    "sales": topics.ACCOUNTS,
    "sentiment": topics.SENTIMENT,
}
"""The feed without which nothing can be said about a dimension."""
_OF_USE = frozenset({"silence", "silent_start"})


class Hold(NamedTuple):
    """A reason not to fire. `until` is None when its end is not known; `detail` has the figures behind it."""

    reason: str
    until: int | None
    detail: str


Check = Callable[[Turn, Finding, Playbook | None], Hold | None]


def hold(turn: Turn, finding: Finding, playbook: Playbook | None) -> Hold | None:
    """The first reason not to fire `finding` with `playbook` now; None when nothing holds it back."""
    urgent = finding.kind == CANCEL_INTENT
    for check, passed_by_cancel_intent in CHECKS:
        if not (urgent and passed_by_cancel_intent):
            found = check(turn, finding, playbook)
            if found is not None:
                return found
    return None


def _kill_switch(turn: Turn, _finding: Finding, _playbook: Playbook | None) -> Hold | None:
    return Hold("kill_switch", None, "the kill switch is on") if turn.partition.killed else None


def _churned(turn: Turn, _finding: Finding, _playbook: Playbook | None) -> Hold | None:
    return Hold("churned", None, "the account has left") if turn.account.profile.churned_at is not None else None


def _low_confidence(turn: Turn, finding: Finding, _playbook: Playbook | None) -> Hold | None:
    least = turn.policy.guardrails.min_confidence
    if finding.confidence >= least:
        return None
    return Hold("low_confidence", None, f"confidence {finding.confidence:.2f} < {least:.2f}")


def _feed_silent(turn: Turn, finding: Finding, _playbook: Playbook | None) -> Hold | None:
    topic = feed_of(turn, finding)
    if not turn.partition.silent(topic):
        return None
    return Hold("feed_silent", None, f"the feed {topic} is silent: nothing can be said about this account")


def feed_of(turn: Turn, drop: Drop) -> str:
    """The feed that a drop, and its recovery, is seen on: that of its metric if any, else that of its dimension."""
    if drop.kind == CANCEL_INTENT:
        return topics.ACCOUNTS
    if drop.kind in _OF_USE or (drop.subject in turn.policy.metrics and not drop.subject.startswith("tickets:")):
        return topics.USAGE
    return _FEEDS.get(drop.dimension, topics.USAGE)


def _snoozed(turn: Turn, _finding: Finding, _playbook: Playbook | None) -> Hold | None:
    until = turn.account.guard.snoozed_until
    return Hold("snoozed", until, f"snoozed for {format_duration(until - turn.now)}") if until > turn.now else None


def _cool_down(turn: Turn, finding: Finding, _playbook: Playbook | None) -> Hold | None:
    trouble = family(finding)
    for past in reversed(turn.account.guard.history):
        until = past.ended_at + turn.policy.guardrails.cool_down
        if family(Finding(past.kind, past.dimension, past.subject, 0, 0, 0, 0, "")) == trouble and until > turn.now:
            return Hold("cooldown", until, f"episode {past.intervention_id} of the same trouble ended {past.outcome}")
    return None


def _frequency_cap(turn: Turn, _finding: Finding, _playbook: Playbook | None) -> Hold | None:
    cap = turn.policy.guardrails.frequency_cap
    recent = [at for at in turn.account.guard.fired if at + cap.window > turn.now]
    if len(recent) < cap.count:
        return None
    until = recent[-cap.count] + cap.window
    return Hold("frequency_cap", until, f"{len(recent)} interventions within {format_duration(cap.window)}")


def _quiet_hours(turn: Turn, _finding: Finding, _playbook: Playbook | None) -> Hold | None:
    quiet = turn.policy.guardrails.quiet_hours
    if quiet is None:
        return None
    zone = turn.account.profile.time_zone or "UTC"
    minute = local_minute(turn.now, zone)
    left = quiet.remaining(minute)
    if not left:
        return None
    until = turn.now - turn.now % MINUTE + left * MINUTE
    return Hold("quiet_hours", until, f"it is {minute // 60:02}:{minute % 60:02} in {zone}")


def _authority(turn: Turn, _finding: Finding, playbook: Playbook | None) -> Hold | None:
    ceiling = turn.policy.guardrails.spend_ceiling
    cost = playbook.ladder[0].cost if playbook else 0.0
    spends = [spend for spend in turn.account.guard.spent if spend.at + ceiling.window > turn.now]
    spent = sum(spend.cost for spend in spends)
    if not cost or spent + cost <= ceiling.limit:
        return None
    until = spends[0].at + ceiling.window if spends else None
    detail = f"{cost:.0f} usd would take {spent:.0f} spent above the ceiling of {ceiling.limit:.0f}"
    return Hold("no_authority", until, detail)


def _no_playbook(_turn: Turn, finding: Finding, playbook: Playbook | None) -> Hold | None:
    return None if playbook else Hold("no_playbook", None, f"no playbook fits {finding.kind} in {finding.dimension}")


CHECKS: tuple[tuple[Check, bool], ...] = (
    (_kill_switch, False),
    (_churned, False),
    (_low_confidence, False),
    (_feed_silent, False),
    (_snoozed, False),
    (_cool_down, True),
    (_frequency_cap, True),
    (_quiet_hours, True),
    (_authority, False),
    (_no_playbook, False),
)
"""The checks in their order; True: an intent to cancel passes it."""
