"""How a metric comes is found from its first samples."""

from __future__ import annotations

import random

import pytest

from streams.domain.series import Cadence
from streams.domain.time import DAY, HOUR, MINUTE, WEEK
from streams.health import cadence
from tests.support.history import MONDAY, History


def shape(ats: list[int], values: list[float]) -> str:
    """Shape of a metric with these samples."""
    known = Cadence()
    for at, value in zip(ats, values, strict=True):
        cadence.add(known, at, value, "")
    return cadence.shape_of(known)


def every(step: int, count: int = cadence.SAMPLES) -> list[int]:
    """Regular moments."""
    return [MONDAY + i * step for i in range(count)]


@pytest.mark.parametrize("step", [5 * MINUTE, HOUR, 6 * HOUR, DAY, WEEK, 30 * DAY])
def test_regular_readings_are_a_level_whatever_their_step(step: int) -> None:
    """Five minutes or a month."""
    assert shape(every(step), [20.0 + i % 3 for i in range(12)]) == "level"


@pytest.mark.parametrize(("step", "name"), [(DAY, "day"), (WEEK, "week")])
def test_regular_rows_of_counts_with_zeros_are_counted(step: int, name: str) -> None:
    """A nightly or weekly export of what customers did."""
    assert shape(every(step), [0.0, 3.0, 1.0] * 4) == name


def test_negative_values_are_no_counts() -> None:
    """A change of a price may be zero, too."""
    assert shape(every(DAY), [0.0, -3.0, 1.0] * 4) == "level"


def test_lost_reports_leave_a_level_a_level() -> None:
    """Below a day a gap of several steps is a lost report."""
    ats = [MONDAY + i * 10 * MINUTE for i in (0, 1, 3, 4, 5, 14, 15, 16, 20, 21, 22, 30)]
    assert shape(ats, [60.0 + i for i in range(12)]) == "level"


def test_days_without_an_event_are_no_lost_reports() -> None:
    """Daily stamps with holes are days of use."""
    ats = [MONDAY + i * DAY for i in (0, 1, 3, 4, 5, 14, 15, 16, 20, 21, 22, 30)]
    assert shape(ats, [60.0 + i for i in range(12)]) == "day"


def test_the_same_value_at_odd_moments_is_a_count() -> None:
    """One login each time, stamped to the minute."""
    ats = [MONDAY + i * MINUTE for i in (0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 14, 15)]
    assert shape(ats, [1.0] * 12) == "day"


@pytest.mark.parametrize(("mean", "name"), [(4 * HOUR, "day"), (DAY, "day"), (6 * DAY, "week")])
def test_what_happens_at_odd_moments_is_counted(mean: int, name: str) -> None:
    """By day, or by week where most days hold nothing."""
    draw = random.Random(3)
    ats = [MONDAY]
    for _ in range(11):
        ats.append(ats[-1] + round(draw.gammavariate(3, mean / 3)))
    assert shape(ats, [float(draw.randint(1, 9)) for _ in range(12)]) == name


def test_the_first_samples_are_taken_in_once_the_shape_is_known() -> None:
    """Nothing of what came before is lost."""
    history = History()
    for day in range(12):
        for hour in (9, 14):
            history.usage(MONDAY + day * DAY + hour * HOUR + (day * 7919 % 3_000) * 1_000, 2.0 + day % 2, "boards")
    signal = history.account.signals.metrics["boards"]
    assert (signal.shape, signal.cadence) == ("day", None)
    assert [round(y * y) for y in signal.ys] == [4 + 2 * (day % 2) for day in range(11)]


def test_a_machine_report_is_no_rhythm_of_the_customer() -> None:
    """An account that only has a gauge is never overdue."""
    history = History()
    for i in range(40):
        history.usage(MONDAY + i * DAY, 20.0 + i % 3, "queue_length")
    assert history.account.signals.metrics["queue_length"].shape == "level"
    assert history.account.signals.rhythm.last_at == 0


def test_the_reports_of_several_gauges_are_no_rhythm_either() -> None:
    """Nor does another account's use make one that only has gauges overdue."""
    history = History()
    for i in range(60):
        history.usage(MONDAY + i * DAY, 20.0 + i % 3, "queue_length")
        history.usage(MONDAY + i * DAY + 1, 50.0 + i % 5, "free_capacity")
        history.usage(MONDAY + i * DAY + 2, 30.0, "logins", "other")
    assert history.account.signals.rhythm.last_at == 0
    assert history.kinds() == []
