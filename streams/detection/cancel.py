"""Intent to cancel, as the customer stated it: no inference, and always the first to be looked at."""

from __future__ import annotations

from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.domain.time import DAY

_KEY = "cancel_intent"


def finding(account: AccountState, now: int) -> Finding | None:
    """The intent that stands, reported once until it is withdrawn or stated anew."""
    signals = account.signals
    at = signals.cancel_at
    if at is None:
        signals.reported.pop(_KEY, None)
        return None
    if signals.reported.get(_KEY) == at:
        return None
    signals.reported[_KEY] = at
    renewal = account.profile.renewal_at
    left = (renewal - now) / DAY if renewal is not None else None
    text = "The customer said that it intends to cancel"
    text += f"; renewal is in {left:.0f} days" if left is not None and left > 0 else ""
    evidence = (
        (Evidence("days_to_renewal", left, now, None, "days", signals.commercial_event),) if left is not None else ()
    )
    return Finding("cancel_intent", "sales", "", 1.0, 1.0, at, now, text, evidence)
