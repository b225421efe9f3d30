"""How likely an account is gone, from its silence alone."""

from __future__ import annotations

from streams.domain.account import AccountState
from streams.domain.time import WEEK

HALF_LIFE = 26 * WEEK
"""Silence after which an account is as likely gone as not: half a year, the usual hiatus rule for repeat buyers
(Wuebben and von Wangenheim, Instant Customer Base Analysis, 2008)."""


def probability_gone(account: AccountState, now: int) -> float:
    """The odds g / (g + half a year) for a silence of g, in [0, 1); 0 for an account that was never active."""
    last = account.signals.rhythm.last_at
    silence = max(0, now - last) if last else 0
    return silence / (silence + HALF_LIFE)
