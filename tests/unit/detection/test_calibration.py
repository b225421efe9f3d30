"""From the permitted rate of false alarms to the evidence that raises a drop."""

from math import log

import pytest

from streams.detection.calibration import evidence_limit, limit_for, strictness
from streams.domain.time import DAY, HOUR, WEEK
from streams.policy.load import default_policy
from streams.policy.signals import DetectionPolicy, MetricPolicy
from tests.bench.detection.calibrate import DISTRIBUTIONS, metric_of, rate

WEEKLY = metric_of("week", None)


def allowed(rate: float) -> DetectionPolicy:
    """The default rules with another permitted rate."""
    return DetectionPolicy(max_false_alarms_per_account_year=rate)


def test_evidence_that_the_policy_names_is_taken_as_it_is() -> None:
    """Whatever the rate, however many metrics."""
    assert evidence_limit(MetricPolicy(evidence=17.0), allowed(5.0), 9) == 17.0


def test_weekly_spend_at_the_default_rate_asks_for_about_twelve() -> None:
    """The figure at which weekly spend was found to be judged best."""
    assert evidence_limit(WEEKLY, DetectionPolicy()) == pytest.approx(12.0, abs=0.5)


def test_a_lower_rate_asks_for_more_evidence() -> None:
    """Strictly, over the whole range that is used."""
    limits = [limit_for(rate, WEEK) for rate in (2.0, 1.0, 0.5, 0.2, 0.1, 0.02)]
    assert limits == sorted(set(limits))


def test_metrics_of_an_account_share_its_budget() -> None:
    """Eight metrics at the rate of one each are one metric at an eighth of the rate."""
    assert limit_for(0.8, DAY, 8) == limit_for(0.1, DAY)
    assert limit_for(0.2, DAY, 8) > limit_for(0.2, DAY)


def test_periods_that_are_judged_more_often_ask_for_more_evidence() -> None:
    """Each look is a chance to be wrong."""
    assert limit_for(0.2, HOUR) > limit_for(0.2, DAY) > limit_for(0.2, WEEK) > limit_for(0.2, 4 * WEEK)


def test_some_evidence_is_always_asked_for() -> None:
    """Also of who would take an alarm a week."""
    assert limit_for(52.0, WEEK) == 4.0


@pytest.mark.parametrize(("period", "accounts"), [("week", 120), ("day", 24)])
@pytest.mark.parametrize("permitted", [0.2, 0.6])
def test_chance_raises_no_more_than_is_permitted(period: str, accounts: int, permitted: float) -> None:
    """Independent noise of nine distributions, two years each: on average well below, none far above."""
    policy = default_policy()
    policy = policy.model_copy(update={"detection": allowed(permitted)})
    rates = {name: rate(name, metric_of(period, None), policy, accounts, seed=17) for name in DISTRIBUTIONS}
    mean = sum(rates.values()) / len(rates)
    assert permitted / 10 < mean < permitted
    # 48 to 240 account-years a distribution: three standard errors of a Poisson count.
    years = accounts * 2 * (0.9 if period == "week" else 1)
    assert max(rates.values()) < permitted + 3 * (permitted / years) ** 0.5


def test_the_metrics_of_an_account_together_keep_the_promise() -> None:
    """Four metrics, each judged at a quarter of the rate."""
    policy = default_policy().model_copy(update={"detection": allowed(0.6)})
    alone = [rate(name, WEEKLY, policy, 100, seed=5, signals=4) for name in ("exponential", "log-normal")]
    assert all(4 * figure < 0.6 for figure in alone)


def test_strictness_is_nought_for_one_metric_at_the_reference_rate() -> None:
    """More metrics, or fewer permitted alarms, ask for more evidence: a nat for each factor of e."""
    assert strictness(0.2) == 0.0
    assert strictness(0.2, 5) == pytest.approx(log(5))
    assert strictness(2.0) == pytest.approx(-log(10))
