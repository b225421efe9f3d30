"""A drop's severity over time, and what the ledger says about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.time import DAY
from streams.simulation.drops import Drop, plan


def drop(**fields: object) -> Drop:
    defaults = {
        "number": 0,
        "account_id": "a",
        "kind": "relative",
        "dimension": "success",
        "subject": "active_users",
        "start": 10 * DAY,
        "ramp": 2 * DAY,
        "depth": 0.5,
        "heals_in": 4 * DAY,
        "responder": "well",
        "relapse_after": None,
        "alone_after": None,
    }
    return Drop(**{**defaults, **fields})  # type: ignore[arg-type]


def test_severity_rises_over_the_ramp_and_stays() -> None:
    it = drop()
    assert [it.severity(day * DAY) for day in (9, 10, 11, 12, 50)] == [0, 0, 0.5, 1, 1]


def test_healing_brings_it_down_from_where_it_is() -> None:
    it = drop()
    assert it.heal(11 * DAY)
    assert [it.severity(day * DAY) for day in (11, 13, 15, 50)] == [0.5, 0.25, 0, 0]
    assert it.recovered_at(50 * DAY) == 15 * DAY


def test_healing_twice_changes_nothing() -> None:
    it = drop()
    it.heal(14 * DAY)
    before = (it.curve, it.recoveries[:])
    assert not it.heal(15 * DAY)
    assert not it.heal(30 * DAY)
    assert (it.curve, it.recoveries) == before


def test_nothing_heals_before_it_begins() -> None:
    assert not drop().heal(5 * DAY)


def test_recovery_lies_in_the_future_until_it_is_there() -> None:
    it = drop()
    it.heal(12 * DAY)
    assert it.recovered_at(15 * DAY) is None
    assert it.recovered_at(16 * DAY) == 16 * DAY


def test_a_relapse_comes_back_once_and_heals_for_good() -> None:
    it = drop(relapse_after=5 * DAY)
    it.heal(12 * DAY)
    assert it.recovered_at(20 * DAY) == 16 * DAY
    assert it.relapsed_at == 21 * DAY
    assert it.severity(23 * DAY) == 1
    assert it.recovered_at(30 * DAY) is None
    assert it.heal(25 * DAY)
    assert it.severity(60 * DAY) == 0
    assert it.recovered_at(60 * DAY) == 29 * DAY


@given(st.integers(0, 60), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_severity_is_a_share_whatever_is_done(at: int, healed: list[int], relapses: bool) -> None:  # noqa: FBT001
    it = drop(relapse_after=3 * DAY if relapses else None)
    for day in sorted(healed):
        it.heal(day * DAY)
    assert 0 <= it.severity(at * DAY) <= 1


def test_a_plan_strikes_each_account_at_most_once() -> None:
    old, new = [f"o{n}" for n in range(80)], [f"n{n}" for n in range(8)]
    drops = plan(3, old, new, 0, 56 * DAY)
    accounts = [it.account_id for it in drops]
    assert len(accounts) == len(set(accounts))
    assert {it.account_id[0] for it in drops if it.kind == "silent_start"} == {"n"}


@pytest.mark.parametrize("accounts", [1, 3, 9])
def test_a_plan_for_few_accounts_takes_what_there_is(accounts: int) -> None:
    drops = plan(3, [f"o{n}" for n in range(accounts)], ["n"], 0, 56 * DAY)
    assert len(drops) <= accounts + 1
