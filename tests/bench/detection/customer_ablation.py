"""What each ingredient of the customers' detector is worth on labelled weekly spend (completejourney).

    python -m tests.bench.detection.customer_ablation

Closed weeks go through the worker's own normal and detector, without the rest of the core; alarms are matched with the
labels as `score.py` does it: opened from one week before to eight weeks after a labelled start, one to one. Prints the
full detector, then each ingredient taken away, then the figure to expect on other households: limit chosen on four
fifths of them, scored on the fifth.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import typer

from streams.detection import hurdle, relative
from streams.domain.signal import Signals, SignalState
from streams.domain.time import WEEK, YEAR, parse_time
from streams.health import normal
from streams.policy.load import default_policy
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy
from tests.support.data import data_directory

_EARLY, _LATE, _LEARNING = WEEK, 8 * WEEK, 7 * WEEK
_FOLDS, _SPLITS = 5, 20
_MOST_FALSE = 0.2

Weeks = list[tuple[int, float]]


class Drop(NamedTuple):
    """A labelled drop; `end` is None when it lasts."""

    start: int
    end: int | None


@dataclass(slots=True)
class Found:
    """An episode of the detector."""

    onset: int
    opened: int
    recovered: int | None = None
    ended_as: str = "open"


@dataclass(slots=True)
class Tally:
    """What came of one household, or of many."""

    drops: int = 0
    hits: int = 0
    false: int = 0
    years: float = 0.0
    delays: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    came_back: int = 0
    lasting: int = 0
    wrongly_back: int = 0

    def add(self, other: Tally) -> None:
        """Takes in the figures of another."""
        for name in ("drops", "hits", "false", "years", "came_back", "lasting", "wrongly_back"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays
        self.errors += other.errors

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / max(1, self.drops + self.hits + self.false)

    @property
    def false_a_year(self) -> float:
        """False alarms per account-year."""
        return self.false / self.years if self.years else 0.0

    def row(self) -> str:
        """One line of the table."""
        precision, recall = self.hits / max(1, self.hits + self.false), self.hits / max(1, self.drops)
        delay = median(self.delays) if self.delays else inf
        error = median(self.errors) if self.errors else inf
        return (
            f"{self.f1:6.3f}{precision:7.3f}{recall:7.3f}{self.false_a_year:8.3f}{delay:7.1f}{error:7.1f}"
            f"{len(self.errors):5d}/{self.came_back:<3d}{self.wrongly_back:4d}/{self.lasting:<3d}"
        )


def read(folder: Path) -> tuple[dict[str, Weeks], dict[str, list[Drop]]]:
    """Weeks of the households, in order, and their labelled drops."""
    weeks: dict[str, Weeks] = {}
    with gzip.open(folder / "usage.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            weeks.setdefault(row["account_id"], []).append((parse_time(row["time"]), float(row["value"])))
    drops: dict[str, list[Drop]] = {name: [] for name in weeks}
    with gzip.open(folder / "labels.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            end = parse_time(row["end"]) if row["end"] else None
            drops[row["account_id"]].append(Drop(parse_time(row["start"]), end))
    return weeks, drops


def detect(weeks: Weeks, metric: MetricPolicy, policy: Policy) -> list[Found]:
    """Episodes of one household. A row is stamped with the end of its week."""
    account, signal = Signals(), SignalState()
    account.metrics["spend"] = signal
    found: list[Found] = []
    for end, value in weeks:
        start = end - WEEK
        normal.learn(signal, normal.working(value, metric), start, metric, policy.detection.relative)
        if relative.judge(account, "spend", signal, metric, policy, end):
            found.append(Found(signal.onset_at, end))
        for over in account.ended:
            for episode in found:
                if episode.ended_as == "open" and episode.onset == over.onset_at:
                    episode.ended_as = over.ended_as
                    episode.recovered = over.at + WEEK if over.ended_as == "recovered" else None
        account.ended.clear()
    return found


def tally(weeks: Weeks, drops: list[Drop], found: list[Found]) -> Tally:
    """Matches the episodes of one household with its labels."""
    result = Tally(drops=len(drops), years=(weeks[-1][0] - weeks[0][0] - _LEARNING) / YEAR)
    free = list(found)
    for drop in sorted(drops):
        episode = next((e for e in free if drop.start - _EARLY <= e.opened <= drop.start + _LATE), None)
        if episode is None:
            continue
        free.remove(episode)
        result.hits += 1
        result.delays.append((episode.opened - drop.start) / WEEK + 1)
        if drop.end is None:
            result.lasting += 1
            result.wrongly_back += episode.ended_as == "recovered"
        else:
            result.came_back += 1
            if episode.recovered is not None:
                result.errors.append(abs(episode.recovered - drop.end) / WEEK)
    result.false = len(free)
    return result


def run(
    data: tuple[dict[str, Weeks], dict[str, list[Drop]]],
    metric: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
) -> dict[str, Tally]:
    """Figures by household under the shipped policy, with changes to the metric and to `detection.relative`."""
    policy = default_policy()
    changed = policy.detection.relative.model_copy(update=dict(rules or {}))
    policy = policy.model_copy(update={"detection": policy.detection.model_copy(update={"relative": changed})})
    spend = policy.metrics["spend"].model_copy(update=dict(metric or {}))
    weeks, drops = data
    return {name: tally(rows, drops[name], detect(rows, spend, policy)) for name, rows in weeks.items()}


def total(figures: Mapping[str, Tally]) -> Tally:
    """All households together."""
    result = Tally()
    for one in figures.values():
        result.add(one)
    return result


@contextmanager
def replaced(module: Any, name: str, by: object) -> Iterator[None]:
    """Another function or number in the place of one of a module."""
    before = getattr(module, name)
    setattr(module, name, by)
    try:
        yield
    finally:
        setattr(module, name, before)


def cross_validated(by_limit: Mapping[float, Mapping[str, Tally]]) -> tuple[float, float, float, float]:
    """Mean, least and greatest F1 over the splits, and mean false alarms per account-year."""
    scores, rates = [], []
    names = list(next(iter(by_limit.values())))
    for split in range(_SPLITS):
        fold = {name: hashlib.sha256(f"{split}:{name}".encode()).digest()[0] % _FOLDS for name in names}
        held = Tally()
        for part in range(_FOLDS):
            learnt = {h: total({n: t[n] for n in names if fold[n] != part}) for h, t in by_limit.items()}
            fit = [h for h, one in learnt.items() if one.false_a_year <= _MOST_FALSE]
            best = max(fit or learnt, key=lambda h: learnt[h].f1)
            held.add(total({name: by_limit[best][name] for name in names if fold[name] == part}))
        scores.append(held.f1)
        rates.append(held.false_a_year)
    return sum(scores) / _SPLITS, min(scores), max(scores), sum(rates) / _SPLITS


VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the detector", {}, {}),
    ("no square root", {"transform": "none"}, {}),
    ("noise: no floor at .35 of normal", {"noise_share": 0.0}, {}),
    ("noise: no term for sparse series", {}, {"sparse_noise": 0.0}),
    ("noise: standard deviation", {}, {"sparse_noise": 1.0}),
    ("noise: remembers 26 weeks", {}, {"memory": 26}),
    ("no preference for quiet stretches", {}, {"quiet_bonus": 0.0}),
    ("at least 3 low weeks", {"min_run": 3}, {}),
    ("at least 5 low weeks", {"min_run": 5}, {}),
    ("window of 10 weeks", {}, {"window": 10}),
    ("no age limit", {}, {"max_age": 32}),
    ("drop to .7 of normal", {"drop_ratio": 0.7}, {}),
]


def main() -> None:
    """Prints the tables."""
    base = data_directory()
    if base is None or not (base / "completejourney").is_dir():
        raise SystemExit("completejourney is not there: set BACKONTRACK_DATA to the folder of the public data")
    data = read(base / "completejourney")
    typer.echo(
        f"{'':36}{'F1':>6}{'prec':>7}{'recall':>7}{'false/y':>8}{'delay':>7}{'error':>7}{'closed':>8}{'wrong':>8}"
    )

    def show(name: str, metric: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
        typer.echo(f"{name:36}{total(run(data, metric, rules)).row()}")

    for name, metric, rules in VARIANTS:
        show(name, metric, rules)
    with replaced(hurdle, "allowance", lambda empty, limit: inf):  # noqa: ARG005  the same call
        show("no hurdle model", {}, {})
    with replaced(relative, "_without_worst", lambda *_: (0.0, 0.0)):
        show("a lost report may be a drop", {}, {})
    with replaced(relative, "_RETURN", 1.0):
        show("a return needs the whole limit", {}, {})
    by_limit = {}
    for limit in (8.0, 10.0, 11.0, 11.5, 12.0, 12.5, 13.0, 14.0, 17.0, 20.0):
        by_limit[limit] = run(data, {"evidence": limit})
        typer.echo(f"{f'evidence {limit:g}':36}{total(by_limit[limit]).row()}")
    mean, least, most, rate = cross_validated(by_limit)
    typer.echo(
        f"cross-validated F1 {mean:.3f} ({least:.3f} to {most:.3f} over {_SPLITS} splits), false alarms {rate:.3f}"
    )


if __name__ == "__main__":
    main()
