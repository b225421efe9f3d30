"""Change points of slow series: found and dated, told apart from noise, wandering and growth, and how episodes end."""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from statistics import median

import fastavro
import pytest

from streams.detection.series import blocks, segments
from streams.detection.series.change import Change
from streams.domain.segments import Blocks, Segments
from streams.domain.time import DAY
from streams.policy.signals import DetectionPolicy, SeriesPolicy
from streams.shell.dataclass_avro import schema_of, to_record
from tests.support.data import data_directory

RULES = SeriesPolicy()
START = 1_700_000_000_000
PERMITTED = DetectionPolicy().max_false_alarms_per_account_year
YEAR_ROWS = 365


def told(values: list[float], state: Segments | None = None) -> list[tuple[int, Change]]:
    """What is said of a daily series: row, change."""
    state = state or Segments()
    said = []
    for row, value in enumerate(values):
        change = segments.step(state, value - values[0], START + row * DAY, DAY, RULES)
        if change is not None:
            said.append((row, change))
    return said


def words(values: list[float]) -> list[str]:
    return [change.what for _, change in told(values)]


def row_of(change: Change) -> int:
    return (change.at - START) // DAY


def noise(seed: int, rows: int, spread: float = 1.0) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0, spread) for _ in range(rows)]


def wandering(seed: int, rows: int, rho: float) -> list[float]:
    """First-order autoregression with variance 1."""
    rng, x, made = random.Random(seed), 0.0, []
    for _ in range(rows):
        x = rho * x + math.sqrt(1 - rho * rho) * rng.gauss(0, 1)
        made.append(x)
    return made


def shifted(values: list[float], begin: int, end: int, by: float) -> list[float]:
    return [v + by if begin <= i < end else v for i, v in enumerate(values)]


@pytest.mark.parametrize(("size", "delay", "off"), [(-2.0, 30, 8), (2.0, 30, 8), (-3.0, 14, 4), (6.0, 10, 2)])
def test_a_step_is_found_and_dated(size: float, delay: int, off: int) -> None:
    """In each of twenty series, with the right direction and levels."""
    delays, errors = [], []
    for seed in range(20):
        said = told(shifted(noise(seed, 160), 100, 160, size))
        row, change = said[0]
        assert (change.what, change.direction) == ("opened", 1 if size > 0 else -1)
        delays.append(row - 100)
        errors.append(abs(row_of(change) - 100))
        assert change.present - change.expected == pytest.approx(size, abs=1.5)
    assert median(delays) <= delay
    assert median(errors) <= 1
    assert max(errors) <= off


@pytest.mark.parametrize("size", [-2.0, 3.0, -6.0])
def test_a_return_is_recovered_and_dated(size: float) -> None:
    """To within a row in the middle case; nothing is left open or told of the return as a change."""
    errors = []
    for seed in range(20):
        values = shifted(noise(seed, 200), 100, 135, size)
        said = told(values)
        assert [change.what for _, change in said] == ["opened", "recovered"]
        row, change = said[1]
        errors.append(abs(row_of(change) - 135))
        assert row - row_of(change) <= 25
        assert abs(change.present - change.expected) < 1.5
    assert median(errors) <= 1
    assert sorted(errors)[17] <= 4


def test_a_level_that_lasts_becomes_the_new_normal() -> None:
    """After the rows that the policy names, and never as recovered; afterwards it is what is expected."""
    for seed in range(20):
        state = Segments()
        values = shifted(noise(seed, 300), 100, 300, -4.0)
        said = told(values, state)
        assert [change.what for _, change in said] == ["opened", "new_normal"]
        assert said[1][0] - said[0][0] == RULES.settle_rows + 1
        assert segments.expected(state, START + 300 * DAY) + values[0] == pytest.approx(-4.0, abs=0.5)
        assert segments.offset(state) == 0.0


def test_what_lasts_is_hardly_ever_called_recovered() -> None:
    """Not even where neighbours are alike: at most one in twenty."""
    found = wrong = 0
    for rho in (0.0, 0.5, 0.8):
        for seed in range(40):
            said = told(shifted(wandering(seed, 180, rho), 100, 180, 4.0))
            rows = [row_of(change) for _, change in said if change.what == "opened"]
            found += any(abs(row - 100) <= 5 for row in rows)
            wrong += any(change.what == "recovered" and row_of(change) > 105 for _, change in said)
    assert found >= 110
    assert wrong <= found // 20


def test_the_normal_after_a_return_is_the_old_one() -> None:
    """The rows before the episode count again: a third step is judged against all of them."""
    state = Segments()
    told(shifted(noise(3, 190), 100, 130, -5.0), state)
    assert sum(state.blocks.counts) > 150
    assert state.direction == 0


