"""The strength of evidence depends on the shape of a series alone, and on nothing that is not stored."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection.series import novelty
from streams.domain.novelty import Novelty
from streams.domain.time import MINUTE, WEEK
from streams.policy.signals import SeriesPolicy
from streams.shell.state_codec import StateCodec

SOME = settings(max_examples=40, deadline=None)
START = 1_577_836_800_000  # 2020-01-01
RULES = SeriesPolicy()
CODEC = StateCodec(Novelty, "novelty-alone")


@st.composite
def series(draw: st.DrawFn) -> list[float]:
    """Whole numbers, so that sums of them are exact: noise, stretches that stand still, spikes and shifts."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0, 1, 3, 50]))
    values: list[float] = []
    level = 0
    for length, kind in draw(
        st.lists(st.tuples(st.integers(1, 120), st.sampled_from(["noise", "still", "wild", "shift"])), max_size=8)
    ):
        if kind == "shift":
            level += chance.choice([-1, 1]) * chance.randint(1, 1_000)
        width = 0 if kind == "still" else spread * (20 if kind == "wild" else 1)
        values += [float(level + chance.randint(-width, width)) for _ in range(length)]
        if chance.random() < 0.3:
            values.append(float(level + chance.randint(-5_000, 5_000)))
    return values


def strengths(
    values: list[float],
    start: int = START,
    *,
    up: bool = True,
    down: bool = True,
    store_at: frozenset[int] = frozenset(),
) -> list[float]:
    """Strength of each row, with the state stored and read back before the rows of `store_at`."""
    state, found = Novelty(), []
    for row, value in enumerate(values):
        if row in store_at:
            state = CODEC.decode(CODEC.encode(state))
        found.append(novelty.step(state, value - values[0], start + row * 20 * MINUTE, RULES, up=up, down=down))
    return found


@given(series(), st.integers(-12, 12), st.integers(-1_000_000, 1_000_000))
@SOME
def test_scale_and_shift_change_nothing(values: list[float], power: int, shift: int) -> None:
    """Powers of two and whole numbers, so that no rounding hides a difference."""
    assert strengths([2.0**power * (value + shift) for value in values]) == strengths(values)


@given(st.integers(0, 2**32), st.floats(0.01, 100), st.floats(-1_000, 1_000))
@SOME
def test_any_scale_and_shift_changes_no_more_than_rounding(seed: int, factor: float, shift: float) -> None:
    """On noise with a spike in it."""
    draw = random.Random(seed)
    values = [draw.gauss(0, 1) for _ in range(400)]
    values[300] += 8
    moved = strengths([factor * value + shift for value in values])
    assert moved == pytest.approx(strengths(values), abs=1e-4)


@given(series(), st.integers(-500, 500))
@SOME
def test_whole_weeks_change_nothing(values: list[float], weeks: int) -> None:
    """Only the hour of the day is looked at."""
    assert strengths(values, START + weeks * WEEK) == strengths(values)


@given(series())
@SOME
def test_a_mirrored_series_is_as_new_to_who_watches_the_other_side(values: list[float]) -> None:
    """Up and down are the same rules."""
    mirrored = [-value for value in values]
    assert strengths(mirrored, up=True, down=False) == strengths(values, up=False, down=True)
    assert strengths(mirrored) == strengths(values)


@given(series(), st.frozensets(st.integers(0, 900), max_size=20))
@SOME
def test_a_state_that_was_stored_goes_on_as_one_that_was_not(values: list[float], store_at: frozenset[int]) -> None:
    """To the last bit, wherever it was cut."""
    assert strengths(values, store_at=store_at) == strengths(values)


@given(series(), st.integers(0, 900))
@SOME
def test_the_future_does_not_change_the_past(values: list[float], cut: int) -> None:
    """A row is judged by itself and those before it."""
    assert strengths(values[:cut]) == strengths(values)[:cut]


@given(values=series(), up=st.booleans(), down=st.booleans())
@SOME
def test_strength_lies_between_none_and_one(values: list[float], *, up: bool, down: bool) -> None:
    """In every row of every series."""
    assert all(0.0 <= value < 1.0 for value in strengths(values, up=up, down=down))
