"""`make fuzz`: a million mutated frames, and whatever else is asked for.

    python -m tests.fuzz                     a million frames of seed 1
    python -m tests.fuzz --frames 50000 --seed 7
    python -m tests.fuzz --guided 300        seconds of coverage-guided fuzzing of the reader
    python -m tests.fuzz --policies 20000    policy files

Exit code 1 when something was found.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz import policies, run


def main(arguments: list[str]) -> int:
    """Runs what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=0, help="mutated frames (1,000,000 when nothing is asked for)")
    parser.add_argument("--policies", type=int, default=0, help="mutated policy files")
    parser.add_argument("--guided", type=int, default=0, help="seconds of coverage-guided fuzzing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=None)
    given = parser.parse_args(arguments)
    if not (given.frames or given.policies or given.guided):
        given.frames = 1_000_000
    found = 0
    if given.frames:
        found += _frames(given.frames, given.seed, given.processes)
    if given.policies:
        found += _policies(given.policies, given.seed)
    if given.guided:
        from tests.fuzz import guided  # noqa: PLC0415  needs atheris, which instruments what is imported after it

        found += guided.campaign(given.guided, given.seed)
    return 1 if found else 0


def _frames(count: int, seed: int, processes: int | None) -> int:
    passed = run.stopwatch()
    console = Console(stderr=True)
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("frames", total=count)

        def advance(frames: int) -> None:
            bar.advance(task, frames)
            if not console.is_terminal:
                print(f"{bar.tasks[0].completed:,.0f} of {count:,} after {passed():.0f} s", file=sys.stderr, flush=True)

        report = run.run(count, seed, advance, processes)
    print("\n".join([*report.lines(), f"took         {passed():.0f} s"]), flush=True)
    held = list(run.traced_growth(seed, min(5_000, count)))
    print(f"held         {', '.join(f'{size / 2**20:.2f}' for size in held)} MB after each round of the same frames")
    return len(report.findings)


def _policies(count: int, seed: int) -> int:
    told: Counter[str] = Counter()
    slowest = 0.0
    for text in itertools.islice(policies.texts(seed), count):
        outcome = policies.attempt(text)
        told[outcome.what.partition(":")[0]] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.what not in {"loaded", "refused"}:
            print(f"{outcome.what}\n{outcome.text[:300]}")
    print(f"policies     {dict(told)}, slowest {slowest * 1000:.0f} ms CPU")
    return sum(count for what, count in told.items() if what not in {"loaded", "refused"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
