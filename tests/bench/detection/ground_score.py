"""F1, recovery error and endings of the deviation layer on generated ground (`ground.py`).

    python -m tests.bench.detection.ground_score [--seed N] [--repeats N] [--warm-up ROWS]

An episode takes the first free alarm from one row before its start to five rows after its end; all others are false.
Recovery error is the distance from the last row of the episode to the row at which it was called over. A lasting shift
counts as noticed up to 60 rows after its first 20, and must not be called recovered more
than five rows before the next one, which may take the level back.
The first 150 rows are not scored; a season
that is not a day cannot be known before three cycles, so --warm-up 1000 shows what comes after them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from streams.detection.series import charts, deviation
from streams.domain.deviation import Deviation
from streams.domain.time import YEAR
from streams.policy.signals import DetectionPolicy, SeriesPolicy
from tests.bench.detection import ground

EARLY, LATE, LATE_LEVEL, WARM_UP = 1, 5, 60, 150
GROUPS = ("flat", "seasonal", "trending", "both")


@dataclass
class Found:
    """An episode that the layer found, in rows; `recovered` is None when it did not come back."""

    onset: int
    opened: int
    direction: int = 0
    recovered: int | None = None
    ended_as: str = "open"


@dataclass
class Score:
    """Counts over the series of a group."""

    true: int = 0
    hits: int = 0
    false: int = 0
    delays: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    unclosed: int = 0
    shifts: int = 0
    noticed: int = 0
    wrong: int = 0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / max(1, self.hits + self.false + self.true)

    @property
    def closed(self) -> float:
        """Share of the found episodes that were closed as recovered."""
        return len(self.errors) / max(1, len(self.errors) + self.unclosed)

    @property
    def recovery_error(self) -> float:
        """Median in rows."""
        return median(self.errors) if self.errors else float("nan")

    @property
    def lasting_recovered(self) -> float:
        """Share of the noticed lasting shifts that were called recovered."""
        return self.wrong / max(1, self.noticed)


def limit(step: int) -> float:
    """CUSUM limit of the default policy for this step."""
    rate = DetectionPolicy().max_false_alarms_per_account_year
    return charts.cusum_limit(rate, YEAR / step, SeriesPolicy().cusum_k, 2)


def run(values: Iterable[float], step: int, h: float | None = None) -> list[Found]:
    """The episodes that the layer finds in a series without gaps."""
    state, found = Deviation(), []
    rules = SeriesPolicy()
    h = limit(step) if h is None else h
    origin = None
    for row, value in enumerate(values):
        origin = value if origin is None else origin
        change = deviation.step(state, value - origin, ground.START + row * step, step, h, rules)
        if change is None:
            continue
        where = (change.at - ground.START) // step
        if change.what == "opened":
            found.append(Found(where, row, change.direction))
        else:
            found[-1].ended_as = change.what
            if change.what == "recovered":
                found[-1].recovered = where
    return found


def match(true: list[tuple[int, int]], found: list[Found], late: int) -> tuple[list[tuple[int, Found]], list[Found]]:
    """Each true episode takes its first free alarm; pairs, and the alarms that are left."""
    pairs, used = [], set()
    for k, (first, last) in enumerate(true):
        for j, one in enumerate(found):
            if j not in used and first - EARLY <= one.opened <= last + late:
                used.add(j)
                pairs.append((k, one))
                break
    return pairs, [one for j, one in enumerate(found) if j not in used]


def add(score: Score, one: ground.Ground, found: list[Found], warm_up: int = WARM_UP) -> None:
    """Counts the findings of one series."""
    true = [span for span in one.episodes if span[0] > warm_up]
    found = [each for each in found if each.opened > warm_up]
    if one.kind == "level":
        pairs, _ = match(true, found, LATE_LEVEL)
        score.shifts += len(true)
        for k, each in pairs:
            until = true[k + 1][0] if k + 1 < len(true) else len(one.values)
            score.noticed += 1
            score.wrong += each.recovered is not None and each.recovered < until - LATE
        return
    pairs, wrong = match(true, found, LATE)
    score.true += len(true)
    score.hits += len(pairs)
    score.false += len(wrong)
    for k, each in pairs:
        first, last = true[k]
        score.delays.append(max(0, each.opened - first))
        if each.recovered is None:
            score.unclosed += 1
        else:
            score.errors.append(abs(each.recovered - last))


def score(series: Iterable[ground.Ground], warm_up: int = WARM_UP) -> Score:
    """Runs the layer over the series and scores what it finds."""
    total = Score()
    for one in series:
        add(total, one, run(one.values, one.step), warm_up)
    return total


def line(name: str, total: Score) -> str:
    """One row of the table."""
    errors = sorted(total.errors) or [0]
    return (
        f"{name:18} F1 {total.f1:.3f}  recall {total.hits / max(1, total.true):.3f}  false {total.false:3}"
        f"  delay {median(total.delays or [0]):g}  recovery error {total.recovery_error:g}"
        f" / {errors[int(0.9 * (len(errors) - 1))]}  closed {total.closed:.3f}"
        f"  lasting recovered {total.lasting_recovered:.3f} of {total.noticed}/{total.shifts}"
    )


def main() -> None:
    """Prints the table of all groups."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="first rows that are not scored")
    given = parser.parse_args()
    for group in GROUPS:
        for hard in (False, True):
            began = time.process_time()
            total = score(ground.bank(group, seed=given.seed, hard=hard, repeats=given.repeats), given.warm_up)
            took = time.process_time() - began
            print(line(f"{group} {'hard' if hard else 'white'}", total), f" {took:.1f} s")  # noqa: T201  a command


if __name__ == "__main__":
    main()
