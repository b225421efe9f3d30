"""What account events do to the profile."""

from __future__ import annotations

from streams.domain.account import Profile
from streams.domain.events import AccountEvent

_STATED = ("segment", "stage", "tier", "value", "renewal_at", "owner", "time_zone", "channel_preference")


def apply(profile: Profile, event: AccountEvent, now: int) -> None:
    """Takes over what the event states; null leaves a field as it was."""
    profile.known = True
    for name in _STATED:
        value = event[name]  # type: ignore[literal-required]  # the names above are fields of both
        if value is not None:
            setattr(profile, name, value)
    if event["goals"]:
        profile.goals = list(event["goals"])
    if event["change"] == "churned":
        profile.churned_at = now
    elif event["change"] in {"created", "renewed"}:
        profile.churned_at = None
