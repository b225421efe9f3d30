"""The four expectations: which one is believed, and the search for a period."""

import math
import random
from collections.abc import Callable

import pytest

from streams.detection.series import deviation, expectation, period_search
from streams.domain.deviation import Bank, Deviation, PeriodSearch
from streams.domain.floats import Floats, floats
from streams.domain.time import DAY, HOUR, WEEK
from streams.policy.signals import SeriesPolicy

STEP = 300_000
START = 1_577_836_800_000
RULES = SeriesPolicy()


def learnt(shape: Callable[[int], float], rows: int = 6_000, step: int = STEP, sigma: float = 1.0) -> Deviation:
    """The state after so many rows of a shape and noise."""
    state, draw = Deviation(), random.Random(2)
    for row in range(rows):
        deviation.step(state, shape(row) + draw.gauss(0, sigma), START + row * step, step, 6.1, RULES)
    return state


def wave(period: float, amplitude: float = 5.0) -> Callable[[int], float]:
    return lambda row: amplitude * math.sin(math.tau * row / period) + math.cos(2 * math.tau * row / period)


def test_noise_is_best_expected_as_a_level() -> None:
    """The simplest one is believed when none is better."""
    assert learnt(lambda _: 0.0).bank.chosen == expectation.LEVEL


def test_a_steady_slope_is_expected_as_a_trend() -> None:
    """A level lags behind it."""
    state = learnt(lambda row: 0.02 * row)
    assert state.bank.chosen == expectation.TREND
    assert state.bank.trend_slope == pytest.approx(0.02, abs=0.005)


def test_a_random_walk_is_expected_as_a_local_line() -> None:
    """Only what is near says anything."""
    draw, path = random.Random(4), [0.0]
    for _ in range(6_000):
        path.append(path[-1] + draw.gauss(0, 1))
    assert learnt(path.__getitem__, sigma=0.3).bank.chosen == expectation.LOCAL


def test_a_daily_season_is_expected_without_being_searched_for() -> None:
    """Its shape is learnt: error and value are those of the noise and of the wave."""
    state = learnt(wave(288.0))
    assert state.bank.chosen == expectation.SEASON
    assert state.bank.period == DAY
    assert deviation.noise(state) == pytest.approx(1.0, abs=0.15)
    assert deviation.expected(state, START + 6_072 * STEP) == pytest.approx(wave(288.0)(6_072), abs=1.0)


@pytest.mark.parametrize("period", [60.0, 100.5, 144.0, 200.0, 333.0])
def test_a_season_that_is_not_a_day_is_found(period: float) -> None:
    """Within half a per cent, or as a multiple of it, and then it is believed."""
    state = learnt(wave(period))
    cycles = state.bank.period / STEP / period
    assert state.bank.chosen == expectation.SEASON
    assert cycles == pytest.approx(max(1, round(cycles)), rel=0.005)
    assert deviation.noise(state) == pytest.approx(1.0, abs=0.2)


def test_a_week_of_hours_is_found() -> None:
    """Steps of an hour: the day is assumed, the week is found."""
    state = learnt(wave(168.0), step=HOUR)
    assert state.bank.period == WEEK
    assert state.bank.chosen == expectation.SEASON


def test_slow_steps_begin_with_the_week() -> None:
    """Six hours: a day has only four rows."""
    assert learnt(wave(28.0), rows=10, step=6 * HOUR).bank.period == WEEK


def test_a_multiple_of_a_season_that_was_found_is_the_same_season() -> None:
    """Two periods in a row repeat as well as one."""
    bank = Bank()
    expectation.start(bank, STEP)
    expectation.use_period(bank, 1.5 * DAY, [0.0] * 64, 8 * STEP, 600 * STEP)
    expectation.use_period(bank, 3.0 * DAY, [0.0] * 64, 16 * STEP, 1_200 * STEP)
    assert bank.period == 1.5 * DAY


def test_a_short_season_that_does_not_win_gives_way() -> None:
    """A chance find in the first rows is no part of every longer season."""
    bank = Bank()
    expectation.start(bank, STEP)
    expectation.use_period(bank, 24.0 * STEP, [0.0] * 64, STEP, 64 * STEP)
    expectation.use_period(bank, 200.0 * STEP, [0.0] * 64, 8 * STEP, 600 * STEP)
    assert bank.period == 200.0 * STEP


