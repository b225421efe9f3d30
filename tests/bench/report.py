"""What a measurement found: rows for a table, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

Cell = str | float | None
Row = Mapping[str, Cell]


@dataclass
class Report:
    """One measurement: a table (the first row names the columns), figures about the whole, and remarks."""

    name: str
    rows: Sequence[Row]
    facts: dict[str, Cell] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Prints the table, the facts and the remarks."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        table = Table(title=self.name, title_justify="left", title_style="bold")
        for name in columns:
            numeric = any(isinstance(row.get(name), int | float) for row in self.rows)
            table.add_column(name, justify="right" if numeric else "left")
        for row in self.rows:
            table.add_row(*(text(row.get(name)) for name in columns))
        console.print(table)
        for name, value in self.facts.items():
            console.print(f"  {name}: {text(value)}", highlight=False)
        for remark in self.remarks:
            console.print(remark, highlight=False, markup=False)


def text(value: Cell) -> str:
    """A cell for people: large numbers in groups, small ones with three digits that mean something."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    size = abs(value)
    if isinstance(value, int) or size >= 1_000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def machine() -> dict[str, Cell]:
    """What a reader must know about where the figures come from; a load above 0 says that they are disturbed."""
    return {
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def save(reports: Sequence[Report], target: str) -> None:
    """Writes the reports as JSON to a file, or to stdout for `-`."""
    document = json.dumps({"machine": machine(), "reports": [asdict(report) for report in reports]}, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(document)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(document, encoding="utf-8")
