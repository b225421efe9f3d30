"""Open episodes as time and data go on: verification, deadlines, the ladder, the follow-up window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.domain.account import AccountState
from streams.domain.episode import TREATED, WAITING, Episode
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.interventions import records
from streams.interventions.chases import count_chases
from streams.interventions.guardrails import Hold, feed_of
from streams.interventions.lifecycle import Event, State
from streams.interventions.machine import fire
from streams.interventions.prescribe import next_step
from streams.interventions.turn import Turn, family
from streams.outcomes.verification import verdict
from streams.policy.model import Policy


def on_progress(
    account: AccountState,
    partition: PartitionState,
    now: int,
    origin: Origin,
    policy: Policy,
    trigger: str,
    event: Mapping[str, Any] | None = None,
) -> list[Output]:
    """After every step of the account. `trigger` is the topic of `event`, or the name of a timer without one."""
    if not account.episodes:
        return []
    turn = Turn(account, partition, now, origin, policy, event["traceparent"] if event else None)
    if event is not None:
        count_chases(account, trigger, event)
    outputs: list[Output] = []
    for episode in list(account.episodes.values()):
        if episode.open:
            outputs += _verify(turn, episode)
    schedule(turn)
    return outputs


def on_episodes_timer(
    account: AccountState, partition: PartitionState, now: int, origin: Origin, policy: Policy
) -> list[Output]:
    """Deadlines that have passed. Recovery is looked for first: who is back on track is not escalated."""
    turn = Turn(account, partition, now, origin, policy)
    outputs: list[Output] = []
    for episode in list(account.episodes.values()):
        if episode.open:
            outputs += _verify(turn, episode)
        outputs += _due(turn, episode)
    schedule(turn)
    return outputs


def _verify(turn: Turn, episode: Episode) -> list[Output]:
    """The only door to `back_on_track`: a verdict from the account's own data."""
    found = verdict(
        turn.account,
        turn.partition,
        episode.kind,
        episode.dimension,
        episode.subject,
        episode.baseline,
        episode.onset_at,
        episode.since,
        turn.now,
        turn.policy,
    )
    if found.outcome == "recovered":
        episode.recovered_at = turn.now if found.at is None else max(found.at, episode.onset_at)
        return fire(turn, episode, Event.VERIFIED)
    if found.outcome == "new_normal":
        return fire(turn, episode, Event.LOWER_LEVEL)
    return []


def _due(turn: Turn, episode: Episode) -> list[Output]:
    """What an episode owes at `now` by its deadlines."""
    now = turn.now
    if episode.state == State.BACK_ON_TRACK:
        held = _passed(episode.follow_up_until, now) and not _doubted(turn, episode)
        return fire(turn, episode, Event.CONFIRM) if held else []
    outputs: list[Output] = []
    if episode.state == State.ACTED and _passed(episode.settle_at, now):
        episode.settle_at = None
        outputs += fire(turn, episode, Event.SETTLE)
    reason = _missed(episode, now)
    if reason is None:
        return outputs
    stop = _stop(turn, episode, reason)
    return outputs + (_miss(turn, episode, reason) if stop is None else _hold_back(turn, episode, stop))


def _miss(turn: Turn, episode: Episode, reason: str) -> list[Output]:
    """What a missed deadline leads to: the next step; at the end of the ladder a reminder, or the end."""
    episode.held_reason, episode.held_until = "", None
    if episode.state == State.HELD_OUT:
        return fire(turn, episode, Event.EXPIRE, "untreated")
    if reason == "promise_missed":
        episode.promises_missed += 1
        episode.promised_by = None
    if next_step(turn.policy, episode) is not None:
        return fire(turn, episode, Event.ESCALATE, reason)
    if reason == "unverified":
        return fire(turn, episode, Event.EXPIRE, reason)
    # The last step: nobody is left to escalate to, but until its time is over the account can still recover.
    if reason == "unowned":
        episode.ack_by = None
    elif reason != "promise_missed":
        episode.act_by = None
    return fire(turn, episode, Event.REMIND, reason)