def test_a_further_fall_opens_anew_from_the_same_normal() -> None:
    """What lasted for 25 rows is no normal: only back at the first level it is recovered."""
    values = shifted(shifted(shifted(noise(5, 170), 80, 130, -5.0), 105, 120, -5.0), 130, 170, -0.2)
    said = [change for _, change in told(values)]
    assert [(change.what, change.direction) for change in said] == [("opened", -1), ("opened", -1), ("recovered", -1)]
    assert [row_of(change) for change in said] == [pytest.approx(row, abs=1) for row in (80, 105, 130)]
    assert said[1].expected == said[0].expected


def test_part_of_the_way_back_is_no_recovery() -> None:
    """Half of a fall is gone: the episode goes on with what is left of it."""
    state = Segments()
    values = shifted(shifted(noise(6, 125), 80, 125, -8.0), 100, 125, 4.0)
    assert [change.what for _, change in told(values, state)] == ["opened"]
    assert state.direction == -1
    assert segments.offset(state) == pytest.approx(-4.0, abs=1.0)


def test_beyond_the_old_level_is_a_recovery_and_then_a_rise() -> None:
    """Both are told, in this order."""
    values = shifted(shifted(noise(7, 170), 80, 110, -6.0), 110, 170, 6.0)
    said = [change for _, change in told(values)]
    assert [(change.what, change.direction) for change in said[:3]] == [
        ("opened", -1),
        ("recovered", -1),
        ("opened", 1),
    ]
    assert row_of(said[2]) == pytest.approx(110, abs=2)


def alarms(series: Callable[[int], list[float]], seeds: int) -> float:
    """Openings in a year of daily rows."""
    opened = rows = 0
    for seed in range(seeds):
        values = series(seed)
        rows += len(values)
        opened += words(values).count("opened")
    return opened / rows * YEAR_ROWS


@pytest.mark.parametrize("draw", ["gauss", "exponential", "log-normal", "rare"])
def test_independent_noise_stays_below_the_permitted_rate(draw: str) -> None:
    """Whatever its distribution, over 33 years."""
    draws: dict[str, Callable[[random.Random], float]] = {
        "gauss": lambda rng: rng.gauss(0, 1),
        "exponential": lambda rng: rng.expovariate(1),
        "log-normal": lambda rng: rng.lognormvariate(0, 1),
        "rare": lambda rng: float(rng.random() < 0.1),
    }

    def series(seed: int) -> list[float]:
        rng = random.Random(seed)
        return [draws[draw](rng) for _ in range(2000)]

    assert alarms(series, 6) <= PERMITTED / 2


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_series_whose_neighbours_are_alike_stay_below_the_permitted_rate(rho: float) -> None:
    """Wandering is no change, as long as there is a level that it comes back to."""
    assert alarms(lambda seed: wandering(seed, 2000, rho), 8) <= PERMITTED


@pytest.mark.parametrize("slope", [0.1, -1.0])
def test_growth_along_a_line_is_no_change(slope: float) -> None:
    """Nor is a steady decline, once it is known."""
    assert alarms(lambda seed: [v + slope * i for i, v in enumerate(noise(seed, 1000))], 4) <= PERMITTED


def test_the_end_of_growth_is_a_change() -> None:
    """Below what the line promised, dated to where it bent."""
    values = [v + 0.5 * min(i, 120) for i, v in enumerate(noise(8, 200))]
    row, change = told(values)[0]
    assert (change.what, change.direction) == ("opened", -1)
    assert row_of(change) == pytest.approx(120, abs=6)
    assert row < 175


def test_what_is_expected_of_growth_goes_on_along_the_line() -> None:
    """A day ahead."""
    state = Segments()
    told([v + 2.0 * i for i, v in enumerate(noise(9, 200))], state)
    first = noise(9, 1)[0]
    assert segments.expected(state, START + 200 * DAY) + first == pytest.approx(400, abs=1)
    assert segments.noise(state) == pytest.approx(1.0, rel=0.2)


def test_a_single_row_far_off_is_no_change() -> None:
    """Nor are two."""
    values = noise(10, 200)
    values[100] = 60.0
    values[150] = values[151] = -40.0
    assert words(values) == []


def test_more_noise_at_the_same_level_is_no_change() -> None:
    """Only a change of the level, or of the trend, opens an episode."""
    for seed in range(10):
        assert words(noise(seed, 150) + noise(seed + 100, 150, 4.0)) == []


