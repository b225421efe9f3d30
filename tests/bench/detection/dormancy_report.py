"""Prints how well the probability of being gone is calibrated on the public CDNOW cohort.

    python -m tests.bench.detection.dormancy_report

Nine months of purchases are known; gone means no purchase in the next 39 weeks. One table for 1, 8 and 64 partitions,
of which each learns from its own accounts only.
"""

from __future__ import annotations

import csv
import gzip
import sys
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams import topics
from streams.detection.dormancy import probability_gone
from streams.domain.time import parse_time
from streams.policy.load import default_policy
from tests.support.data import data_directory
from tests.support.offline import OfflineLog, fold_log

EDGES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 1.0)
Pairs = list[tuple[float, bool]]
"""Probability, and whether the account was gone."""


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a compressed CSV file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def judged(data: Path, partitions: int) -> Pairs:
    """The whole core on the purchases, on so many partitions."""
    labels = rows(data / "labels.csv.gz")
    until, policy = parse_time(labels[0]["until"]), default_policy()
    log = OfflineLog(partitions)
    bought = sorted(
        (parse_time(row["time"]), row["account_id"], number, row)
        for number, row in enumerate(rows(data / "usage.csv.gz"))
    )
    for at, account_id, number, row in bought:
        log.append(topics.USAGE, account_id, at, {
            "event_id": f"row-{number}", "account_id": account_id, "occurred_at": at, "source": "", "traceparent": None,
            "cohort": None, "metric": row["metric"], "value": float(row["value"]), "unit": "",
        })  # fmt: skip
    log.tick(until)
    chance = {
        account.account_id: probability_gone(account, fold.state, until, policy)
        for fold, _ in fold_log(log, policy)
        for account in fold.accounts.values()
    }
    return sorted((chance[row["account_id"]], row["purchase_days_next_39_weeks"] == "0") for row in labels)


def auc(pairs: Pairs) -> float:
    """Probability that a gone account is ranked above one that came back; ties count half."""
    ranks: dict[float, tuple[int, int]] = {}
    for chance, gone in pairs:
        came, went = ranks.get(chance, (0, 0))
        ranks[chance] = (came + (not gone), went + gone)
    below = total = won = 0.0
    for _, (came, went) in sorted(ranks.items()):
        won += went * (below + came / 2)
        below += came
        total += went
    return won / (below * total)


def main() -> int:
    """Prints the tables; 1 when the data are not there."""
    base, console = data_directory(), Console()
    if base is None or not (base / "cdnow").is_dir():
        console.print("The public CDNOW data are not here: set BACKONTRACK_DATA.")
        return 1
    for partitions in (1, 8, 64):
        pairs = judged(base / "cdnow", partitions)
        brier = sum((chance - gone) ** 2 for chance, gone in pairs) / len(pairs)
        right = sum((chance >= 0.5) == gone for chance, gone in pairs) / len(pairs)
        title = f"{partitions} partitions: AUC {auc(pairs):.3f}, accuracy {right:.3f}, Brier {brier:.3f}"
        table = Table("predicted", "accounts", "mean predicted", "gone", title=title)
        error = 0.0
        for low, high in pairwise(EDGES):
            part = [(chance, gone) for chance, gone in pairs if low <= chance < high]
            if part:
                expected, gone = (sum(values) / len(part) for values in zip(*part, strict=True))
                error += abs(expected - gone) * len(part) / len(pairs)
                table.add_row(f"{low:.2f} to {high:.2f}", f"{len(part)}", f"{expected:.3f}", f"{gone:.3f}")
        table.caption = f"calibration error {error:.3f}"
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
