"""What holds for every regular series: unit, origin and date do not matter, and a stored state goes on as it was."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection.series import deviation
from streams.detection.series.change import Change
from streams.detection.series.charts import cusum_limit
from streams.domain.deviation import Deviation
from streams.domain.time import WEEK
from streams.policy.signals import SeriesPolicy
from streams.shell.state_codec import StateCodec

STEP = 300_000
START = 1_577_836_800_000
RULES = SeriesPolicy()
LIMIT = cusum_limit(2.0, 105_192.0, RULES.cusum_k, 2)
CODEC = StateCodec(Deviation, "deviation")
FEW = settings(max_examples=25, deadline=None)

Row = tuple[int, float]


@st.composite
def series(draw: st.DrawFn) -> list[Row]:
    """Times and values: noise, perhaps with season, trend, gaps, outliers, shifts, or no noise at all."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    period, amplitude = draw(st.sampled_from([50, 144, 288])), draw(st.sampled_from([0.0, 4.0]))
    slope, sigma = draw(st.sampled_from([0.0, 0.01])), draw(st.sampled_from([0.0, 1.0]))
    gaps, outliers = draw(st.sampled_from([0.0, 0.02])), draw(st.sampled_from([0.0, 0.01]))
    at, shift, rows = 0, 0.0, list[Row]()
    for _ in range(draw(st.integers(1, 1_200))):
        at += 1 + (rng.randrange(1, 200) if rng.random() < gaps else 0)
        if rng.random() < 0.005:
            shift = rng.choice([0.0, -4.0, 5.0])
        y = amplitude * math.sin(math.tau * at / period) + slope * at + sigma * rng.gauss(0, 1) + shift
        rows.append((START + at * STEP, y + (rng.choice([-50, 50]) if rng.random() < outliers else 0)))
    return rows


def play(rows: list[Row], state: Deviation, origin: float) -> list[Change | None]:
    return [deviation.step(state, y - origin, at, STEP, LIMIT, RULES) for at, y in rows]


def outline(said: list[Change | None], moved: int = 0) -> list[tuple[int, str, int, int]]:
    """Everything but the levels."""
    return [(row, c.what, c.at - moved, c.direction) for row, c in enumerate(said) if c is not None]


@FEW
@given(series(), st.sampled_from([2.0**-20, 0.125, 4.0, 2.0**30]))
def test_the_unit_does_not_matter(rows: list[Row], scale: float) -> None:
    """Powers of two, so that rounding is the same."""
    plain = play(rows, Deviation(), rows[0][1])
    scaled = play([(at, y * scale) for at, y in rows], Deviation(), rows[0][1] * scale)
    assert outline(scaled) == outline(plain)
    pairs = zip(filter(None, plain), filter(None, scaled), strict=True)
    assert all(math.isclose(a.present * scale, b.present, rel_tol=1e-9) for a, b in pairs)


@FEW
@given(series(), st.integers(-1_000, 1_000))
def test_the_zero_of_the_unit_does_not_matter(rows: list[Row], shift: int) -> None:
    """Values are taken above the first one. Values with few bits, so that rounding is the same."""
    coarse = [(at, round(y * 1_024) / 1_024) for at, y in rows]
    moved = [(at, y + shift) for at, y in coarse]
    assert play(moved, Deviation(), moved[0][1]) == play(coarse, Deviation(), coarse[0][1])


@FEW
@given(series(), st.integers(-500, 500), st.integers(0, STEP - 1))
def test_the_date_does_not_matter(rows: list[Row], weeks: int, shift: int) -> None:
    """Nor does the time of day: the season is anchored on the first row."""
    moved = weeks * WEEK + shift
    plain = play(rows, Deviation(), rows[0][1])
    later = play([(at + moved, y) for at, y in rows], Deviation(), rows[0][1])
    assert outline(later, moved) == outline(plain)


@FEW
@given(series(), st.floats(0, 1))
def test_a_state_that_was_stored_goes_on_as_one_that_was_not(rows: list[Row], share: float) -> None:
    """Wherever the cut is."""
    cut = int(share * len(rows))
    whole, first = Deviation(), Deviation()
    said = play(rows, whole, rows[0][1])
    before = play(rows[:cut], first, rows[0][1])
    again = CODEC.decode(CODEC.encode(first))
    assert before + play(rows[cut:], again, rows[0][1]) == said
    assert again == whole


@FEW
@given(series())
def test_episodes_open_and_end_by_turns(rows: list[Row]) -> None:
    """With times in order: onset at or before the opening, recovery after the onset."""
    state, onset = Deviation(), None
    for at, y in rows:
        change = deviation.step(state, y - rows[0][1], at, STEP, LIMIT, RULES)
        if change is None:
            continue
        if change.what == "opened":
            assert onset is None
            assert change.at <= at
            onset = change.at
        else:
            assert onset is not None
            assert onset <= change.at <= at
            onset = None
    assert (deviation.offset(state) != 0.0) == (onset is not None)
    assert deviation.noise(state) >= 0.0
    assert math.isfinite(deviation.expected(state, rows[-1][0]))
