"""What is done about an intervention: facts for the grade, transitions by the table, refusals with a reason."""

from __future__ import annotations

from collections.abc import Callable

from streams.domain.account import AccountState
from streams.domain.episode import Episode, Spend
from streams.domain.events import ResponseEvent
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.domain.time import format_time
from streams.interventions import progress
from streams.interventions.lifecycle import Event, State, ignored
from streams.interventions.machine import fire, legal
from streams.interventions.turn import Turn, count_ignored
from streams.policy.model import Policy


def on_response(
    account: AccountState,
    partition: PartitionState,
    event: ResponseEvent,
    now: int,
    origin: Origin,
    policy: Policy,
) -> list[Output]:
    """Applies a response. One about an unknown, ended or held-out episode changes nothing and is counted."""
    episode = account.episodes.get(event["intervention_id"])
    if episode is None:
        count_ignored(account, "unknown_episode")
        return []
    if episode.arm == "held_out":
        count_ignored(account, "response_to_held_out")
        return []
    handler = _HANDLERS.get(event["change"])
    if handler is None:
        count_ignored(account, "unknown_response")
        return []
    turn = Turn(account, partition, now, origin, policy, event["traceparent"])
    # Facts carry the time at which they happened, deadlines go by stream time.
    at = min(now, max(event["occurred_at"], episode.opened_at))
    if episode.responded_at is None and event["change"] != "bounced":
        episode.responded_at = at
    outputs = handler(turn, episode, event, at)
    progress.schedule(turn)
    return outputs


def _acknowledged(turn: Turn, episode: Episode, event: ResponseEvent, at: int) -> list[Output]:
    if not event["names_cause"]:
        episode.sympathised = True
        count_ignored(turn.account, "acknowledgement_without_cause")
        return []
    if episode.acknowledged_at is None:
        episode.acknowledged_at = at
    _own(episode, event)
    return fire(turn, episode, Event.ACKNOWLEDGE)


def _sympathy(_turn: Turn, episode: Episode, _event: ResponseEvent, _at: int) -> list[Output]:
    episode.sympathised = True
    return []


def _promised(turn: Turn, episode: Episode, event: ResponseEvent, _at: int) -> list[Output]:
    by = event["promised_by"]
    if by is None:
        count_ignored(turn.account, "promise_without_time")
        return []
    if not legal(episode, Event.PROMISE):
        return fire(turn, episode, Event.PROMISE)
    # Putting off what was promised does not keep it: the earliest date stands.
    episode.promised_by = by if episode.promised_by is None else min(by, episode.promised_by)
    episode.sympathised = True
    _own(episode, event)
    words = (event["action"] or "").replace("_", " ") or "an answer"
    turn.account.guard.last_promise = f"{words} by {format_time(episode.promised_by)[:16]}"
    return fire(turn, episode, Event.PROMISE)


def _action_executed(turn: Turn, episode: Episode, event: ResponseEvent, at: int) -> list[Output]:
    """Within authority it counts as done; above it, it waits for approval with the clock running."""
    cost = event["cost"] or 0.0
    limit = episode.prescription.limit if episode.prescription else None
    _own(episode, event)
    if limit is not None and cost > limit and not episode.approved:
        if legal(episode, Event.ASK_APPROVAL):
            episode.approval_needed = True
            episode.pending_at = at
            episode.pending_cost = cost
            if episode.approval_asked_at is None:
                episode.approval_asked_at = turn.now
        return fire(turn, episode, Event.ASK_APPROVAL, "over_limit")
    return _act(turn, episode, cost, at, "")


def _act(turn: Turn, episode: Episode, cost: float, at: int, reason: str) -> list[Output]:
    if cost:
        guard, window = turn.account.guard, turn.policy.guardrails.spend_ceiling.window
        guard.spent = [*(spend for spend in guard.spent if spend.at + window > turn.now), Spend(turn.now, cost)]
    if legal(episode, Event.ACT):
        if episode.acted_at is None:
            episode.acted_at = at
        if episode.promised_by is not None:
            kept = at <= episode.promised_by
            episode.promises_kept += kept
            episode.promises_missed += not kept
            episode.promised_by = None
        episode.pending_at = None
    return fire(turn, episode, Event.ACT, reason)


