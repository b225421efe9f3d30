"""What each ingredient of the novelty layer brings: the layer with one of them switched off, on the public NAB series.

    python -m tests.bench.detection.nab_ablation [--limits 1.5,1.6,...]

The data are found as for the tests (`tests/support/data.py`). Intervals of the score are 20 points wide: differences
below three points say little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from streams.detection.series import novelty, tail
from streams.domain.novelty import Novelty
from streams.policy.signals import SeriesPolicy
from tests.bench.detection.nab_score import Result, Series, load, result
from tests.bench.report import Report, Row
from tests.support.data import data_directory

Parts = tuple[float, float, float, float, float]
"""Decades of level, clock, sustained, volatility and record in a row."""
Combine = Callable[..., float]
LIMITS = (1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.1, 2.2, 2.4, 2.6, 3.0)


@dataclass(frozen=True)
class Ablation:
    """A variant: constants to replace, how the residuals are put together, and how an alarm holds back the next."""

    name: str
    combine: Combine = novelty.combined
    renew: Callable[[Novelty, float, float], float] = novelty.renewed
    residuals: tuple[tuple[Any, str, Any], ...] = ()
    memory: tuple[tuple[Any, str, Any], ...] = ()


def _without(index: int) -> Combine:
    return lambda *parts: novelty.combined(*(0.0 if i == index else x for i, x in enumerate(parts)))


def _no_record(level: float, clock: float, sustained: float, volatility: float, _: float) -> float:
    """The excursion is then the tail alone, not half of it."""
    excursion = max(level, clock)
    return novelty.combined(excursion, 0.0, sustained, volatility, excursion)


def _record_alone(_level: float, _clock: float, sustained: float, volatility: float, record: float) -> float:
    return novelty.combined(record, 0.0, sustained, volatility, record)


def _largest(level: float, clock: float, sustained: float, volatility: float, record: float) -> float:
    alone = ((level, clock, 0.0, 0.0, record), (0.0, 0.0, sustained, 0.0, 0.0), (0.0, 0.0, 0.0, volatility, 0.0))
    return max(novelty.combined(*parts) for parts in alone)


def _never_out_of_hours(level: float, clock: float, sustained: float, volatility: float, record: float) -> float:
    return novelty.combined(max(level, clock), 0.0, sustained, volatility, record)


def _never_repeated(state: Novelty, evidence: float, limit: float) -> float:
    state.repeats = 0
    return novelty.renewed(state, evidence, limit)


ABLATIONS = (
    Ablation("all"),
    Ablation("without level tail", _without(0)),
    Ablation("without clock", _without(1)),
    Ablation("clock only beside the record", _never_out_of_hours),
    Ablation("without sustained", _without(2)),
    Ablation("without volatility", _without(3)),
    Ablation("without record", _no_record),
    Ablation("record in place of level and clock", _record_alone),
    Ablation("largest instead of sum", _largest),
    Ablation("tails of any thinness", residuals=((tail, "HEAVIEST", float("inf")),)),
    Ablation("alarms repeat at the same pace", renew=_never_repeated),
    Ablation("memory 100 rows", memory=((novelty, "MEMORY", 100.0), (novelty, "MEMORY_SHARE", 1e9))),
    Ablation("memory 200 rows", memory=((novelty, "MEMORY_SHARE", 1e9),)),
    Ablation("no memory of alarms", renew=lambda _state, evidence, _limit: evidence),
)


@contextmanager
def _replaced(changes: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """The attributes with other values, while it lasts."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def evidence_rows(series: Series, changes: Sequence[tuple[Any, str, Any]] = ()) -> list[tuple[int, Parts]]:
    """Rows (from 1) in which any residual says something, with what each says."""
    rows: list[tuple[int, Parts]] = []
    state, rules = Novelty(), SeriesPolicy()

    def kept(*parts: float) -> float:
        if any(parts):
            rows.append((state.n, parts))  # type: ignore[arg-type]  # five of them
        return 0.0

    with _replaced([*changes, (novelty, "combined", kept)]):
        for at, value in zip(series.ats, series.values, strict=True):
            novelty.step(state, value - series.values[0], at, rules, up=True, down=True)
    return rows


def alarms(rows: Sequence[tuple[int, Parts]], ablation: Ablation, limit: float) -> list[int]:
    """Rows (from 0) at which the variant raises an alarm."""
    state, raised = Novelty(), []
    with _replaced(ablation.memory):
        for row, parts in rows:
            state.n = row
            evidence = ablation.combine(*parts)
            if evidence > 0 and ablation.renew(state, evidence, limit) > limit:
                raised.append(row - 1)
    return raised


def table(series: Sequence[Series], limits: Sequence[float]) -> list[Row]:
    """A row an ablation: figures at the policy's limit, and the best standard score at any of the limits."""
    usual = [evidence_rows(one) for one in series]
    rows: list[Row] = []
    at = SeriesPolicy().novelty_limit
    for ablation in ABLATIONS:
        evidence = [evidence_rows(one, ablation.residuals) for one in series] if ablation.residuals else usual
        results: dict[float, Result] = {
            limit: result(series, [alarms(one, ablation, limit) for one in evidence]) for limit in {at, *limits}
        }
        best = max(results, key=lambda limit: results[limit].scores["standard"])
        here = results[at]
        rows.append(
            {
                "variant": ablation.name,
                "standard": here.scores["standard"],
                "low FP": here.scores["low FP"],
                "low FN": here.scores["low FN"],
                "recall": here.recall,
                "precision": here.precision,
                "false runs/1000": 1000 * here.false_runs / here.rows,
                "best standard": results[best].scores["standard"],
                "at limit": best,
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table. Returns 1 without data."""
    parser = argparse.ArgumentParser(description="The novelty layer with each ingredient switched off, on public NAB.")
    parser.add_argument(
        "--limits",
        type=lambda text: tuple(float(word) for word in text.split(",")),
        default=LIMITS,
        help="limits among which the best is looked for, with commas",
    )
    asked = parser.parse_args(arguments)
    base = data_directory()
    if base is None or not (base / "nab").is_dir():
        print("no data: set BACKONTRACK_DATA to the folder with nab/usage.csv.gz", file=sys.stderr)  # noqa: T201  a command
        return 1
    series = load(base / "nab")
    report = Report(f"NAB, public half, limit {SeriesPolicy().novelty_limit}", table(series, asked.limits))
    report.show(Console(width=None if sys.stdout.isatty() else 160))
    return 0


if __name__ == "__main__":
    sys.exit(main())
