"""Runs rows of the fault plan and reports.

python -m tests.faults                     all rows, each with its seeds
python -m tests.faults --row 7 --seed 3    one run of one row
python -m tests.faults --list              what there is
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.faults.brokers import Brokers, Tier
from tests.faults.case import Case, CaseFailed, Row
from tests.faults.report import Run, run_of, table, write_evidence, write_json
from tests.faults.rows import all_rows, rows_of
from tests.support.kafka import unavailable_reason

console = Console(width=None if sys.stdout.isatty() else 200)  # in a file, the table is read in one piece
_UNLISTED = {32}
"""Rows that run only when they are asked for: they take longer than all the others."""


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
    brokers = Brokers(directory, asked.bootstrap)
    runs: list[Run] = []
    try:
        for row, tier, variant, seed in _plan(asked, chosen):
            runs.append(perform(row, tier, seed, brokers, directory, variant, keep=asked.keep is not None))
            if asked.json:
                write_json(asked.json, runs)
    except KeyboardInterrupt:
        console.print("[yellow]interrupted[/]")
    finally:
        brokers.close()
    console.print(table(runs))
    failed = [run for run in runs if not run.passed]
    for run in failed:
        console.print(f"[red]failed[/] {run.name}: {run.error.splitlines()[0]}", highlight=False)
        console.print(f"       evidence: {run.evidence}", highlight=False, soft_wrap=True)
    if not failed and asked.keep is None:
        shutil.rmtree(directory, ignore_errors=True)
    return int(bool(failed) or not runs)


def perform(
    row: Row, tier: Tier, seed: int, brokers: Brokers, directory: Path, variant: str = "", *, keep: bool = False
) -> Run:
    """Runs one case to its end, whatever that is."""
    name = "-".join(filter(None, (f"r{row.number:02d}", tier.value, variant, f"s{seed}")))
    place = directory / f"{name}-{int(time.time() * 1000) % 100_000_000:08d}"
    place.mkdir(parents=True)
    began = time.monotonic()
    error = ""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name)

        def told(text: str) -> None:
            bar.update(task, description=f"{name}: {text}")

        told("brokers")
        broker = brokers.own(tier) if row.own_broker else brokers.shared(tier)
        try:
            with Case(row, tier, seed, broker, place, variant, told) as case:
                try:
                    row.run(case)
                    _limits(row, case)
                except CaseFailed as failed:
                    error = str(failed)
                except Exception as failed:  # noqa: BLE001  the next run goes on
                    error = f"{type(failed).__name__}: {failed}\n{traceback.format_exc()}"
                if error and case.logs is None:
                    with contextlib.suppress(Exception):  # evidence only: the brokers may be gone
                        case.read()
        finally:
            if row.own_broker:
                broker.close()
    run = run_of(case, time.monotonic() - began, error)
    if error:
        write_evidence(case, run)
    elif not keep:
        shutil.rmtree(place, ignore_errors=True)
    mark = "[green]passed[/]" if run.passed else "[red]failed[/]"
    figures = ", ".join(f"{key} {value:,g}" for key, value in run.figures.items())
    console.print(
        f"{mark} {run.name} in {run.seconds:.0f} s, DUP {run.found.get('DUP', 0)}: {figures}", highlight=False
    )
    if error:
        console.print(error, highlight=False, markup=False)
    return run


def _chosen(asked: argparse.Namespace) -> list[Row]:
    if not asked.row:
        return [row for row in all_rows() if row.number not in _UNLISTED or asked.list]
    found = [row for number in asked.row for row in rows_of(number)]
    if not found:
        raise SystemExit(f"there is no row {', '.join(map(str, asked.row))}")
    return found


def _limits(row: Row, case: Case) -> None:
    for name, limit in row.limits.items():
        value = case.figures.get(name)
        if value is None:
            raise CaseFailed(f"the figure {name} was not taken")
        if value > limit:
            raise CaseFailed(f"{name} is {value:g}, at most {limit:g} is allowed")


def _plan(asked: argparse.Namespace, rows: list[Row]) -> Iterator[tuple[Row, Tier, str, int]]:
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
                seeds = [asked.seed] if asked.seed is not None else range(1, (asked.seeds or row.seeds) + 1)
                for seed in seeds:
                    yield row, tier, variant, seed


def _list(rows: list[Row]) -> None:
    for row in rows:
        variants = f", {len(row.variants)} variants" if len(row.variants) > 1 else ""
        tiers = "+".join(tier.value for tier in row.tiers)
        console.print(f"{row.number:>3}  {row.title}  ({tiers}, {row.seeds} seeds{variants})", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", type=int, action="append", help="a row of the plan; may be repeated")
    parser.add_argument("--seed", type=int, help="this seed only")
    parser.add_argument("--seeds", type=int, help="seeds 1 to N instead of what the row names")
    parser.add_argument("--variant", action="append", help="only this variant of the row; may be repeated")
    parser.add_argument("--tier", action="append", choices=[tier.value for tier in Tier], help="only on this tier")
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