def _approved(turn: Turn, episode: Episode, _event: ResponseEvent, at: int) -> list[Output]:
    if not legal(episode, Event.APPROVE):
        return fire(turn, episode, Event.APPROVE)
    if episode.approval_needed and not episode.approved and episode.approval_asked_at is not None:
        episode.approval_wait += turn.now - episode.approval_asked_at
    episode.approved = True
    if episode.pending_at is not None:
        # It was executed before; it counts from its approval on.
        return _act(turn, episode, episode.pending_cost, at, "approved")
    return fire(turn, episode, Event.APPROVE)


def _declined(turn: Turn, episode: Episode, event: ResponseEvent, _at: int) -> list[Output]:
    episode.declined = event["reason"] or "declined"
    episode.pending_at = None
    return fire(turn, episode, Event.DECLINE)


def _action_failed(turn: Turn, episode: Episode, event: ResponseEvent, _at: int) -> list[Output]:
    """What did not work was not done."""
    _own(episode, event)
    if legal(episode, Event.FAIL):
        episode.acted_at = None
        episode.settle_at = None
        episode.pending_at = None
    return fire(turn, episode, Event.FAIL)


def _followed_up(turn: Turn, episode: Episode, _event: ResponseEvent, at: int) -> list[Output]:
    episode.followed_up_at = at
    return fire(turn, episode, Event.FOLLOW_UP) if legal(episode, Event.FOLLOW_UP) else []


def _snoozed(turn: Turn, _episode: Episode, event: ResponseEvent, _at: int) -> list[Output]:
    until = event["snooze_until"]
    if until is None:
        count_ignored(turn.account, "snooze_without_end")
    else:
        turn.account.guard.snoozed_until = until
    return []


def _bounced(turn: Turn, episode: Episode, _event: ResponseEvent, _at: int) -> list[Output]:
    episode.bounced = True
    return fire(turn, episode, Event.BOUNCE)


def _handled_unresolved(turn: Turn, episode: Episode, event: ResponseEvent, _at: int) -> list[Output]:
    """An honest no needs all four: cause acknowledged, reason, alternative, follow-up."""
    has = {
        "acknowledgement": episode.acknowledged_at is not None,
        "reason": bool(event["reason"]),
        "alternative": bool(event["alternative"]),
        "follow_up": episode.followed_up_at is not None,
    }
    lacks = [name for name, there in has.items() if not there]
    if lacks:
        return fire(turn, episode, Event.REFUSE, f"refused_without_{lacks[0]}")
    return fire(turn, episode, Event.UNRESOLVE)


def _customer_confirmed(turn: Turn, episode: Episode, _event: ResponseEvent, at: int) -> list[Output]:
    """The customer's word is kept, and completes a follow-up; only their data end an episode."""
    episode.confirmed_at = at
    if episode.state != State.BACK_ON_TRACK:
        count_ignored(turn.account, ignored(episode.state, Event.CONFIRM))
    return []


def _false_alarm(turn: Turn, episode: Episode, _event: ResponseEvent, _at: int) -> list[Output]:
    return fire(turn, episode, Event.WITHDRAW, "false_alarm")


def _own(episode: Episode, event: ResponseEvent) -> None:
    if event["actor"]:
        episode.owner = event["actor"]


_Handler = Callable[[Turn, Episode, ResponseEvent, int], list[Output]]
_HANDLERS: dict[str, _Handler] = {
    "acknowledged": _acknowledged,
    "apologised": _sympathy,
    "link_sent": _sympathy,
    "promised": _promised,
    "action_executed": _action_executed,
    "action_failed": _action_failed,
    "approved": _approved,
    "declined": _declined,
    "followed_up": _followed_up,
    "snoozed": _snoozed,
    "bounced": _bounced,
    "handled_unresolved": _handled_unresolved,
    "customer_confirmed": _customer_confirmed,
    "false_alarm": _false_alarm,
}
"""What each `ResponseChange` does; `other` does nothing."""
