"""How new a row is in its series."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log10

import pytest

from streams.detection.series import novelty
from streams.detection.series.record import KEPT, rarity
from streams.detection.series.robust_level import CLIP, FARTHEST, NO_SCALE, SIGMA, standardised
from streams.detection.series.tail import HEAVIEST, RUN, surprise
from streams.detection.strength import strength
from streams.domain.floats import floats
from streams.domain.novelty import Novelty, Peaks
from streams.domain.time import HOUR, MINUTE
from streams.policy.signals import SeriesPolicy
from streams.shell.avro_writer import writer
from tests.bench.detection import nab_score
from tests.support.data import data_directory

START = 1_577_836_800_000  # 2020-01-01
RULES = SeriesPolicy()
ALARM = 0.5

Draw = Callable[[random.Random], float]
NOISES: dict[str, Draw] = {
    "normal": lambda draw: draw.gauss(0, 1),
    "uniform": lambda draw: draw.random(),
    "exponential": lambda draw: draw.expovariate(1),
    "three values": lambda draw: float(draw.randint(0, 2)),
    "heavy (t with 3 degrees)": lambda draw: draw.gauss(0, 1) / (draw.gammavariate(1.5, 2) / 3) ** 0.5,
    "lognormal": lambda draw: draw.lognormvariate(0, 1.5),
}


def strengths(
    values: Sequence[float], *, step: int = 5 * MINUTE, up: bool = True, down: bool = True, state: Novelty | None = None
) -> list[float]:
    """Strength of each row of a series that starts at midnight."""
    state = state or Novelty()
    return [
        novelty.step(state, value - values[0], START + row * step, RULES, up=up, down=down)
        for row, value in enumerate(values)
    ]


def alarms(values: Sequence[float], first: int = 0, **how: bool) -> list[int]:
    """Rows from `first` on at which an alarm is raised."""
    return [row for row, found in enumerate(strengths(values, **how)) if found >= ALARM and row >= first]


def white(rows: int, seed: int) -> list[float]:
    """Independent normal noise."""
    draw = random.Random(seed)
    return [draw.gauss(0, 1) for _ in range(rows)]


# --- what is found ---


@pytest.mark.parametrize(("size", "up"), [(6.0, True), (-6.0, False)])
def test_a_spike_on_white_noise_is_found_in_its_row(size: float, *, up: bool) -> None:
    """At six standard deviations in nearly every series, by whoever watches that side, and by nobody else."""
    found = missed = 0
    for seed in range(20):
        values = white(1_500, seed)
        values[-1] = size
        found += strengths(values, up=up, down=not up)[-1] >= ALARM
        missed += strengths(values, up=not up, down=up)[-1] >= ALARM
    assert found >= 18
    assert missed == 0


def test_a_value_that_is_usual_by_day_is_new_by_night() -> None:
    """The level alone sees nothing in it: it lies within the range of every day."""
    found = 0
    for seed in range(10):
        draw = random.Random(seed)
        values = [(10.0 if 8 <= row % 24 < 20 else 0.0) + draw.gauss(0, 0.5) for row in range(24 * 60 + 12)]
        assert strengths([*values, 10.0], step=HOUR)[-1] == 0.0
        found += strengths([*values[:-9], 10.0], step=HOUR)[-1] >= ALARM
    assert found >= 9


def test_a_small_shift_that_lasts_is_found() -> None:
    """Two standard deviations are no news in a row, but in two hundred."""
    found = 0
    for seed in range(10):
        values = white(2_200, seed)
        values[2_000:] = [value - 2.0 for value in values[2_000:]]
        assert strengths(values)[2_000] < ALARM
        found += bool(alarms(values, 2_000, up=False, down=True))
    assert found >= 9


@pytest.mark.parametrize("factor", [0.02, 8.0])
def test_a_change_of_volatility_is_found_whatever_side_is_watched(factor: float) -> None:
    """A series that goes quiet is as new as one that goes wild, and neither is up or down."""
    for seed in range(5):
        values = white(2_600, seed)
        values[2_000:] = [factor * value for value in values[2_000:]]
        assert alarms(values, 2_000, up=False, down=False)


def test_what_came_often_is_new_no_more() -> None:
    """The first spikes of a size are news, the twentieth is not; one twice as high is again."""
    values = white(6_000, 3)
    for row in range(500, 6_000, 250):
        values[row] = 12.0
    found = strengths(values)
    assert max(found[row] for row in range(500, 1_500, 250)) >= ALARM
    assert max(found[row] for row in range(4_000, 6_000, 250)) < ALARM
    assert strengths([*values, 24.0])[-1] >= ALARM


def test_what_came_often_above_is_still_new_below() -> None:
    """Each side has peaks of its own."""
    values = white(6_000, 3)
    for row in range(500, 6_000, 250):
        values[row] = 12.0
    state = Novelty()
    assert strengths([*values, 12.0], state=state)[-1] < ALARM
    assert strengths([*values, -12.0])[-1] >= ALARM
    assert min(state.peaks.tops[:KEPT]) > 8.0
    assert 2.0 < min(state.peaks.tops[KEPT:]) < max(state.peaks.tops[KEPT:]) < 6.0


# --- what is not ---


@pytest.mark.parametrize(
    ("noise", "most"),
    [
        ("normal", 0.4),
        ("uniform", 0.2),
        ("exponential", 0.7),
        ("three values", 0.2),
        ("heavy (t with 3 degrees)", 2.0),
        ("lognormal", 2.0),
    ],
)
def test_independent_noise_stays_quiet(noise: str, most: float) -> None:
    """Alarms in 1000 rows once the series is known; heavy tails do have values that nothing was like."""
    draws = [random.Random(seed) for seed in range(10)]
    raised = sum(len(alarms([NOISES[noise](draw) for _ in range(4_000)], 1_000)) for draw in draws)
    assert raised / 30 <= most


def test_a_series_that_stands_still_is_no_news() -> None:
    """Every strength is exactly 0."""
    assert set(strengths([20.1] * 2_000)) == {0.0}


def test_the_first_change_of_a_constant_series_is_told_and_does_not_start_a_storm() -> None:
    """At once, and then ever more rarely."""
    raised = alarms([5.0] * 500 + [6.0] * 3_000)
    assert raised[0] == 500
    assert len(raised) <= 10
    gaps = [after - before for before, after in pairwise(raised)]
    assert gaps == sorted(gaps)


def test_a_step_far_beyond_the_noise_does_not_start_a_storm() -> None:
    """A scale that is too small by twelve powers of ten takes thousands of rows to grow."""
    draw = random.Random(2)
    values = [1e-12 * draw.random() + (row >= 500) for row in range(4_000)]
    raised = alarms(values, 500)
    assert raised[0] == 500
    assert len(raised) <= 12


def test_rare_spikes_on_nothing_raise_one_alarm_each_at_most() -> None:
    """A count that is nearly always 0 has no scale to be compared with."""
    draw = random.Random(1)
    values = [float(draw.random() < 0.01) for _ in range(20_000)]
    assert len(alarms(values)) <= 0.3 * sum(values)


def test_the_first_rows_are_not_judged() -> None:
    """However far out they lie."""
    values = [*white(novelty.FIRST_ROWS - 1, 1), 1e6, 1e9]
    found = strengths(values)
    assert found[: novelty.FIRST_ROWS] == [0.0] * novelty.FIRST_ROWS
    assert found[novelty.FIRST_ROWS] > 0.0


@pytest.mark.parametrize("size", [1e-100, 1e-40, 1e40, 1e100])
def test_tiny_and_huge_values_are_judged_as_others_are(size: float) -> None:
    """The arrays of single precision neither overflow nor lose them."""
    values = white(600, 4)
    values[500] = 9.0
    assert strengths([size * value for value in values]) == pytest.approx(strengths(values), abs=1e-6)


def test_no_value_breaks_a_series() -> None:
    """After a value beyond all measure every strength is a number again."""
    draw = random.Random(5)
    values = [1e-90 * draw.random() for _ in range(100)] + [1e100, -1e100] + white(500, 5)
    found = strengths(values)
    assert all(0.0 <= value <= 1.0 for value in found)


# --- the parts ---


def test_evidence_is_a_sum_beyond_a_decade_each() -> None:
    """Level, clock and record count as one: the larger of two tails and the count, halved; or the clock less a bit."""
    assert novelty.combined(0.9, 0.8, 0.9, 0.9, 1.0) == 0.0
    assert novelty.combined(3.0, 2.0, 0.0, 0.0, 2.0) == pytest.approx(1.5)
    assert novelty.combined(2.0, 3.0, 0.0, 0.0, 2.5) == pytest.approx(1.75)
    assert novelty.combined(0.0, 4.0, 0.0, 0.0, 0.0) == pytest.approx(3.0 - novelty.OUT_OF_HOURS)
    assert novelty.combined(3.0, 3.0, 2.5, 1.25, 3.0) == pytest.approx(2.0 + 1.5 + 0.25)


def test_an_alarm_holds_back_the_next_for_a_while() -> None:
    """The same evidence is no alarm right after, and is one much later; four decades more break through."""
    limit = 2.0
    state = Novelty(n=5_000)
    assert novelty.renewed(state, 3.0, limit) == 3.0
    state.n = 5_010
    assert novelty.renewed(state, 3.0, limit) < 0.0
    assert novelty.renewed(state, 3.0 + novelty.AGAIN, limit) > limit
    state.n = 5_900
    assert novelty.renewed(state, 3.0, limit) > limit


def test_a_short_series_forgets_an_alarm_sooner() -> None:
    """In a fiftieth of its rows."""
    held = []
    for n in (500, 50_000):
        state = Novelty(n=n)
        novelty.renewed(state, 3.0, 2.0)
        state.n += 30
        held.append(novelty.renewed(state, 3.0, 2.0))
    assert held[0] > held[1]


def test_evidence_that_lasts_is_told_at_doubling_intervals() -> None:
    """And at the first pace again once it was below the limit for longer than a peak lasts."""
    state, raised = Novelty(n=10_000), []
    for _ in range(4_000):
        state.n += 1
        if novelty.renewed(state, 6.0, 2.0) > 2.0:
            raised.append(state.n)
    gaps = [after - before for before, after in pairwise(raised)]
    assert len(gaps) >= 3
    assert all(1.9 < after / before < 2.1 for before, after in pairwise(gaps[1:]))
    for _ in range(RUN + 1):
        assert state.repeats > 1
        state.n += 1
        novelty.renewed(state, 1.9, 2.0)
    assert state.repeats == 0


def test_a_value_is_standardised_by_what_was_known_before_it() -> None:
    """Mean and scale move by the gain; what lies far out moves them as if it lay at the clip."""
    z, mean, scale = standardised(1.0, 0.5, 0.25, 0.1, settled=True)
    assert (z, mean) == (2.0, pytest.approx(0.55))
    assert scale == pytest.approx(0.25 + 0.1 * (SIGMA * 0.5 - 0.25))
    assert standardised(1e9, 0.0, 1.0, 0.1, settled=True)[0] == FARTHEST
    z, mean, scale = standardised(-1e9, 0.0, 1.0, 0.1, settled=True)
    assert z == -FARTHEST
    assert mean == pytest.approx(-0.1 * CLIP)
    assert scale == pytest.approx(1 + 0.1 * (SIGMA * CLIP - 1))


def test_before_it_is_settled_a_mean_takes_in_everything() -> None:
    """And nothing is out of the way."""
    assert standardised(100.0, 0.0, 1.0, 0.5, settled=False) == (0.0, 50.0, pytest.approx(0.5 + 0.5 * SIGMA * 100))


def test_where_nothing_has_varied_the_first_change_is_learnt_as_it_is() -> None:
    """A clip at three times nothing would never let it in."""
    z, mean, scale = standardised(-2.0, 0.0, 0.0, 0.1, settled=True)
    assert z == -NO_SCALE
    assert mean == pytest.approx(-0.2)
    assert scale == pytest.approx(0.2 * SIGMA)


def peaks_of(sides: int) -> Peaks:
    """No peaks yet."""
    return Peaks(floats([0] * sides), [-RUN] * sides, floats([0] * sides), floats([0] * sides), floats([0] * 2 * KEPT))


def test_a_first_exceedance_is_judged_by_the_prior_alone() -> None:
    """One peak in 20 + n/5 runs, with the tail (1 + x/2)^-2."""
    assert surprise(peaks_of(2), 1, 4.0, 400) == pytest.approx(log10(20 + 80) + 2 * log10(3))


def test_exceedances_in_a_row_are_one_peak_of_the_largest() -> None:
    """It counts when the next one comes after a pause."""
    peaks = peaks_of(2)
    for n, x in ((100, 1.0), (103, 5.0), (107, 2.0)):
        surprise(peaks, 0, x, n)
    assert peaks.counts[0] == 0
    found = surprise(peaks, 0, 3.5, 107 + RUN)
    assert (peaks.counts[0], peaks.sums[0], peaks.open[0]) == (1, 5, 3.5)
    assert found == pytest.approx(log10((20 + 112 / 5) / 2) + 3 * log10(1 + 3.5 / 7))
    assert peaks.counts[1] == 0


def test_many_peaks_do_not_make_a_tail_thinner_than_a_pareto() -> None:
    """A hundred peaks with mean 1: the exponent stays at its bound, with the same mean."""
    peaks = peaks_of(2)
    peaks.counts[0], peaks.sums[0] = 100.0, 100.0
    scale = 102 * HEAVIEST / 102
    assert surprise(peaks, 0, 60.0, 1_000) == pytest.approx(log10(220 / 101) + HEAVIEST * log10(1 + 60 / scale))


def test_a_record_counts_the_peaks_that_were_about_as_high() -> None:
    """By tenths of its own size; when all that are kept were, it is common."""
    peaks = peaks_of(10)
    n = 0
    for size in (1.5, 9.5, 2.0, 9.2, 3.0, 2.5, 4.0, 1.2, 5.0, 6.0):
        n += RUN
        rarity(peaks, novelty.RECORD, size, n)
    n += RUN
    assert rarity(peaks, novelty.RECORD, 10.0, n) == pytest.approx(log10((n / 5 + 20) / 3))
    assert list(peaks.tops[:KEPT]) == pytest.approx([2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 9.2, 9.5])
    assert rarity(peaks, novelty.RECORD, 2.1, n + 1) == 0.0
    assert list(peaks.tops[KEPT:]) == [0.0] * KEPT
    assert rarity(peaks, novelty.RECORD + 1, 2.1, n + 1) > 1.0


def test_an_alarm_is_where_the_strength_is_one_half() -> None:
    """So that it means the same for every detector."""
    assert strength(RULES.novelty_limit, RULES.novelty_limit) == ALARM


# --- size and figures ---


def test_the_state_is_small() -> None:
    """In the changelog, after a life in which everything happened."""
    draw, state = random.Random(6), Novelty()
    strengths([draw.lognormvariate(0, 2) for _ in range(20_000)], state=state)
    assert len(writer(Novelty)(state)) < 600


def test_the_public_benchmark_series_are_judged_well() -> None:
    """NAB's public half with the default policy; figures move by some points with any change of a formula."""
    base = data_directory()
    if base is None or not (base / "nab").is_dir():
        pytest.skip("no public data: BACKONTRACK_DATA")
    series = nab_score.load(base / "nab")
    raised = []
    for one in series:
        state, rows = Novelty(), []
        for row, (at, value) in enumerate(zip(one.ats, one.values, strict=True)):
            if novelty.step(state, value - one.values[0], at, RULES, up=True, down=True) >= ALARM:
                rows.append(row)
        raised.append(rows)
    found = nab_score.result(series, raised)
    assert found.scores["standard"] >= 64
    assert found.scores["low FP"] >= 56
    assert found.precision >= 0.37
