"""Runs rows of the fault plan and reports.

python -m tests.faults                     all rows, once, three runs at a time
python -m tests.faults --seeds 3 --jobs 1  all rows with three seeds, one after the other
python -m tests.faults --row 7 --seed 3    one run of one row
python -m tests.faults --list              what there is
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from rich.console import Console

from tests.faults.brokers import Brokers, Tier
from tests.faults.case import Row
from tests.faults.parallel import in_parallel
from tests.faults.perform import perform
from tests.faults.report import Run, table, write_json
from tests.faults.rows import all_rows, rows_of
from tests.support.kafka import unavailable_reason

console = Console(width=None if sys.stdout.isatty() else 200)  # in a file, the table is read in one piece
_UNLISTED = {32}
"""Rows that run only when they are asked for: they take longer than all the others."""
_JOBS = 3
"""Runs mostly wait, for sessions and leases to end: three at a time keep two cores busy and not more."""


def main() -> int:
    """Runs what was asked for; 1 when a run has failed."""
    # Asked to end, it ends its brokers and workers too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    asked = _arguments()
    chosen = _chosen(asked)
    if asked.list:
        _list(chosen)
        return 0
    for name in ("minutes", "backlog", "patience"):
        if getattr(asked, name) is not None:
            os.environ[f"FAULTS_{name.upper()}"] = str(getattr(asked, name))
    directory = asked.keep or Path(tempfile.mkdtemp(prefix="backontrack-faults-"))
    directory.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    plan = list(_plan(asked, chosen))
    if len(plan) > 1:
        console.print(f"{len(plan)} runs, {asked.jobs} at a time, each reported as it ends", highlight=False)
    done = _together(asked, plan) if asked.jobs > 1 and len(plan) > 1 else _alone(asked, plan, directory)
    try:
        for run in done:
            runs.append(run)
            _tell(run)
            if asked.json:
                write_json(asked.json, runs)
    except KeyboardInterrupt:
        console.print("[yellow]interrupted[/]")
    finally:
        done.close()
    console.print(table(runs))
    failed = [run for run in runs if not run.passed]
    for run in failed:
        console.print(f"[red]failed[/] {run.name}: {run.error.splitlines()[0]}", highlight=False)
        console.print(f"       evidence: {run.evidence}", highlight=False, soft_wrap=True)
    if not failed and asked.keep is None:
        shutil.rmtree(directory, ignore_errors=True)
    return int(bool(failed) or not runs)


Planned = tuple[Row, Tier, str, int]
"""A row, where, its variant, and the seed."""


def _alone(asked: argparse.Namespace, plan: list[Planned], directory: Path) -> Generator[Run]:
    brokers = Brokers(directory, asked.bootstrap)
    try:
        for row, tier, variant, seed in plan:
            yield perform(row, tier, seed, brokers, directory, variant, keep=asked.keep is not None)
    finally:
        brokers.close()


def _together(asked: argparse.Namespace, plan: list[Planned]) -> Generator[Run]:
    """Rows whose figures are about speed or memory come last, and one by one."""
    given = [f"--{name}={getattr(asked, name)}" for name in ("bootstrap", "keep") if getattr(asked, name)]
    for alone in (False, True):
        jobs = [
            (f"--row={row.number}", f"--tier={tier.value}", f"--variant={variant}", f"--seed={seed}", *given)
            for row, tier, variant, seed in plan
            if row.alone is alone
        ]
        yield from in_parallel(list(dict.fromkeys(jobs)), 1 if alone else asked.jobs)


def _tell(run: Run) -> None:
    mark = "[green]passed[/]" if run.passed else "[red]failed[/]"
    figures = ", ".join(f"{key} {value:,g}" for key, value in run.figures.items())
    console.print(
        f"{mark} {run.name} in {run.seconds:.0f} s, DUP {run.found.get('DUP', 0)}: {figures}", highlight=False
    )
    if run.error:
        console.print(run.error, highlight=False, markup=False)


def _chosen(asked: argparse.Namespace) -> list[Row]:
    if not asked.row:
        return [row for row in all_rows() if row.number not in _UNLISTED or asked.list]
    found = [row for number in asked.row for row in rows_of(number)]
    if not found:
        raise SystemExit(f"there is no row {', '.join(map(str, asked.row))}")
    return found


def _plan(asked: argparse.Namespace, rows: list[Row]) -> Iterator[Planned]:
    for row in rows:
        for tier in row.tiers:
            if asked.tier and tier.value not in asked.tier:
                continue
            if tier is not Tier.EMBEDDED and (reason := unavailable_reason()):
                console.print(f"[yellow]row {row.number} skipped[/]: {reason}")
                continue
            for variant in row.variants:
                if asked.variant and variant not in asked.variant:
                    continue
                if reason := row.unavailable(variant):
                    console.print(f"[yellow]row {row.number} {variant} skipped[/]: {reason}")
                    continue
                seeds = [asked.seed] if asked.seed is not None else range(1, asked.seeds + 1)
                for seed in seeds:
                    yield row, tier, variant, seed


def _list(rows: list[Row]) -> None:
    for row in rows:
        variants = f", {len(row.variants)} variants" if len(row.variants) > 1 else ""
        tiers = "+".join(tier.value for tier in row.tiers)
        console.print(f"{row.number:>3}  {row.title}  ({tiers}{variants})", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", type=int, action="append", help="a row of the plan; may be repeated")
    parser.add_argument("--seed", type=int, help="this seed only")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 1 to N of each row (1)")
    parser.add_argument("--variant", action="append", help="only this variant of the row; may be repeated")
    parser.add_argument("--tier", action="append", choices=[tier.value for tier in Tier], help="only on this tier")
    parser.add_argument("--jobs", type=int, default=_JOBS, metavar="N", help=f"so many runs at a time ({_JOBS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and evidence of all runs here")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker to use instead of one real broker")
    parser.add_argument("--minutes", type=float, help="length of the soak, row 32 (60)")
    parser.add_argument("--backlog", type=int, help="records that wait at the start of row 27 (200,000)")
    parser.add_argument("--patience", type=float, help="stretches limits of waiting and thins loads (1)")
    parser.add_argument("--list", action="store_true", help="what there is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