def test_a_constant_series_is_silent_until_it_steps() -> None:
    """No noise at all is no reason to divide by it."""
    assert words([7.0] * 300) == []
    said = [change for _, change in told([7.0] * 60 + [5.0] * 30 + [7.0] * 20)]
    assert [change.what for change in said] == ["opened", "recovered"]
    assert [row_of(change) for change in said] == [60, 90]


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_very_small_and_very_large_units_are_fine(unit: float) -> None:
    """The same is told as in a common unit."""
    values = shifted(noise(15, 200), 100, 140, 5.0)
    assert words([v * unit for v in values]) == words(values) == ["opened", "recovered"]


@pytest.mark.parametrize("unit", [5e-324, 1e-170, 1e170, 1e308])
def test_absurd_units_are_survived(unit: float) -> None:
    """What single precision cannot hold is not judged, and does no harm."""
    words([math.copysign(unit, v) for v in noise(15, 200)])


def test_rows_that_are_missing_do_not_shift_the_date() -> None:
    """The onset is the time of a row, not a count."""
    state, said = Segments(), []
    values = shifted(noise(11, 200), 120, 200, -5.0)
    for row, value in enumerate(values):
        if 40 <= row < 60 or row % 17 == 3:
            continue
        change = segments.step(state, value - values[0], START + row * DAY, DAY, RULES)
        if change is not None:
            said.append(change)
    assert said[0].at == START + 120 * DAY


def test_a_level_far_from_zero_costs_no_precision() -> None:
    """A million and a noise of one is the noise; and so after a step of a thousand."""
    values = noise(12, 200)
    plain, far = told(shifted(values, 100, 200, -3.0)), told([v + 1e6 for v in shifted(values, 100, 200, -3.0)])
    assert [(row, change.what, change.at) for row, change in plain] == [(row, c.what, c.at) for row, c in far]
    state = Segments()
    told([v + 1e6 for v in shifted(values, 50, 200, -1000.0)], state)
    assert segments.noise(state) == pytest.approx(1.0, rel=0.2)


def test_merging_keeps_counts_and_sums() -> None:
    """Thousands of rows in the blocks that are kept: count exact, the others to single precision."""
    kept, values = Blocks(), [1e3 + v for v in noise(13, 3000, 5.0)]
    for row, value in enumerate(values):
        blocks.append(kept, value, START + row * DAY, 25.0)
    parts = list(zip(kept.counts, kept.means, kept.spreads, strict=True))
    mean = sum(values) / len(values)
    assert len(kept.counts) <= blocks.MOST
    assert sum(kept.counts) == len(values)
    assert kept.counts[-8:] == [1] * 8
    assert sum(kept.spans) == kept.reach == (len(values) - 1) * DAY
    assert sum(n * m for n, m, _ in parts) == pytest.approx(sum(values), rel=1e-6)
    inside = sum(n * (sd * sd + (m - mean) ** 2) for n, m, sd in parts)
    assert inside == pytest.approx(sum((v - mean) ** 2 for v in values), rel=1e-4)


def test_the_state_is_small() -> None:
    """As it is stored, after years and in an episode."""
    schema = fastavro.parse_schema(schema_of(Segments))
    for values in (noise(14, 3000), shifted(noise(14, 3000), 2970, 3000, 9.0), wandering(14, 3000, 1 - 1e-9)):
        state, buffer = Segments(), BytesIO()
        told(values, state)
        fastavro.schemaless_writer(buffer, schema, to_record(Segments)(state))
        assert len(buffer.getvalue()) <= 600


def _marked() -> tuple[dict[str, list[tuple[int, float]]], dict[str, list[list[int]]]]:
    """The series that people have marked: rows (time, value), and what each of them marked."""
    data = data_directory()
    if data is None or not (data / "tcpd").is_dir():
        pytest.skip("the public change point data are not here")
    rows: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for path in sorted((data / "tcpd").glob("usage*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows[row["account_id"]].append((_ms(row["time"]), float(row["value"])))
    marks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(data / "tcpd" / "labels.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            mark = marks[row["account_id"]][row["annotator"]]
            if row["time"]:
                mark.append(_ms(row["time"]))
    return rows, {name: list(people.values()) for name, people in marks.items()}


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_what_all_people_mark_is_found_and_where_none_marks_nothing_is() -> None:
    """In the series on which those who marked them are of one mind: all marked the same one change, or none."""
    rows, marks = _marked()
    looked_at = 0
    for name, series in rows.items():
        people = marks[name]
        same = {len(mark) for mark in people}
        if same not in ({0}, {1}) or (same == {1} and max(people)[0] - min(people)[0] > 5 * DAY):
            continue
        looked_at += 1
        said = told([value for _, value in series])
        onsets = [series[row_of(change)][0] for _, change in said if change.what == "opened"]
        assert len(onsets) == max(same), name
        for onset in onsets:
            assert min(abs(onset - mark[0]) for mark in people) <= 5 * DAY
    assert looked_at >= 3
