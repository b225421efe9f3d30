"""History on disk as the events that it would be on the topics: CSV or JSON Lines, plain or gzip.

Rows become complete events of the topic's newest schema, with a derived event id when the file has none, in time order
(rows of equal time in the order of the file). `import` publishes exactly these, and `backtest` folds them.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import orjson

from streams.domain.validate import REASONS, check
from streams.history_mapping import HistoryError, RowError, Rows, TopicMapping

_GZIP = b"\x1f\x8b"
_SHOWN = 10
_CSV, _JSON_LINES = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json")


class Row(NamedTuple):
    """An event and the line of the file that it came from, counting from 1."""

    line: int
    event: dict[str, Any]


class BadRow(NamedTuple):
    """A line that is no event, and why."""

    line: int
    reason: str
    text: str


@dataclass(slots=True)
class Scan:
    """What reading the whole file once has shown. Times in ms; `digest` names the content together with its mapping."""

    rows: int = 0
    first_at: int = 0
    last_at: int = 0
    in_order: bool = True
    bad: int = 0
    first_bad: list[BadRow] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)
    digest: str = ""


class _NoLead:
    """In history the record time is the event time, so an event is never ahead of it."""

    max_future = 0


class HistoryFile:
    """One file of events of one topic.

    Args:
        path: CSV with a header, or JSON Lines; plain or gzip, whatever the name says.
        topic: The logical input topic.
        mapping: What its rows call differently.
    """

    def __init__(self, path: Path, topic: str, mapping: TopicMapping | None = None) -> None:
        self.path = path
        self.topic = topic
        self._rows = Rows(topic, mapping)
        self._salt = repr(mapping).encode()

    def scan(self, on_bad: Callable[[BadRow], object] = lambda _: None) -> Scan:
        """Reads and checks every row; bad ones go to `on_bad`. Raises HistoryError when the file cannot be read."""
        found = Scan()
        unknown: set[str] = set()
        hashed = blake2b(self.topic.encode() + b"\x00" + self._salt, digest_size=6)
        for line, text, row, problem in self._lines():
            hashed.update(text.encode())
            if row is not None:
                unknown |= row.keys() - self._rows.known
            event = self._event(line, text, row, problem)
            if isinstance(event, BadRow):
                on_bad(event)
                found.bad += 1
                if len(found.first_bad) < _SHOWN:
                    found.first_bad.append(event)
                continue
            at: int = event["occurred_at"]
            if found.rows == 0:
                found.first_at = found.last_at = at
            found.in_order = found.in_order and at >= found.last_at
            found.first_at, found.last_at = min(found.first_at, at), max(found.last_at, at)
            found.rows += 1
        found.unknown_columns = sorted(unknown)
        found.digest = hashed.hexdigest()
        return found

    def rows(self) -> Iterator[Row | BadRow]:
        """Rows and bad rows in the order of the file."""
        for line, text, row, problem in self._lines():
            event = self._event(line, text, row, problem)
            yield event if isinstance(event, BadRow) else Row(line, event)

    def events(self, scan: Scan | None = None) -> Iterator[dict[str, Any]]:
        """Good rows as events in time order; kept in memory to be sorted unless the scan showed that they are."""
        found = (row.event for row in self.rows() if isinstance(row, Row))
        if scan is not None and scan.in_order:
            return found
        return iter(sorted(found, key=itemgetter("occurred_at")))

    def _event(self, line: int, text: str, row: Mapping[str, Any] | None, problem: str) -> dict[str, Any] | BadRow:
        if row is None:
            return BadRow(line, problem, text)
        try:
            event = self._rows.event(row)
        except RowError as error:
            return BadRow(line, str(error), text)
        if not event["event_id"]:
            content = f"{self.topic}\x00{line}\x00{text}".encode()
            event["event_id"] = f"row-{blake2b(content, digest_size=8).hexdigest()}"
        key = event["account_id"].encode()
        reason = check(self.topic, key, event, max(event["occurred_at"], 0), _NoLead)
        return event if reason is None else BadRow(line, f"{reason}: {REASONS[reason]}", text)

    def _lines(self) -> Iterator[tuple[int, str, Mapping[str, Any] | None, str]]:
        """Line number, text, and the row or what is wrong with it."""
        try:
            with self._open() as file:
                yield from _csv_rows(file) if self._is_csv() else _json_rows(file)
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise HistoryError(f"{self.path}: cannot be read: {error}") from error

    def _is_csv(self) -> bool:
        suffixes = [suffix.lower() for suffix in self.path.suffixes]
        if any(suffix in _CSV for suffix in suffixes):
            return True
        if any(suffix in _JSON_LINES for suffix in suffixes):
            return False
        with self._open() as file:
            return not file.read(1024).lstrip().startswith("{")

    @contextmanager
    def _open(self) -> Iterator[TextIO]:
        with self.path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            data: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            yield io.TextIOWrapper(data, encoding="utf-8-sig", newline="")


def read_history(path: Path, topic: str, mapping: TopicMapping | None = None) -> Iterator[dict[str, Any]]:
    """Events of a file, complete with the schema's defaults, in time order.

    Raises HistoryError at the first row that is none, naming `file:line`.
    """
    events = []
    for row in HistoryFile(path, topic, mapping).rows():
        if isinstance(row, BadRow):
            raise HistoryError(f"{path}:{row.line}: {row.reason}")
        events.append(row.event)
    events.sort(key=itemgetter("occurred_at"))
    return iter(events)


def _json_rows(file: TextIO) -> Iterator[tuple[int, str, Mapping[str, Any] | None, str]]:
    for line, text in enumerate(file, 1):
        if text.isspace():
            continue
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield line, text, None, f"no JSON: {error}"
            continue
        yield (line, text, row, "") if isinstance(row, dict) else (line, text, None, "must be a JSON object")


def _csv_rows(file: TextIO) -> Iterator[tuple[int, str, Mapping[str, Any] | None, str]]:
    first = file.readline()
    # A spreadsheet in another language, or one that writes tabs.
    delimiter = max(",;\t", key=first.count)
    head = next(csv.reader([first], delimiter=delimiter), [])
    reader = csv.reader(file, delimiter=delimiter)
    for cells in reader:
        if not cells:
            continue
        text = ",".join(cells)
        if len(cells) != len(head):
            yield reader.line_num + 1, text, None, f"{len(cells)} cells, the header has {len(head)}"
        else:
            yield reader.line_num + 1, text, dict(zip(head, cells, strict=True)), ""
