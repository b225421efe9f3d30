"""The rows of the fault plan, one file each: `r07_rebalance_storm.py` with a `ROW`, or several in `ROWS`."""

from __future__ import annotations

import importlib
import pkgutil

from tests.faults.case import Row


def all_rows() -> list[Row]:
    """Every row, by number. A file that cannot be imported stops the suite."""
    found: list[Row] = []
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("r"):
            continue
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found += getattr(loaded, "ROWS", None) or [loaded.ROW]
    return sorted(found, key=lambda row: (row.number, row.tiers[0].value))


def rows_of(number: int) -> list[Row]:
    """Those of one number; imports their files only."""
    found: list[Row] = []
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith(f"r{number:02d}_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found += getattr(loaded, "ROWS", None) or [loaded.ROW]
    return found
