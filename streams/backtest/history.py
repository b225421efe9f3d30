"""The files of a backtest: where they are, how much they hold, and their events in time order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from streams.domain.partitioner import partition_of
from streams.domain.time import parse_time
from streams.history import BadRow, HistoryFile, Row
from streams.history_mapping import HistoryError


@dataclass(frozen=True, slots=True)
class Survey:
    """What one cheap look at all files has shown."""

    files: Mapping[str, Path]
    """By topic."""
    partitions: int
    rows: int
    by_partition: Mapping[int, int]
    """Rows by partition."""
    in_order: Mapping[str, bool]
    """Which files are in time order, by topic."""


def survey(files: Mapping[str, Path], partitions: int) -> Survey:
    """Counts rows and looks at their order; what is wrong with a row is left to the reading. Raises HistoryError."""
    by_account: Counter[str] = Counter()
    in_order: dict[str, bool] = {}
    for topic, path in files.items():
        in_order[topic] = _look(HistoryFile(path, topic), by_account)
    by_partition: Counter[int] = Counter()
    for account, rows in by_account.items():
        by_partition[partition_of(account.encode(), partitions)] += rows
    return Survey(files, partitions, by_account.total(), by_partition, in_order)


def _look(file: HistoryFile, by_account: Counter[str]) -> bool:
    """Adds up the rows of each account. True when the file is in time order."""
    seen: Any = None
    newest, in_order = None, True
    for account, text in file.cells("account_id", "occurred_at"):
        by_account[str(account)] += 1
        if in_order and text != seen:
            seen, at = text, _moment(text)
            in_order = at is not None and (newest is None or at >= newest)
            newest = at
    return in_order


def _moment(value: Any) -> int | None:
    """Milliseconds; None for anything unusual, whose order is then not relied on."""
    if isinstance(value, int):
        return value
    try:
        return parse_time(value)
    except (TypeError, ValueError):
        return None


def events(found: Survey, keep: Callable[[str], bool]) -> dict[str, Iterator[dict[str, Any]]]:
    """The events of some accounts by topic, each in time order; a file that is not is sorted in memory.

    Raises HistoryError at a row that is none, with file and line.
    """

    def read(topic: str, path: Path) -> Iterator[dict[str, Any]]:
        for row in HistoryFile(path, topic).rows(keep):
            if isinstance(row, BadRow):
                raise refusal(path, row)
            yield row.event

    return {
        topic: read(topic, path)
        if found.in_order[topic]
        else iter(sorted(read(topic, path), key=itemgetter("occurred_at")))
        for topic, path in found.files.items()
    }


def first_refusal(files: Mapping[str, Path]) -> HistoryError | None:
    """The first row that is none, in the order of the files, however many processes have met others."""
    for topic, path in files.items():
        for row in HistoryFile(path, topic).rows():
            if isinstance(row, BadRow):
                return refusal(path, row)
    return None


def measurements(path: Path, topic: str, accounts: frozenset[str]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """What some accounts have measured, in time order: (time in ms, value) by account and metric."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {name: {} for name in accounts}
    for row in HistoryFile(path, topic).rows(accounts.__contains__):
        if isinstance(row, Row):
            event = row.event
            found[event["account_id"]].setdefault(event["metric"], []).append((event["occurred_at"], event["value"]))
    for metrics in found.values():
        for points in metrics.values():
            points.sort(key=itemgetter(0))
    return found


def refusal(path: Path, row: BadRow) -> HistoryError:
    """What to say of a row that is none: file, line and reason."""
    return HistoryError(f"{path}:{row.line}: {row.reason}")
