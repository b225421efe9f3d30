"""Average run lengths of the charts, measured on independent normal noise, against the published ones.

Published (Montgomery, Introduction to Statistical Quality Control, tables 9.3 and 9.10; two-sided charts): CUSUM with
k 1/2: h 4 168 and 8.38, h 5 465 and 10.4; EWMA with lambda .1 and L 2.814: 500 and 10.3. The second figure of each is
for a shift of one standard deviation.
"""

import random
from collections.abc import Callable
from math import sqrt

import pytest

from streams.detection.series.charts import cusum_limit, cusum_run_length, cusum_step, ewma_step

RUNS = 4_500  # run lengths in control are exponential: 5 % is then 3.3 standard errors
SHIFTED_RUNS = 1_500

Run = Callable[[Callable[[float, float], float], float], int]


def cusum_run(limit: float, slack: float) -> Run:
    """Rows to the first alarm of a two-sided CUSUM on noise around a mean."""

    def run(gauss: Callable[[float, float], float], mean: float) -> int:
        above = below = 0.0
        rows = 0
        while above <= limit and below <= limit:
            z = gauss(mean, 1.0)
            above, below = cusum_step(above, z, slack), cusum_step(below, -z, slack)
            rows += 1
        return rows

    return run


def ewma_run(gain: float, width: float) -> Run:
    """Rows to the first alarm of a two-sided EWMA with steady limits."""
    limit = width * sqrt(gain / (2.0 - gain))

    def run(gauss: Callable[[float, float], float], mean: float) -> int:
        level, rows = 0.0, 0
        while -limit <= level <= limit:
            level = ewma_step(level, gauss(mean, 1.0), gain)
            rows += 1
        return rows

    return run


def mean_run_length(run: Run, shift: float) -> float:
    gauss = random.Random(20).gauss
    runs = SHIFTED_RUNS if shift else RUNS
    return sum(run(gauss, shift) for _ in range(runs)) / runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "shift", "published"),
    [
        (cusum_run(4.0, 0.5), 0.0, 168.0),
        (cusum_run(5.0, 0.5), 0.0, 465.0),
        (cusum_run(4.0, 0.5), 1.0, 8.38),
        (cusum_run(5.0, 0.5), 1.0, 10.4),
        (ewma_run(0.1, 2.814), 0.0, 500.0),
        (ewma_run(0.1, 2.814), 1.0, 10.3),
    ],
    ids=["CUSUM 4", "CUSUM 5", "CUSUM 4 shifted", "CUSUM 5 shifted", "EWMA", "EWMA shifted"],
)
def test_the_average_run_length_is_the_published_one(run: Run, shift: float, published: float) -> None:
    """Within 5 %."""
    assert mean_run_length(run, shift) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize(("limit", "published"), [(4.0, 168.0), (5.0, 465.0)])
def test_siegmunds_approximation_gives_the_published_run_length_in_control(limit: float, published: float) -> None:
    """Two sides alarm twice as often as one."""
    assert cusum_run_length(limit, 0.5) / 2.0 == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize(("limit", "published"), [(4.0, 8.38), (5.0, 10.4)])
def test_siegmunds_approximation_gives_the_published_delay(limit: float, published: float) -> None:
    """For a shift of one standard deviation, where the other side does not matter."""
    assert cusum_run_length(limit, 0.5, 1.0) == pytest.approx(published, rel=0.05)


def test_siegmunds_approximation_has_its_limit_where_the_shift_is_the_slack() -> None:
    """No drift at all: (h + 1.166)^2."""
    near = cusum_run_length(4.0, 0.5, 0.5 + 1e-3)
    assert cusum_run_length(4.0, 0.5, 0.5) == pytest.approx(5.166**2)
    assert near == pytest.approx(5.166**2, rel=0.01)


@pytest.mark.parametrize("rate", [0.2, 2.0, 52.0])
@pytest.mark.parametrize("rows", [1_461.0, 8_766.0, 105_192.0, 525_960.0])
@pytest.mark.parametrize("slack", [0.5, 1.0])
def test_the_limit_keeps_the_promised_rate(rate: float, rows: float, slack: float) -> None:
    """Run length and limit are inverse to each other."""
    limit = cusum_limit(rate, rows, slack, 2)
    assert 2.0 * rows / cusum_run_length(limit, slack) == pytest.approx(rate, rel=1e-6)


def test_the_limit_rises_with_the_rows_and_falls_with_the_permitted_alarms() -> None:
    """More chances for an alarm, or fewer alarms, ask for more evidence."""
    base = cusum_limit(0.2, 100_000.0, 1.0, 2)
    assert cusum_limit(0.2, 200_000.0, 1.0, 2) > base > cusum_limit(0.4, 100_000.0, 1.0, 2)
    assert base > cusum_limit(0.2, 100_000.0, 1.0, 1)


def test_the_limit_is_never_below_zero() -> None:
    """When an alarm may come at each row."""
    assert cusum_limit(1_000.0, 10.0, 1.0, 2) == 0.0


def test_the_default_policy_at_five_minutes_asks_for_about_six() -> None:
    """The figure that the documentation names."""
    assert cusum_limit(0.2, 105_192.0, 1.0, 2) == pytest.approx(6.1, abs=0.05)
