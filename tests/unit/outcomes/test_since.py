"""Only what happened since the episode was opened, or has relapsed, proves a recovery."""

from __future__ import annotations

from typing import Any

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.signal import TicketState, Utterance
from streams.domain.time import DAY
from streams.outcomes.verification import NOT_YET, Verdict, recovered, verdict
from streams.policy.load import default_policy
from tests.support.history import MONDAY

POLICY = default_policy()
HOLD = POLICY.verification.score_hold


def judge(account: AccountState, now: int, since: int, kind: str, **drop: Any) -> Verdict:
    values = {"dimension": "sales", "subject": "", "baseline": None, **drop}
    return verdict(account, PartitionState(0), kind, *values.values(), MONDAY, since, now, POLICY)


def test_score_that_was_high_before_must_hold_anew() -> None:
    """The hold time begins with the relapse, and the recovery is dated to it."""
    account = AccountState("a")
    account.health.score, account.health.above = 90.0, {"score": MONDAY}
    since = MONDAY + 30 * DAY
    assert judge(account, since + HOLD - 1, since, "threshold", subject="score") == NOT_YET
    assert judge(account, since + HOLD, since, "threshold", subject="score") == recovered(since)


def test_renewal_before_the_intent_to_cancel_is_no_change_of_mind() -> None:
    """One of the same moment or later is."""
    account = AccountState("a")
    account.signals.committed_at = MONDAY + DAY
    assert judge(account, MONDAY + 5 * DAY, MONDAY + DAY + 1, "cancel_intent") == NOT_YET
    assert judge(account, MONDAY + 5 * DAY, MONDAY + DAY, "cancel_intent") == recovered(MONDAY + DAY)
    assert judge(account, MONDAY + DAY - 1, MONDAY, "cancel_intent") == NOT_YET


def test_kind_words_before_the_anger_prove_nothing() -> None:
    """Nor do those of the very moment at which the episode was opened."""
    account, since = AccountState("a"), MONDAY + 5 * DAY
    count = POLICY.verification.sentiment_utterances
    account.signals.utterances = [Utterance(since - number, "chat", 0.8) for number in range(count)]
    assert judge(account, since + DAY, since, "frustration", dimension="sentiment") == NOT_YET
    account.signals.utterances = [Utterance(since + 1 + number, "chat", 0.8) for number in range(count)]
    assert judge(account, since + DAY, since, "frustration", dimension="sentiment") == recovered(since + 1)


def test_calm_is_counted_from_the_last_change_of_any_ticket() -> None:
    """Two quiet weeks; a ticket that was closed in between starts them again."""
    account, quiet = AccountState("a"), POLICY.verification.quiet_hold
    closed = TicketState(opened_at=MONDAY, priority="high", status="closed", resolved_at=MONDAY + DAY)
    closed.changed_at = MONDAY + DAY
    account.signals.tickets["T-1"] = closed
    assert judge(account, MONDAY + quiet, MONDAY, "frustration", dimension="sentiment") == NOT_YET
    calm = judge(account, MONDAY + DAY + quiet, MONDAY, "frustration", dimension="sentiment")
    assert calm == recovered(MONDAY + DAY)
