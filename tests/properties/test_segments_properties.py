"""What holds of the change-point search for every series."""

from __future__ import annotations

from io import BytesIO

import fastavro
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection.series import blocks, segments
from streams.detection.series.change import Change
from streams.domain.segments import Segments
from streams.domain.time import DAY, WEEK
from streams.policy.signals import SeriesPolicy
from streams.shell.dataclass_avro import from_record, schema_of, to_record

RULES = SeriesPolicy()
START = 1_700_000_000_000
SCHEMA = fastavro.parse_schema(schema_of(Segments))

levels = st.integers(-40, 40)
lengths = st.integers(1, 60)


@st.composite
def series(draw: st.DrawFn) -> list[float]:
    """Levels and slopes that change now and then, with noise in whole numbers, so that sums are exact."""
    rng = draw(st.randoms(use_true_random=False))
    values: list[float] = []
    for level, length, slope in draw(st.lists(st.tuples(levels, lengths, st.integers(-2, 2)), min_size=1, max_size=6)):
        values += [float(level + slope * i + rng.randint(-3, 3)) for i in range(length)]
    return values


def told(values: list[float], start: int = START, step: int = DAY) -> list[tuple[int, Change]]:
    state, said = Segments(), []
    for row, value in enumerate(values):
        change = segments.step(state, value - values[0], start + row * step, step, RULES)
        if change is not None:
            said.append((row, change))
    return said


def stored(state: Segments) -> Segments:
    """The state as it comes back from where it is kept."""
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, SCHEMA, to_record(Segments)(state))
    buffer.seek(0)
    made: Segments = from_record(Segments)(fastavro.schemaless_reader(buffer, SCHEMA, None))
    return made


@given(series(), st.integers(-10, 10))
def test_the_unit_does_not_matter(values: list[float], power: int) -> None:
    """Factors that single precision represents give exactly the same, in the other unit."""
    factor = 2.0**power
    expected = [(row, c._replace(expected=c.expected * factor, present=c.present * factor)) for row, c in told(values)]
    assert told([v * factor for v in values]) == expected


@given(series(), st.integers(-1000, 1000))
def test_the_zero_does_not_matter(values: list[float], by: int) -> None:
    """Values are taken relative to the first."""
    assert told([v + by for v in values]) == told(values)


@given(series(), st.integers(-500, 500))
def test_the_date_does_not_matter(values: list[float], weeks: int) -> None:
    """A series at another time has the same changes, that much later."""
    later = weeks * WEEK
    assert told(values, START + later) == [(row, c._replace(at=c.at + later)) for row, c in told(values)]


@given(series())
def test_the_length_of_a_step_does_not_matter(values: list[float]) -> None:
    """Weekly rows are judged like daily ones; only dates are further apart."""
    days = [(row, c.what, c.direction, (c.at - START) // DAY) for row, c in told(values)]
    assert [(row, c.what, c.direction, (c.at - START) // WEEK) for row, c in told(values, step=WEEK)] == days


@given(series())
def test_up_and_down_are_alike(values: list[float]) -> None:
    """The series upside down has the same changes the other way."""
    down = told([-v for v in values])
    assert [(row, c.what, c.at, -c.direction) for row, c in down] == [
        (row, c.what, c.at, c.direction) for row, c in told(values)
    ]


@given(series(), st.integers(1, 40))
@settings(deadline=None)
def test_a_state_that_was_stored_goes_on_the_same(values: list[float], every: int) -> None:
    """Stored and read back at any rows, nothing is different, to the last bit."""
    plain, reloaded = Segments(), Segments()
    for row, value in enumerate(values):
        y, at = value / 3.0, START + row * DAY
        said = segments.step(plain, y, at, DAY, RULES)
        assert segments.step(reloaded, y, at, DAY, RULES) == said
        if row % every == 0:
            reloaded = stored(reloaded)
    assert reloaded == plain


@given(series())
def test_episodes_are_well_formed(values: list[float]) -> None:
    """Only what is open ends, times are in order, the summary stays bounded, and figures are finite."""
    state, lasts, onset = Segments(), False, START
    for row, value in enumerate(values):
        at = START + row * DAY
        change = segments.step(state, value - values[0], at, DAY, RULES)
        assert len(state.blocks.counts) <= blocks.MOST
        assert sum(state.blocks.spans) == state.blocks.reach
        assert state.blocks.start_at + state.blocks.reach == at
        assert segments.noise(state) >= 0.0
        if change is not None:
            assert lasts or change.what == "opened"
            assert onset <= change.at <= at
            lasts = change.what == "opened"
            onset = change.at if lasts else onset
            if lasts:
                assert change.direction * (change.present - change.expected) >= 0.0
        assert (state.direction != 0) == lasts
        assert lasts or segments.offset(state) == 0.0