def _missed(episode: Episode, now: int) -> str | None:
    """Reason code of the deadline that has passed; None when none has."""
    if episode.state in TREATED and _passed(episode.promised_by, now):
        return "promise_missed"
    if episode.state in WAITING and _passed(episode.ack_by, now):
        return "unowned"
    if episode.state in {"owned", "acting"} and _passed(episode.act_by, now):
        waiting = episode.approval_needed and not episode.approved
        return "approval_overdue" if waiting else "unacted"
    return "unverified" if episode.open and _passed(episode.verify_by, now) else None


def _stop(turn: Turn, episode: Episode, reason: str) -> Hold | None:
    """Why what follows on a missed deadline must wait; None when it need not.

    While the feed is silent on which recovery would be seen, nobody is blamed for not having verified it.
    """
    feed = feed_of(turn, episode)
    if reason == "unverified" and turn.partition.silent(feed):
        return Hold("feed_silent", None, f"the feed {feed} is silent: recovery cannot be seen")
    if episode.state == State.HELD_OUT:
        return None
    if turn.partition.killed:
        return Hold("kill_switch", None, "the kill switch is on")
    until = turn.account.guard.snoozed_until
    return Hold("snoozed", until, "the next step waits until the snooze ends") if until > turn.now else None


def _hold_back(turn: Turn, episode: Episode, stop: Hold) -> list[Output]:
    """Puts off what a missed deadline would do. Recorded once a reason, and not where nothing was to be done."""
    repeated = episode.held_reason == stop.reason
    episode.held_reason = stop.reason
    episode.held_until = stop.until or turn.now + turn.policy.guardrails.recheck
    if repeated or episode.state == State.HELD_OUT:
        return []
    playbook = episode.prescription.playbook if episode.prescription else ""
    return [records.suppressed(turn, episode, stop.reason, stop.until, stop.detail, playbook, episode.intervention_id)]


def _doubted(turn: Turn, episode: Episode) -> bool:
    """True while the kill switch holds back a relapse: what has fallen again is not confirmed."""
    return any(
        candidate.reason == "kill_switch" and family(candidate) == family(episode)
        for candidate in turn.account.guard.candidates.values()
    )


def _passed(deadline: int | None, now: int) -> bool:
    return deadline is not None and deadline <= now


def schedule(turn: Turn) -> None:
    """Sets the `episodes` timer: the earliest deadline, and a look at recovery every `verify_every` at least."""
    account, now = turn.account, turn.now
    if not account.episodes:
        account.timers.pop("episodes", None)
        return
    due: int | None = None
    for episode in account.episodes.values():
        at = _next(turn, episode)
        due = at if due is None or at < due else due
    account.schedule("episodes", due, now)


def _next(turn: Turn, episode: Episode) -> int:
    """When the episode is to be looked at by time alone."""
    # A timer that stands already is kept for the look at recovery, so that events do not push it away.
    standing = turn.account.timers.get("episodes", 0)
    look = standing if standing > turn.now else turn.now + turn.policy.episodes.verify_every
    if episode.state == State.BACK_ON_TRACK:
        until = episode.follow_up_until
        return look if until is None or until <= turn.now else until
    if episode.held_until is not None and episode.held_until > turn.now:
        return episode.held_until
    deadlines = [
        # The close of a metric's period is a step of its own, at which recovery is looked for.
        None if episode.subject in turn.account.signals.metrics else look,
        episode.promised_by,
        episode.ack_by if episode.state in WAITING else None,
        episode.act_by if episode.state in {"owned", "acting"} else None,
        episode.settle_at if episode.state == State.ACTED else None,
        episode.verify_by,
    ]
    return min((at for at in deadlines if at is not None), default=look)
