"""The score of the Numenta Anomaly Benchmark, from the rows at which an alarm was raised.

Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms, 2015: 100 (S - silence)/(perfect - silence). A
window earns what its earliest alarm is worth, most at its start; an alarm outside costs, less so just after a window; a
missed window costs. The first 15 % of a series, at most 750 rows, are not scored.
"""

from __future__ import annotations

import bisect
import csv
import gzip
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

PROBATION, PROBATION_ROWS = 0.15, 750
PROFILES = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}
"""What a false alarm and a missed window cost; a hit is worth 1."""


@dataclass
class Series:
    """A labelled series: event times in ms, values, and the windows as first and last row."""

    name: str
    ats: list[int]
    values: list[float]
    windows: list[tuple[int, int]]


class Result(NamedTuple):
    """Figures of a detector over a set of series."""

    scores: Mapping[str, float]
    found: int
    windows: int
    false_runs: int
    rows: int

    @property
    def recall(self) -> float:
        """Share of the windows with an alarm."""
        return self.found / self.windows

    @property
    def precision(self) -> float:
        """Windows found over windows found and chains of neighbouring alarms outside."""
        return self.found / max(1, self.found + self.false_runs)


def load(folder: Path) -> list[Series]:
    """The series of `usage.csv.gz` with the windows of `labels.csv.gz`, sorted by name."""
    series: dict[str, Series] = {}
    for row in _rows(folder / "usage.csv.gz"):
        one = series.setdefault(row["account_id"], Series(row["account_id"], [], [], []))
        one.ats.append(_ms(row["time"]))
        one.values.append(float(row["value"]))
    for row in _rows(folder / "labels.csv.gz"):
        one = series[row["account_id"]]
        one.windows.append(
            (bisect.bisect_left(one.ats, _ms(row["start"])), bisect.bisect_left(one.ats, _ms(row["end"])))
        )
    for one in series.values():
        one.windows.sort()
    return [series[name] for name in sorted(series)]


def result(series: Sequence[Series], alarms: Sequence[Collection[int]]) -> Result:
    """Scores by profile and counts, for the rows (from 0) at which each series raised an alarm."""
    totals = dict.fromkeys(PROFILES, 0.0)
    found = false_runs = rows = 0
    for one, raised in zip(series, alarms, strict=True):
        start = int(min(PROBATION * len(one.ats), PROBATION_ROWS))
        heard = sorted(row for row in raised if row >= start)
        rows += len(one.ats) - start
        first: dict[int, int] = {}
        outside = []
        for row in heard:
            window = bisect.bisect_right(one.windows, (row, math.inf)) - 1
            if window >= 0 and row <= one.windows[window][1]:
                first.setdefault(window, row)
            else:
                outside.append((row, window))
        found += len(first)
        false_runs += sum(
            index == 0 or row - outside[index - 1][0] > 1 or window != outside[index - 1][1]
            for index, (row, window) in enumerate(outside)
        )
        for profile, (false, missed) in PROFILES.items():
            totals[profile] += false * sum(_after(one, row, window) for row, window in outside)
            for index, (left, right) in enumerate(one.windows):
                if index in first:
                    totals[profile] += _sigmoid(-(right - first[index] + 1) / (right - left + 1)) / _sigmoid(-1.0)
                elif right >= start:
                    totals[profile] -= missed
    windows = sum(len(one.windows) for one in series)
    scores = {
        profile: 100 * (totals[profile] + missed * windows) / (windows + missed * windows)
        for profile, (_, missed) in PROFILES.items()
    }
    return Result(scores, found, windows, false_runs, rows)


def _after(one: Series, row: int, window: int) -> float:
    """Worth of an alarm outside windows, `window` being the newest before it: from 0 just after it to -1."""
    if window < 0:
        return -1.0
    left, right = one.windows[window]
    return _sigmoid((row - right) / max(1.0, right - left))


def _sigmoid(y: float) -> float:
    return 2.0 / (1.0 + math.exp(5.0 * y)) - 1.0 if y <= 3.0 else -1.0


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
