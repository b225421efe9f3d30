"""Episodes of regular series: found, dated, closed, taken over; and no alarm where there is nothing."""

import math
import random
from collections.abc import Iterable

import pytest

from streams.detection.series import deviation
from streams.detection.series.change import Change
from streams.detection.series.charts import cusum_limit
from streams.domain.deviation import Deviation
from streams.policy.signals import SeriesPolicy
from streams.shell.state_codec import StateCodec

STEP = 300_000
START = 1_577_836_800_000
YEAR = 365.25 * 86_400_000
RULES = SeriesPolicy()
LIMIT = cusum_limit(0.2, YEAR / STEP, RULES.cusum_k, 2)


def noise(rows: int, seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return [draw.gauss(0, 1) for _ in range(rows)]


def with_step(values: list[float], first: int, last: int, size: float) -> list[float]:
    """The values with `size` added from row `first` to row `last`."""
    return [value + (size if first <= row <= last else 0.0) for row, value in enumerate(values)]


def play(values: Iterable[float], state: Deviation | None = None, limit: float = LIMIT) -> list[Change]:
    """What the layer says of a series without gaps."""
    state = Deviation() if state is None else state
    said = [deviation.step(state, y, START + row * STEP, STEP, limit, RULES) for row, y in enumerate(values)]
    return [change for change in said if change is not None]


def row(change: Change) -> int:
    return (change.at - START) // STEP


@pytest.mark.parametrize("size", [-4.0, 4.0])
def test_a_deviation_is_found_closed_and_dated_back(size: float) -> None:
    """Onset and recovery are the first rows of the change and of the return."""
    opened, closed = play(with_step(noise(1_000), 600, 680, size))
    assert (opened.what, closed.what) == ("opened", "recovered")
    assert opened.direction == closed.direction == math.copysign(1, size)
    assert abs(row(opened) - 600) <= 1
    assert abs(row(closed) - 681) <= 1
    assert opened.present - opened.expected == pytest.approx(size, abs=1.5)
    assert closed.present == pytest.approx(closed.expected, abs=3.0)


def test_a_lasting_shift_ends_as_the_new_normal_and_is_learnt() -> None:
    """It is never called recovered, and the level after it is expected."""
    state = Deviation()
    said = play(with_step(noise(2_000), 800, 2_000, -5.0), state)
    assert [change.what for change in said] == ["opened", "new_normal"]
    assert deviation.expected(state, START + 2_000 * STEP) == pytest.approx(-5.0, abs=0.5)
    assert deviation.offset(state) == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_a_lasting_shift_is_never_called_recovered(seed: int) -> None:
    """Whatever the noise."""
    said = play(with_step(noise(1_500, seed), 700, 1_500, 3.0))
    assert "recovered" not in {change.what for change in said if row(change) >= 700}


def test_a_return_soon_after_the_new_normal_is_no_news() -> None:
    """What seemed to last was a long episode."""
    said = play(with_step(noise(2_000), 800, 1_150, -5.0))
    assert [change.what for change in said] == ["opened", "new_normal"]


def test_the_present_offset_is_known_while_an_episode_lasts() -> None:
    """Mean deviation from what is expected."""
    state = Deviation()
    play(with_step(noise(700), 600, 700, -6.0), state)
    assert deviation.offset(state) == pytest.approx(-6.0, abs=0.7)
    assert deviation.expected(state, START + 700 * STEP) == pytest.approx(0.0, abs=0.5)
    assert deviation.noise(state) == pytest.approx(1.0, abs=0.2)


def test_a_dip_on_a_daily_season_is_measured_against_the_season() -> None:
    """Season and trend are carried on below it, so its end is seen at once."""
    day = [6.0 * math.sin(math.tau * row / 288) + 0.002 * row for row in range(5_000)]
    values = [a + b for a, b in zip(day, noise(5_000), strict=True)]
    said = [change for change in play(with_step(values, 4_000, 4_150, -4.0)) if row(change) > 2_000]
    assert [change.what for change in said] == ["opened", "recovered"]
    assert abs(row(said[0]) - 4_000) <= 2
    assert abs(row(said[1]) - 4_151) <= 2


@pytest.mark.parametrize("slope", [0.01, -0.02])
def test_a_trend_is_no_deviation(slope: float) -> None:
    """After the first rows."""
    said = play(y + slope * row for row, y in enumerate(noise(3_000)))
    assert [change for change in said if row(change) > 200] == []


def test_a_constant_series_says_nothing() -> None:
    """There is no noise to measure by."""
    state = Deviation()
    assert play([0.0] * 500, state) == []
    assert deviation.noise(state) == 0.0


def test_a_step_of_a_constant_series_is_found_and_closed() -> None:
    """Within a few rows, with no noise at all."""
    opened, closed = play(with_step([0.0] * 500, 300, 330, -1e-3))
    assert (opened.what, row(opened)) == ("opened", 300)
    assert (closed.what, row(closed)) == ("recovered", 331)


def test_a_single_outlier_raises_nothing() -> None:
    """However large."""
    values = noise(1_000)
    values[500] = 1e9
    assert play(values) == []


def test_an_outlier_does_not_hide_a_dip_that_follows() -> None:
    """Errors and levels are clipped when they are learnt."""
    values = with_step(noise(1_000), 600, 700, -4.0)
    values[500] = 1e9
    assert [change.what for change in play(values)] == ["opened", "recovered"]


def test_nothing_is_judged_in_the_first_rows() -> None:
    """The level is not known yet."""
    assert play([0.0, 5.0, -5.0, 9.0, 1.0, 0.0, -8.0, 3.0, 2.0, -1.0, 7.0, -4.0]) == []


@pytest.mark.parametrize("gap", [2, 40, 90, 300, 5_000])
@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_a_gap_is_no_deviation(gap: int, slope: float) -> None:
    """The season goes by the clock, the trend is carried on, and after a long gap the level is learnt anew."""
    state, said = Deviation(), []
    for number, z in enumerate(noise(6_000)):
        at = number if number < 4_000 else number + gap
        y = z + 5.0 * math.sin(math.tau * at / 288) + slope * at
        change = deviation.step(state, y, START + at * STEP, STEP, LIMIT, RULES)
        if change is not None and number > 2_500:
            said.append((number, change.what))
    assert said == []


def test_many_small_gaps_do_not_hide_the_season() -> None:
    """A tenth of the rows never comes."""
    draw, state, said = random.Random(3), Deviation(), []
    for at in range(6_000):
        y = 5.0 * math.sin(math.tau * at / 200) + draw.gauss(0, 1) - (4.0 if 5_000 <= at < 5_100 else 0.0)
        if draw.random() < 0.1:
            continue
        change = deviation.step(state, y, START + at * STEP, STEP, LIMIT, RULES)
        if change is not None and at > 3_000:
            said.append(change)
    assert [change.what for change in said] == ["opened", "recovered"]
    assert abs(row(said[0]) - 5_000) <= 3
    assert abs(row(said[1]) - 5_100) <= 3


@pytest.mark.parametrize("rate", [2.0, 52.0])
def test_noise_stays_at_the_promised_rate(rate: float) -> None:
    """Independent noise: no more alarms than the limit for the rate promises, within three standard deviations."""
    years = 4.0 if rate < 10 else 1.0
    limit = cusum_limit(rate, YEAR / STEP, RULES.cusum_k, 2)
    draw, state = random.Random(5), Deviation()
    alarms = 0
    for at in range(int(years * YEAR / STEP)):
        change = deviation.step(state, draw.gauss(0, 1), START + at * STEP, STEP, limit, RULES)
        alarms += change is not None and change.what == "opened"
    promised = rate * years
    assert alarms <= promised + 3.0 * math.sqrt(promised)


def test_correlated_noise_raises_little_more() -> None:
    """AR(1) with .5: the correction keeps the rate near the promise, which it would exceed many times."""
    limit = cusum_limit(52.0, YEAR / STEP, RULES.cusum_k, 2)
    draw, state, y, alarms = random.Random(7), Deviation(), 0.0, 0
    for at in range(100_000):
        y = 0.5 * y + draw.gauss(0, 1)
        change = deviation.step(state, y, START + at * STEP, STEP, limit, RULES)
        alarms += change is not None and change.what == "opened"
    assert alarms <= 2 * 52


def test_the_stored_state_is_small() -> None:
    """Bytes in the changelog, with a season that was found."""
    state = Deviation()
    play([5.0 * math.sin(math.tau * row / 200) + y for row, y in enumerate(noise(5_000))], state)
    assert len(StateCodec(Deviation, "deviation").encode(state)) <= 640