def cycles(period: float, *, sigma: float = 0.3, dip: float = 0.0, seed: int = 1) -> Floats:
    """A full ring with a wave of so many blocks, noise, and a dip of six blocks."""
    draw, shape = random.Random(seed), wave(period, 3.0)
    return floats([shape(i) + draw.gauss(0, sigma) - (dip if 20 <= i < 26 else 0.0) for i in range(64)])


@pytest.mark.parametrize("period", [13.3, 20.2, 27.9])
def test_an_episode_hardly_moves_the_length(period: float) -> None:
    """The period or a multiple, within a hundredth of it."""
    found, _ = period_search.find(cycles(period, dip=4.0), 1, STEP)
    times = found / STEP / period
    assert times == pytest.approx(max(1, round(times)), rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_two_episodes_are_no_season(seed: int) -> None:
    """Their distance stands out in the autocorrelation, but it is no cycle that repeats."""
    draw = random.Random(seed)
    blocks = floats([draw.gauss(0, 0.5) + (5.0 if i % 20 in range(12, 16) and i < 40 else 0.0) for i in range(64)])
    assert period_search.find(blocks, 1, STEP)[0] == 0.0


def test_narrow_peaks_are_a_season() -> None:
    """Two harmonics do not follow them; that they repeat is plain."""
    draw = random.Random(3)
    blocks = floats([draw.gauss(0, 0.1) + (9.0 if i % 12 == 0 else 0.0) for i in range(64)])
    found, _ = period_search.find(blocks, 1, STEP)
    assert found / STEP % 12.0 == pytest.approx(0.0, abs=0.1) or found / STEP % 12.0 == pytest.approx(12.0, abs=0.1)


def test_a_sharper_period_goes_on_in_the_same_phase() -> None:
    """Where the cycle stands does not jump."""
    bank = Bank()
    expectation.start(bank, STEP)
    bank.period = 200.0 * STEP
    elapsed = int(10.3 * bank.period)
    expectation.use_period(bank, 202.0 * STEP, [0.0] * 64, 8 * STEP, elapsed)
    assert bank.period == pytest.approx(202.0 * STEP)
    assert (elapsed - bank.anchor) / bank.period % 1.0 == pytest.approx(0.3)


def test_a_day_stays_a_day() -> None:
    """What is known exactly is not sharpened."""
    bank = Bank()
    expectation.start(bank, STEP)
    expectation.use_period(bank, 1.01 * DAY, [0.0] * 64, 8 * STEP, 3_000 * STEP)
    assert (bank.period, bank.anchor) == (DAY, 0.0)


def test_noise_has_no_period() -> None:
    """No lag of its autocorrelation stands out."""
    draw = random.Random(6)
    search = PeriodSearch()
    found = []
    for row in range(1, 4_000):
        if period_search.feed(search, draw.gauss(0, 1), row):
            found.append(period_search.find(search.blocks, search.size, STEP)[0])
            period_search.look_on(search, 0.0)
    assert len(found) > 5
    assert not any(found)


def test_the_ring_reaches_further_back_until_a_period_fits() -> None:
    """Blocks double; past the largest the search starts again."""
    search, sizes = PeriodSearch(), set()
    for row in range(1, 10_000):
        if period_search.feed(search, float(row % 2), row):
            period_search.look_on(search, 0.0)
        sizes.add(search.size)
    assert sizes == {1, 2, 4, 8, 16, 32, 64}
    assert len(search.blocks) < 64


def test_the_ring_keeps_its_reach_when_it_shows_enough_cycles() -> None:
    """The oldest blocks make room."""
    search = PeriodSearch()
    for row in range(1, 400):
        if period_search.feed(search, math.sin(math.tau * row / 12), row):
            period_search.look_on(search, 12.0)
    assert search.size == 1


def test_a_short_season_that_wins_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ring is full again every 16 rows; a look costs as much as many rows."""
    looks, find = [0], period_search.find

    def counted(blocks: Floats, size: int, step: int) -> tuple[float, list[float]]:
        looks[0] += 1
        return find(blocks, size, step)

    monkeypatch.setattr(period_search, "find", counted)
    state = learnt(wave(12.0))
    assert state.bank.chosen == expectation.SEASON
    assert looks[0] < 6_000 // 100


def test_a_long_pause_empties_the_ring() -> None:
    """What lies before it says nothing of the phase after it."""
    search = PeriodSearch()
    for row in range(1, 40):
        period_search.feed(search, float(row), row)
    period_search.feed(search, 0.0, 1_000)
    assert len(search.blocks) == 0
