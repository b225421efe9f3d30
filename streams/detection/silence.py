"""An account that is overdue against its own rhythm, and one that never started.

The gap is judged against the account's own distribution of ln(gap) (`health/rhythm.py`): overdue beyond mean + z
standard deviations and beyond a multiple of the longest recent gap. While the usage feed itself is silent, or nobody
else has been heard of either, nothing is found, and when the feed returns each account gets its time anew.
"""

from __future__ import annotations

from streams import topics
from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, format_duration
from streams.health import rhythm
from streams.policy.model import Policy

_LOOK_AGAIN = 6 * HOUR
START = "silent_start"


def waits(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> bool:
    """True when the account was active since its `silence` timer was set, or cannot be judged: the timer is set anew.

    Most timers end here, so nothing else of the account is looked at.
    """
    if account.profile.churned_at is not None:
        return True
    pulse = account.signals.rhythm
    if not pulse.last_at:
        return False
    if partition.silent(topics.USAGE):
        account.schedule("silence", now + _LOOK_AGAIN, now)
        return True
    source = partition.sources.get(topics.USAGE)
    patience = rhythm.patience(pulse, policy.detection.silence)
    if patience is None or pulse.overdue_at is not None:
        return True
    due = max(pulse.last_at, 0 if source is None else source.silent_until) + patience
    if now < due:
        account.schedule("silence", due, now)
        return True
    return False


def on_timer(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> Finding | None:
    """Judges an account whose `silence` timer has fired and which does not merely wait (`waits`)."""
    if partition.silent(topics.USAGE):
        account.schedule("silence", now + _LOOK_AGAIN, now)
        return None
    source = partition.sources.get(topics.USAGE)
    pulse = account.signals.rhythm
    if not pulse.last_at:
        return _start(account, now, 0 if source is None else source.silent_until, policy)
    patience = rhythm.patience(pulse, policy.detection.silence) or 0
    if source is None or source.last_at <= pulse.last_at + policy.time.session:
        # Nobody else was heard of since: it may be the feed.
        account.schedule("silence", now + _LOOK_AGAIN, now)
        return None
    pulse.overdue_at = now
    gap, usual = now - pulse.last_at, rhythm.usual_gap(pulse)
    return Finding(
        kind="silence",
        dimension="success",
        subject="",
        severity=min(1.0, 0.5 + 0.5 * (gap - patience) / (gap or 1) + 0.1 * min(3.0, gap / max(usual, DAY) / 10)),
        confidence=min(1.0, 0.5 + pulse.n / 60),
        onset_at=pulse.last_at + usual,
        at=now,
        text=f"No use for {format_duration(gap)}; it usually comes back within {format_duration(usual)}",
        evidence=(Evidence("gap", gap / HOUR, now, usual / HOUR, "hours"),),
    )


def _start(account: AccountState, now: int, back_at: int, policy: Policy) -> Finding | None:
    signals, onboarding = account.signals, policy.detection.silence.onboarding
    if signals.created_at is None or START in signals.reported:
        return None
    due = max(signals.created_at, back_at) + onboarding
    if now < due:
        account.schedule("silence", due, now)
        return None
    signals.reported[START] = now
    waited = now - signals.created_at
    return Finding(
        kind=START,
        dimension="success",
        subject="",
        severity=0.6,
        confidence=0.9,
        onset_at=signals.created_at,
        at=now,
        text=f"No use at all in the {format_duration(waited)} since the account was created",
        evidence=(Evidence("waited", waited / DAY, now, onboarding / DAY, "days"),),
    )
