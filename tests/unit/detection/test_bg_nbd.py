"""The BG/NBD model: its formulas, its fit, and what it says in the place of the learnt curve."""

from __future__ import annotations

import csv
import gzip
import random
from math import log
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detection import bg_nbd, dormancy
from streams.detection.bg_nbd import Activity, Parameters
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.signal import Rhythm
from streams.domain.time import DAY, HOUR, WEEK, parse_time
from streams.health import rhythm
from streams.policy.load import default_policy, load_policy
from tests.support.data import data_directory
from tests.support.history import MONDAY

ONES = Parameters(1.0, 1.0, 1.0, 1.0)
PUBLISHED = Parameters(0.243, 4.414, 0.793, 2.426)
"""Table 2 of the paper, of the CDNOW cohort."""
POLICY = load_policy(
    "extends: default\ndetection: {dormancy: {model: bg_nbd, bg_nbd: {r: 0.243, alpha: 4.414, a: 0.793, b: 2.426}}}\n",
    "mine.yaml",
)
sizes = st.floats(1e-3, 1e3)
several = st.builds(Parameters, sizes, sizes, sizes, sizes)


def test_the_likelihood_is_that_of_the_paper() -> None:
    """By hand, for r = alpha = a = b = 1: 2 ((1/3) 4^-3 + (1/6) 2^-3) = 5/96, and 1/4 for an account seen once."""
    assert bg_nbd.log_likelihood(Activity(2, 1.0, 3.0), ONES) == pytest.approx(log(5 / 96))
    assert bg_nbd.log_likelihood(Activity(0, 0.0, 3.0), ONES) == pytest.approx(log(1 / 4))


def test_the_probabilities_are_those_of_the_paper() -> None:
    """By hand: alive 1/5 (a share of the likelihood above), gone for four weeks 1 - (1/5) (1 - (4/8)^3)."""
    known = Activity(2, 1.0, 3.0)
    assert bg_nbd.probability_alive(known, ONES) == pytest.approx(1 / 5)
    assert bg_nbd.probability_gone(known, ONES, 4.0) == pytest.approx(33 / 40)


def test_an_account_that_was_seen_once_counts_as_alive() -> None:
    """However long ago: in this model accounts leave only after they came back."""
    assert bg_nbd.probability_alive(Activity(0, 0.0, 500.0), PUBLISHED) == 1.0
    assert 0.5 < bg_nbd.probability_gone(Activity(0, 0.0, 500.0), PUBLISHED, 39.0) < 1.0


@given(several, st.integers(0, 500), st.floats(0, 500), st.floats(0, 500), st.floats(0, 200), sizes)
def test_it_is_a_probability_that_rises_with_silence(
    parameters: Parameters, x: int, t_x: float, silence: float, longer: float, horizon: float
) -> None:
    """Whatever the parameters, for accounts that came once or often."""
    t_x = t_x if x else 0.0
    sooner = bg_nbd.probability_gone(Activity(x, t_x, t_x + silence), parameters, horizon)
    later = bg_nbd.probability_gone(Activity(x, t_x, t_x + silence + longer), parameters, horizon)
    assert 0.0 <= sooner <= later + 1e-9 <= 1.0 + 1e-9


def drawn(number: int, parameters: Parameters, weeks: float, horizon: float) -> list[tuple[Activity, bool]]:
    """Accounts as the model has them, seen after `weeks`, and whether each was silent for `horizon` then."""
    rng = random.Random(7)
    found = []
    for _ in range(number):
        rate, p = rng.gammavariate(parameters.r, 1 / parameters.alpha), rng.betavariate(parameters.a, parameters.b)
        x, t_x, at, silent = 0, 0.0, 0.0, True
        while True:
            at += rng.expovariate(rate) if rate > 0 else 1e9
            if at > weeks:
                silent = at > weeks + horizon
                break
            x, t_x = x + 1, at
            if rng.random() < p:
                break
        found.append((Activity(x, t_x, weeks), silent))
    return found


def test_of_accounts_that_are_as_the_model_has_them_it_knows_how_many_are_gone() -> None:
    """In each fifth by probability, and for short and long horizons."""
    parameters = Parameters(0.7, 3.0, 0.8, 2.5)
    for horizon in (4.0, 39.0):
        accounts = drawn(20_000, parameters, 40.0, horizon)
        pairs = [(bg_nbd.probability_gone(known, parameters, horizon), gone) for known, gone in accounts]
        pairs.sort(key=itemgetter(0))
        for part in (pairs[i : i + 4_000] for i in range(0, 20_000, 4_000)):
            assert abs(sum(p for p, _ in part) - sum(gone for _, gone in part)) / 4_000 < 0.025


def test_the_fit_finds_the_parameters_behind_a_cohort() -> None:
    """Nearly: what is asked of it, who is gone, it then knows as well as with the true ones."""
    parameters = Parameters(0.7, 3.0, 0.8, 2.5)
    accounts = [known for known, _ in drawn(2_000, parameters, 40.0, 10.0)]
    made = bg_nbd.fit(accounts)
    assert made.clear
    assert made.log_likelihood >= sum(bg_nbd.log_likelihood(known, parameters) for known in accounts)
    assert made.parameters.r / made.parameters.alpha == pytest.approx(0.7 / 3.0, rel=0.15)
    for known in accounts[:200]:
        mine, true = (bg_nbd.probability_gone(known, one, 39.0) for one in (made.parameters, parameters))
        assert mine == pytest.approx(true, abs=0.05)


