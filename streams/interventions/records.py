"""Records of `interventions` and `suppressed-interventions`, by their schemas, wrapped as outputs."""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.domain.episode import Episode
from streams.domain.ids import suppression_id
from streams.domain.outputs import Output
from streams.health.score import reasons, record
from streams.interventions.context import context
from streams.interventions.turn import Drop, Turn, cause_record
from streams.outcomes.grading import grade
from streams.outcomes.outcome import outcome_record

_FULL = frozenset({"opened", "held_out", "escalated", "relapsed"})
"""States whose records carry context and contributions: somebody has to begin, or would have."""


def intervention(turn: Turn, episode: Episode, previous: str | None, reason: str) -> Output:
    """The episode as it is after a transition. Takes the next sequence number."""
    account = turn.account
    full = episode.state in _FULL
    graded = grade(episode)
    prescription = episode.prescription
    fields = {
        "intervention_id": episode.intervention_id,
        "seq": episode.seq,
        "account_id": account.account_id,
        "state": episode.state,
        "previous": previous,
        "reason": reason,
        "at": turn.now,
        "cause": cause_record(episode),
        "onset_at": episode.onset_at,
        "opened_at": episode.opened_at,
        "evidence": [item.record() for item in episode.evidence],
        "contributions": [record(one) for one in reasons(account.health, turn.policy)] if full else [],
        "playbook": prescription
        and {
            "name": prescription.playbook,
            "step": prescription.step,
            "action": prescription.action,
            "channel": prescription.channel,
            "for_user": prescription.for_user,
            "for_executive": prescription.for_executive,
            "success": prescription.success,
            "generic": prescription.generic,
        },
        "authority": prescription
        and {
            "actor": prescription.actor,
            "action": prescription.authority,
            "limit": prescription.limit,
            "approval_needed": episode.approval_needed,
        },
        "ack_by": episode.ack_by,
        "act_by": episode.act_by,
        "verify_by": episode.verify_by,
        "owner": episode.owner,
        "arm": episode.arm,
        "grade": graded.grade,
        "low_grade_cause": graded.cause,
        "chases": episode.chases,
        "context": context(account, episode, turn.now, turn.policy) if full else [],
        "value": account.profile.value,
        "policy_version": turn.policy.version,
        "origin": turn.origin.record(),
        "traceparent": turn.traceparent or episode.traceparent,
    }
    return _numbered(turn, episode, topics.INTERVENTIONS, fields)


def outcome(turn: Turn, episode: Episode, name: str, reason: str) -> Output:
    """How the episode stands now that it has reached outcome `name`. Takes the next sequence number."""
    return _numbered(turn, episode, topics.OUTCOMES, outcome_record(turn, episode, name, reason))


def suppressed(
    turn: Turn, drop: Drop, reason: str, until: int | None, detail: str, playbook: str, episode_id: str | None = None
) -> Output:
    """What was not fired, and why. Takes the account's next suppression number."""
    account = turn.account
    account.guard.suppressions += 1
    cause_id = f"{drop.kind}:{drop.dimension}:{drop.subject}"
    record_id = suppression_id(account.account_id, cause_id, account.guard.suppressions)
    fields = {
        "suppression_id": record_id,
        "seq": 0,
        "account_id": account.account_id,
        "at": turn.now,
        "cause": cause_record(drop),
        "playbook": playbook,
        "reason": reason,
        "until": until,
        "detail": detail,
        "intervention_id": episode_id,
        "policy_version": turn.policy.version,
        "origin": turn.origin.record(),
        "traceparent": turn.traceparent,
    }
    return Output(topics.SUPPRESSED, account.account_id, record_id, 0, turn.now, fields)


def _numbered(turn: Turn, episode: Episode, topic: str, record: dict[str, Any]) -> Output:
    seq = episode.seq
    episode.seq += 1
    return Output(topic, turn.account.account_id, episode.intervention_id, seq, turn.now, record)
