"""The aggregate: everything known about one account, and nothing else.

These classes are also the schema of the stored state (`shell/state_codec.py` derives Avro from them), so a new
field needs a default: that is what an older record reads as.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.episode import Episode, Guard
from streams.domain.health import HealthState
from streams.domain.outputs import OutboxRecord
from streams.domain.signal import Signals


@dataclass(slots=True)
class Profile:
    """What account events said. Empty or None: not known."""

    known: bool = False
    segment: str = ""
    stage: str = ""
    tier: str = ""
    value: float | None = None
    renewal_at: int | None = None
    owner: str = ""
    time_zone: str = ""
    channel_preference: str = ""
    goals: list[str] = field(default_factory=list)
    churned_at: int | None = None


@dataclass(slots=True)
class AccountState:
    """One account. Changed in place, by the fold only."""

    account_id: str
    first_seen_at: int = 0
    changed_at: int = 0
    """Stream time of the last change, ms. After a crash an account may be ahead of its partition by this."""
    applied: dict[str, int] = field(default_factory=dict)
    """Last applied offset by topic: an event at or below it is a no-op."""
    recent_events: list[int] = field(default_factory=list)
    """Hashes of the newest event ids, oldest first, for duplicates."""
    timers: dict[str, int] = field(default_factory=dict)
    """Due time in ms by timer name; at most one timer a name."""
    profile: Profile = field(default_factory=Profile)
    signals: Signals = field(default_factory=Signals)
    health: HealthState = field(default_factory=HealthState)
    episodes: dict[str, Episode] = field(default_factory=dict)
    """Open episodes, and ended ones while they can still relapse, by intervention id."""
    guard: Guard = field(default_factory=Guard)
    outbox: list[OutboxRecord] = field(default_factory=list)
    """Outputs that are decided and not yet known to be on their topics."""

    def schedule(self, timer: str, due: int | None, now: int) -> None:
        """Sets or clears a timer. Never in the past: a timer set at stream time `now` fires after it, in every run."""
        if due is None:
            self.timers.pop(timer, None)
        else:
            self.timers[timer] = max(due, now + 1)