def test_the_fit_is_a_maximum() -> None:
    """No small step of a parameter is better, and the value is the sum over the accounts."""
    accounts = [known for known, _ in drawn(300, Parameters(0.7, 3.0, 0.8, 2.5), 40.0, 10.0)]
    made = bg_nbd.fit(accounts)

    def total(parameters: Parameters) -> float:
        return sum(bg_nbd.log_likelihood(known, parameters) for known in accounts)

    assert total(made.parameters) == pytest.approx(made.log_likelihood)
    for i in range(4):
        for factor in (0.99, 1.01):
            moved = Parameters(*(value * (factor if i == j else 1.0) for j, value in enumerate(made.parameters)))
            assert total(moved) < made.log_likelihood


@pytest.mark.parametrize("accounts", [[], [Activity(0, 0.0, 30.0), Activity(0, 0.0, 12.0)]])
def test_nothing_is_fitted_to_nothing(accounts: list[Activity]) -> None:
    """Accounts that never came back say nothing about leaving."""
    with pytest.raises(ValueError, match=r"came back|was ever active"):
        bg_nbd.fit(accounts)


def test_a_history_without_a_maximum_ends_and_says_so() -> None:
    """All alike, none silent: leaving is as unlikely as can be."""
    made = bg_nbd.fit([Activity(20, 40.0, 40.0)] * 50)
    assert not made.clear
    assert bg_nbd.probability_gone(Activity(20, 40.0, 40.0), made.parameters, 39.0) < 0.01


def cdnow(name: str) -> list[dict[str, str]]:
    """A file of the public cohort."""
    base = data_directory()
    if base is None or not (base / "cdnow").is_dir():
        pytest.skip("the public CDNOW data are not here")
    with gzip.open(base / "cdnow" / f"{name}.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def buyers() -> dict[str, Rhythm]:
    """What the product keeps of each buyer of the cohort after nine months."""
    policy, pulses, partition = default_policy(), dict[str, Rhythm](), PartitionState(0)
    for row in cdnow("usage"):
        rhythm.active(pulses.setdefault(row["account_id"], Rhythm()), partition, parse_time(row["time"]), policy)
    return pulses


def test_the_published_fit_of_the_cdnow_cohort_is_found_again() -> None:
    """From the first purchase until 30 September 1997, days with a purchase counted; each parameter within 1 %."""
    pulses = buyers()
    made = bg_nbd.fit(dormancy.activity(pulse, parse_time("1997-09-30")) for pulse in pulses.values())
    assert made.parameters == pytest.approx(PUBLISHED, rel=0.01)
    assert made.log_likelihood == pytest.approx(-9582.4, abs=0.1)
    assert made.clear


def test_the_cdnow_cohort_is_told_apart() -> None:
    """By the published parameters: who bought in the 39 weeks after, as `docs/dormancy.md` says."""
    pulses, labels = buyers(), cdnow("labels")
    until = parse_time(labels[0]["until"])
    pairs = [
        (
            bg_nbd.probability_gone(dormancy.activity(pulses[row["account_id"]], until), PUBLISHED, 39.0),
            row["purchase_days_next_39_weeks"] == "0",
        )
        for row in labels
    ]
    assert sum((p - gone) ** 2 for p, gone in pairs) / len(pairs) == pytest.approx(0.161, abs=0.001)
    assert sum((p > 0.5) == gone for p, gone in pairs) / len(pairs) == pytest.approx(0.778, abs=0.001)


def account(*ats: int) -> AccountState:
    """An account with activity at these times."""
    made = AccountState("a")
    for at in ats:
        rhythm.active(made.signals.rhythm, PartitionState(0), at, POLICY)
    return made


def test_the_policy_chooses_the_model() -> None:
    """The same account, with the same past, by either."""
    seen = account(MONDAY, MONDAY + 3 * WEEK, MONDAY + 10 * WEEK)
    now = MONDAY + 20 * WEEK
    mine = dormancy.probability_gone(seen, PartitionState(0), now, POLICY)
    assert mine == bg_nbd.probability_gone(Activity(2, 10.0, 20.0), PUBLISHED, 39.0)
    assert mine != dormancy.probability_gone(seen, PartitionState(0), now, default_policy())


def test_activity_within_a_session_is_no_repeat() -> None:
    """Two events in an hour are one session, a third on the next day is the first repeat."""
    seen = account(MONDAY, MONDAY + HOUR, MONDAY + DAY)
    assert dormancy.activity(seen.signals.rhythm, MONDAY + WEEK) == pytest.approx(Activity(1, 1 / 7, 1.0))
    once = account(MONDAY, MONDAY + HOUR)
    assert dormancy.activity(once.signals.rhythm, MONDAY + WEEK) == Activity(0, 0.0, 1.0)


def test_an_account_that_was_never_active_is_not_gone() -> None:
    """It has not come yet."""
    assert dormancy.probability_gone(AccountState("a"), PartitionState(0), MONDAY, POLICY) == 0.0
