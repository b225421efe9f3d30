"""The record of `intervention-outcomes`: how an episode stands when it has reached an outcome."""

from __future__ import annotations

from typing import Any

from streams.domain.episode import Episode
from streams.domain.signal import Utterance
from streams.domain.time import SECOND
from streams.health.interaction import shift
from streams.health.voice import models_of
from streams.interventions.turn import Turn, cause_record
from streams.outcomes.grading import grade


def outcome_record(turn: Turn, episode: Episode, outcome: str, reason: str) -> dict[str, Any]:
    """By the schema of the topic. Uses the episode as it is after the transition."""
    graded = grade(episode)
    promises = episode.promises_kept + episode.promises_missed
    return {
        "intervention_id": episode.intervention_id,
        "seq": episode.seq,
        "account_id": turn.account.account_id,
        "outcome": outcome,
        "reason": reason,
        "at": turn.now,
        "cause": cause_record(episode),
        "playbook": episode.prescription.playbook if episode.prescription else "",
        "arm": episode.arm,
        "grade": graded.grade,
        "missing": graded.missing,
        "low_grade_cause": graded.cause,
        "chases": episode.chases,
        "acknowledged": episode.acknowledged_at is not None,
        "resolved": episode.recovered_at is not None,
        "onset_at": episode.onset_at,
        "opened_at": episode.opened_at,
        "acknowledged_at": episode.acknowledged_at,
        "acted_at": episode.acted_at,
        "recovered_at": episode.recovered_at,
        "time_to_response_s": _seconds(episode.opened_at, episode.acknowledged_at),
        "time_to_recovery_s": _seconds(episode.onset_at, episode.recovered_at),
        "promise_kept": episode.promises_missed == 0 if promises else None,
        "relapses": episode.relapses,
        "without_approval": episode.approval_asked_at is None,
        "sentiment_shift": _sentiment_shift(turn, episode),
        "sentiment_scored_by": models_of(_since_onset(turn, episode)),
        "value": turn.account.profile.value,
        "policy_version": turn.policy.version,
        "origin": turn.origin.record(),
        "traceparent": turn.traceparent or episode.traceparent,
    }


def _seconds(start: int, end: int | None) -> float | None:
    return None if end is None else (end - start) / SECOND


def _sentiment_shift(turn: Turn, episode: Episode) -> float | None:
    """How the customer's words moved since the onset; None with too few of them."""
    scores = [said.score for said in _since_onset(turn, episode)]
    return shift(scores, turn.policy.detection.frustration.min_utterances)


def _since_onset(turn: Turn, episode: Episode) -> list[Utterance]:
    return [said for said in turn.account.signals.utterances if said.at >= episode.onset_at]
