"""Applies the table of `lifecycle.py` to an episode: state, effects, records. Nothing else writes `Episode.state`."""

from __future__ import annotations

from streams.domain.episode import Ended, Episode
from streams.domain.outputs import Output
from streams.interventions import records
from streams.interventions.lifecycle import Effect, Event, State, ignored, transition
from streams.interventions.prescribe import hold_time, prescribe_first, prescribe_next
from streams.interventions.turn import Turn, count_ignored
from streams.outcomes.grading import grade

_HISTORY = 20
"""Ended episodes that an account remembers."""


def legal(episode: Episode, event: Event) -> bool:
    """True when the table has the pair."""
    return transition(episode.state, event).legal


def fire(turn: Turn, episode: Episode, event: Event, reason: str = "") -> list[Output]:
    """What `event` does to the episode; an illegal pair changes nothing and is counted under its reason code.

    `reason` refines the record's reason code, which is otherwise the event.
    """
    change = transition(episode.state, event)
    if not change.legal:
        count_ignored(turn.account, ignored(episode.state, event))
        return []
    previous = None if episode.state == State.CANDIDATE else episode.state
    episode.state = change.to.value
    # What was held back belongs to the state that was left.
    episode.held_reason, episode.held_until = "", None
    for effect in change.effects:
        _EFFECTS[effect](turn, episode)
    outputs = [records.intervention(turn, episode, previous, reason or event.value)]
    if change.outcome is not None:
        outputs.append(records.outcome(turn, episode, change.outcome, reason or event.value))
    if Effect.END in change.effects:
        _remember(turn, episode, change.outcome or change.to.value)
    return outputs


def _settle(turn: Turn, episode: Episode) -> None:
    episode.settle_at = turn.now + turn.policy.episodes.settle


def _watch(turn: Turn, episode: Episode) -> None:
    """Nothing is owed any more: deadlines go, and a promise that was not due yet has been kept."""
    episode.follow_up_until = turn.now + turn.policy.episodes.follow_up + hold_time(turn, episode)
    episode.ack_by = episode.act_by = episode.verify_by = episode.settle_at = None
    episode.pending_at = None
    if episode.promised_by is not None:
        episode.promises_kept += 1
        episode.promised_by = None


def _reopen(turn: Turn, episode: Episode) -> None:
    """The clocks start again, and only evidence from now on proves recovery. What was done stays on record."""
    episode.relapses += 1
    episode.since = turn.now
    episode.recovered_at = None
    episode.follow_up_until = None
    episode.verify_by = turn.now + turn.policy.episodes.held_out
    episode.declined = ""
    turn.account.guard.relapsed_at = turn.now


def _end(turn: Turn, episode: Episode) -> None:
    episode.ended_at = turn.now
    if episode.promised_by is not None:
        if episode.promised_by < turn.now:
            episode.promises_missed += 1
        episode.promised_by = None


_EFFECTS = {
    Effect.PRESCRIBE_FIRST: prescribe_first,
    Effect.PRESCRIBE_NEXT: prescribe_next,
    Effect.SETTLE: _settle,
    Effect.WATCH: _watch,
    Effect.REOPEN: _reopen,
    Effect.END: _end,
}


def _remember(turn: Turn, episode: Episode, outcome: str) -> None:
    """Takes an ended episode out of the account; a small part of it stays for cool-down, playbooks and context."""
    turn.account.episodes.pop(episode.intervention_id, None)
    history = turn.account.guard.history
    history.append(
        Ended(
            intervention_id=episode.intervention_id,
            kind=episode.kind,
            dimension=episode.dimension,
            subject=episode.subject,
            playbook=episode.prescription.playbook if episode.prescription else "",
            outcome=outcome,
            opened_at=episode.opened_at,
            ended_at=turn.now,
            grade=grade(episode).grade,
            relapses=episode.relapses,
        )
    )
    del history[:-_HISTORY]
