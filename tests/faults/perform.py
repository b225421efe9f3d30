"""One run of one row: brokers, the case, its limits, and what is kept of it."""

from __future__ import annotations

import contextlib
import shutil
import time
import traceback
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.faults.brokers import Brokers, Tier
from tests.faults.case import Case, CaseFailed, Row
from tests.faults.report import Run, run_of, write_evidence


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
    return run


def _limits(row: Row, case: Case) -> None:
    for name, limit in row.limits.items():
        value = case.figures.get(name)
        if value is None:
            raise CaseFailed(f"the figure {name} was not taken")
        if value > limit:
            raise CaseFailed(f"{name} is {value:g}, at most {limit:g} is allowed")
