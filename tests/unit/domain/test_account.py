"""What the account itself sees to: its timers, and what account events say of it."""

from typing import Any

import pytest

from streams.domain import profile
from streams.domain.account import AccountState, Profile

NOW = 1_700_000_000_000
STATED: dict[str, Any] = {
    "segment": "mid",
    "stage": "adoption",
    "tier": "gold",
    "value": 1e4,
    "renewal_at": NOW + 1,
    "owner": "kim",
    "time_zone": "Europe/Berlin",
    "channel_preference": "email",
}


def _event(change: str, **stated: Any) -> Any:
    return {**dict.fromkeys(STATED), "goals": [], "change": change, **stated}


@pytest.mark.parametrize("due", [0, NOW - 1, NOW])
def test_timer_is_never_due_at_once(due: int) -> None:
    """Else it would fire before the next record in one run and after it in another, or for ever."""
    account = AccountState("a")
    account.schedule("guard", due, NOW)
    assert account.timers == {"guard": NOW + 1}


def test_timer_is_replaced_and_cleared() -> None:
    """One of a name; the others stand."""
    account = AccountState("a", timers={"signals": NOW + 3})
    account.schedule("guard", NOW + 9, NOW)
    account.schedule("guard", NOW + 5, NOW)
    assert account.timers == {"signals": NOW + 3, "guard": NOW + 5}
    account.schedule("guard", None, NOW)
    account.schedule("guard", None, NOW)
    assert account.timers == {"signals": NOW + 3}


def test_profile_takes_over_what_is_stated() -> None:
    known = Profile()
    profile.apply(known, _event("created", **STATED, goals=["launch"]), NOW)
    assert {name: getattr(known, name) for name in STATED} == STATED
    assert known.goals == ["launch"]
    assert known.known


def test_what_an_event_does_not_state_stays() -> None:
    """Null leaves a field as it was, no goals leave the goals."""
    known = Profile(**STATED, goals=["launch"])
    profile.apply(known, _event("changed", owner="sam"), NOW)
    assert {name: getattr(known, name) for name in STATED} == {**STATED, "owner": "sam"}
    assert known.goals == ["launch"]


@pytest.mark.parametrize(
    ("change", "since"), [("created", None), ("renewed", None), ("expanded", NOW), ("changed", NOW)]
)
def test_account_that_left_comes_back_by_a_contract_only(change: str, since: int | None) -> None:
    known = Profile()
    profile.apply(known, _event("churned"), NOW)
    assert known.churned_at == NOW
    profile.apply(known, _event(change), NOW + 5)
    assert known.churned_at == since
