"""One event or timer of one account: what is known already, and in what order the parts see the rest."""

from __future__ import annotations

from typing import Any

import pytest

from streams import fold, topics
from streams.domain.account import AccountState
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.time import HOUR
from streams.health import observe
from streams.policy.load import default_policy
from tests.support.desk import Desk, policy_with
from tests.support.shell import START

ORIGIN = Origin(topics.USAGE, 0, 7)


def _step(account: AccountState, event_id: str, topic: str = topics.USAGE, **fields: Any) -> str:
    base = {"event_id": event_id, "account_id": "a", "occurred_at": START, "source": "", "traceparent": None}
    event = {**base, "cohort": None, "metric": "logins", "value": 5.0, "unit": "", **fields}
    return fold.step(account, PartitionState(0, stream_time=START), topic, event, ORIGIN, SHORT, None).outcome


SHORT = policy_with("time:\n  duplicate_horizon: 3\n")


def test_repeated_event_is_known_over_the_horizon() -> None:
    """By its id, whatever it says; as many ids are known as the policy names, and no more."""
    account = AccountState("a")
    assert [_step(account, name) for name in ("e0", "e1", "e2")] == ["applied"] * 3
    assert _step(account, "e0", value=99.0) == "duplicate"
    assert account.signals.metrics["logins"].total == 15.0
    assert _step(account, "e3") == "applied"
    assert _step(account, "e1") == "duplicate"
    assert _step(account, "e0") == "applied", "three newer ones have pushed it out"
    assert len(account.recent_events) == 3


def test_ids_are_known_across_topics() -> None:
    """An id names one event, not one event a topic."""
    account = AccountState("a")
    assert _step(account, "e0") == "applied"
    assert _step(account, "e0", topics.SENTIMENT) == "duplicate"


def test_account_event_is_taken_into_the_profile_before_anything_is_decided_on_it() -> None:
    """The account leaves: its episode ends with that event, and says so."""
    desk = Desk()
    desk.open()
    unknown = dict.fromkeys(
        ("segment", "stage", "tier", "value", "renewal_at", "owner", "time_zone", "channel_preference", "cohort")
    )
    base = {"event_id": "a1", "account_id": "acme", "occurred_at": desk.now, "source": "", "traceparent": None}
    event = {**base, **unknown, "value": 1234.0, "goals": [], "change": "churned"}
    origin = Origin(topics.ACCOUNTS, 0, 99)
    made = fold.step(desk.account, desk.partition, topics.ACCOUNTS, event, origin, desk.policy, None)
    [outcome] = [output.record for output in made.outputs if output.topic == topics.OUTCOMES]
    assert (outcome["outcome"], outcome["reason"], outcome["value"]) == ("expired", "churned", 1234.0)
    assert outcome["origin"] == origin.record()
    assert desk.account.episodes == {}


def _fire(account: AccountState, due: int) -> fold.Step:
    return fold.fire(account, PartitionState(0, stream_time=due), due, ORIGIN, default_policy())


def test_timer_is_gone_when_it_fires_and_others_stand() -> None:
    """A handler sets it again when there is more to wait for."""
    account = AccountState("a", timers={"guard": START, "episodes": START + HOUR})
    _fire(account, START)
    assert account.timers == {"episodes": START + HOUR}


def test_timer_that_another_of_the_same_moment_has_moved_does_not_fire(monkeypatch: pytest.MonkeyPatch) -> None:
    """`guard` goes before `signals`, by name."""
    account = AccountState("a", timers={"guard": START, "signals": START})
    closed: list[int] = []
    monkeypatch.setattr(observe, "on_signals_timer", lambda *_: closed.append(START))
    real = fold.decide.on_guard_timer

    def moving(*context: Any) -> Any:
        account.schedule("signals", START + HOUR, START)
        return real(*context)

    monkeypatch.setattr(fold.decide, "on_guard_timer", moving)
    _fire(account, START)
    assert closed == []
    assert account.timers == {"signals": START + HOUR}
