"""The report of a run of the suite: JSON for machines, a table for people; and the evidence of what failed."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.faults.case import Case
from tests.faults.verifier import KINDS

_SHOWN = ("LOST", "ALIEN", "WRONG", "STATE", "DLQ", "OFFSETS", "HEALTH")
_OTHER = tuple(kind for kind in KINDS if kind not in _SHOWN)


@dataclass
class Run:
    """What one run of a row came to."""

    row: int
    title: str
    tier: str
    seed: int
    variant: str = ""
    passed: bool = False
    seconds: float = 0.0
    found: dict[str, int] = field(default_factory=dict)
    """Findings by kind, and DUP."""
    figures: dict[str, float] = field(default_factory=dict)
    timeline: list[tuple[float, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    error: str = ""
    evidence: str = ""

    @property
    def name(self) -> str:
        """As it is asked for again."""
        variant = f" {self.variant}" if self.variant else ""
        return f"row {self.row} on {self.tier}{variant} seed {self.seed}"


def run_of(case: Case, seconds: float, error: str) -> Run:
    """The result of a case that is over."""
    verdict = case.verdict
    made = Run(
        case.row.number,
        case.row.title,
        case.tier.value,
        case.seed,
        case.variant,
        not error,
        round(seconds, 1),
        timeline=case.timeline,
        error=error,
    )
    made.figures = dict(case.figures)
    if verdict is not None:
        made.found = verdict.row()
        made.words = verdict.words
        made.figures |= verdict.figures
    return made


def write_json(path: Path, runs: list[Run]) -> None:
    """All runs, complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n", encoding="utf-8")


def table(runs: list[Run]) -> Table:
    """One line a row and tier."""
    made = Table("row", "what", "tier", "runs", "failed", "seeds", *_SHOWN, "other", "DUP", "R (s)", "decisions")
    grouped: dict[tuple[int, str], list[Run]] = defaultdict(list)
    for run in runs:
        grouped[run.row, run.tier].append(run)
    for (number, tier), group in sorted(grouped.items()):
        failed = sum(not run.passed for run in group)
        recovery = max((run.figures.get("recovery_s", 0.0) for run in group), default=0.0)
        made.add_row(
            str(number),
            group[0].title,
            tier,
            str(len(group)),
            f"[red]{failed}[/]" if failed else "0",
            _seeds(group),
            *(str(_sum(group, kind)) for kind in _SHOWN),
            str(sum(_sum(group, kind) for kind in _OTHER)),
            str(_sum(group, "DUP")),
            f"{recovery:.1f}" if recovery else "",
            f"{sum(_decisions(run) for run in group):,.0f}",
        )
    return made


def write_evidence(case: Case, run: Run) -> None:
    """Puts the report, the ledger and everything that lies on the brokers beside the logs of the workers."""
    directory = case.directory
    run.evidence = str(directory)
    (directory / "report.json").write_text(json.dumps(asdict(run), indent=1) + "\n", encoding="utf-8")
    with (directory / "ledger.jsonl").open("w", encoding="utf-8") as file:
        for line in case.ledger.lines:
            file.write(json.dumps({**line._asdict(), "digest": line.digest.hex()}) + "\n")
    if case.logs is None:
        return
    dumped: dict[str, list[Any]] = {**case.logs.inputs, **case.logs.outputs, "changelog": case.logs.changelog}
    for name, records in dumped.items():
        with (directory / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for record in records:
                file.write(
                    json.dumps(
                        {
                            "partition": record.partition,
                            "offset": record.offset,
                            "time": record.time,
                            "key": _text(record.key),
                            "headers": [[key, _text(value)] for key, value in record.headers],
                            "value": None if record.value is None else record.value.hex(),
                        }
                    )
                    + "\n"
                )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


def _sum(group: list[Run], kind: str) -> int:
    return sum(run.found.get(kind, 0) for run in group)


def _decisions(run: Run) -> float:
    return sum(
        run.figures.get(name, 0) for name in ("interventions", "intervention-outcomes", "suppressed-interventions")
    )


def _seeds(group: list[Run]) -> str:
    seeds = sorted({run.seed for run in group})
    whole = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}-{seeds[-1]}" if whole else ",".join(map(str, seeds))
