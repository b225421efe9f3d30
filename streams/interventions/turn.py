"""What every decision of a step needs to know: the account, the moment, the record that caused it, the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streams.domain.account import AccountState
from streams.domain.finding import Evidence
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.health.score import SCORE
from streams.policy.model import Policy


@dataclass(slots=True, frozen=True)
class Turn:
    """One step or timer of one account. `now` is stream time in ms."""

    account: AccountState
    partition: PartitionState
    now: int
    origin: Origin
    policy: Policy
    traceparent: str | None = None


class Drop(Protocol):
    """What a finding, a waiting candidate and an episode have in common."""

    @property
    def kind(self) -> str:
        """Kind of detection."""

    @property
    def dimension(self) -> str:
        """Dimension that it hurts."""

    @property
    def subject(self) -> str:
        """What it was seen on; empty for the whole account."""

    @property
    def severity(self) -> float:
        """0..1."""

    @property
    def text(self) -> str:
        """One sentence for people."""

    @property
    def onset_at(self) -> int:
        """First causing event, ms."""

    @property
    def evidence(self) -> Sequence[Evidence]:
        """Figures behind it."""


CANCEL_INTENT = "cancel_intent"


def of_whole_account(drop: Drop) -> bool:
    """True for a finding on the score itself: it says that something hurts, not what."""
    return drop.kind == "threshold" and drop.subject == SCORE


def family(drop: Drop) -> tuple[str, str]:
    """What makes two drops the same trouble: dimension and subject.

    Every conversation has its own id, so for frustration the subject says nothing.
    """
    return drop.dimension, "" if drop.kind == "frustration" else drop.subject


def cause_record(drop: Drop) -> dict[str, Any]:
    """As the `Cause` record of the output schemas."""
    return {
        "kind": drop.kind,
        "dimension": drop.dimension,
        "subject": drop.subject,
        "severity": drop.severity,
        "text": drop.text,
    }


def count_ignored(account: AccountState, reason: str) -> None:
    """Counts something that changed nothing, under its reason code. The codes are bounded by the program."""
    ignored = account.guard.ignored
    ignored[reason] = ignored.get(reason, 0) + 1
