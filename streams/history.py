"""History on disk as the events that it would be on the topics: CSV or JSON Lines, plain or gzip.

Rows become complete events of the topic's newest schema, with a derived event id when the file has none, in time order
(rows of equal time in the order of the file). `import` publishes exactly these, and `backtest` folds them.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
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

    def rows(self, keep: Callable[[str], bool] | None = None) -> Iterator[Row | BadRow]:
        """Rows and bad rows in the order of the file; with `keep` only those of the accounts that it wants.

        A row whose account cannot be told is always given. Raises HistoryError when the file cannot be read.
        """
        with self._reading() as file:
            yield from self._of_csv(file, keep) if self._is_csv() else self._of_json(file, keep)

    def cells(self, *names: str) -> Iterator[list[Any]]:
        """The values of some fields, row by row, as they stand in the file; None where a row has none.

        Nothing is checked: what is no row is passed over. Raises HistoryError when the file cannot be read.
        """
        with self._reading() as file:
            if not self._is_csv():
                columns = [self._rows.columns(name) for name in names]
                for _, _, row, _ in _json_rows(file):
                    if row is not None:
                        yield [next((row[c] for c in found if row.get(c) is not None), None) for found in columns]
                return
            head, reader = _csv_reader(file)
            places = [self._rows.place(name, head) for name in names]
            width = len(head)
            for cells in reader:
                if len(cells) == width:
                    yield [None if place is None else cells[place] for place in places]

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
        return self._checked(line, text, event)

    def _checked(self, line: int, text: str, event: dict[str, Any]) -> dict[str, Any] | BadRow:
        """The event with an id, when it is fit for the fold."""
        if not event["event_id"]:
            content = f"{self.topic}\x00{line}\x00{text}".encode()
            event["event_id"] = f"row-{blake2b(content, digest_size=8).hexdigest()}"
        key = event["account_id"].encode()
        reason = check(self.topic, key, event, max(event["occurred_at"], 0), _NoLead)
        return event if reason is None else BadRow(line, f"{reason}: {REASONS[reason]}", text)

    def _of_csv(self, file: TextIO, keep: Callable[[str], bool] | None) -> Iterator[Row | BadRow]:
        head, reader = _csv_reader(file)
        make, account, width = self._rows.of_cells(head), self._rows.place("account_id", head), len(head)
        for cells in reader:
            if len(cells) != width:
                if cells:
                    yield BadRow(reader.line_num + 1, _wrong_width(cells, head), ",".join(cells))
                continue
            if keep is not None and account is not None and (name := cells[account]) and not keep(name):
                continue
            line, text = reader.line_num + 1, ",".join(cells)
            try:
                event = make(cells)
            except RowError as error:
                yield BadRow(line, str(error), text)
                continue
            found = self._checked(line, text, event)
            yield found if isinstance(found, BadRow) else Row(line, found)

    def _of_json(self, file: TextIO, keep: Callable[[str], bool] | None) -> Iterator[Row | BadRow]:
        columns = self._rows.columns("account_id") if self._rows.is_plain("account_id") else ()
        for line, text, row, problem in _json_rows(file):
            if keep is not None and row is not None:
                name = next((row[column] for column in columns if row.get(column) is not None), None)
                if name and not keep(str(name)):
                    continue
            event = self._event(line, text, row, problem)
            yield event if isinstance(event, BadRow) else Row(line, event)

    def _lines(self) -> Iterator[tuple[int, str, Mapping[str, Any] | None, str]]:
        """Line number, text, and the row or what is wrong with it."""
        with self._reading() as file:
            yield from _csv_rows(file) if self._is_csv() else _json_rows(file)

    @contextmanager
    def _reading(self) -> Iterator[TextIO]:
        """The open file; what is wrong with it as such becomes a HistoryError."""
        try:
            with self._open() as file:
                yield file
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
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
    head, reader = _csv_reader(file)
    for cells in reader:
        if not cells:
            continue
        text = ",".join(cells)
        if len(cells) != len(head):
            yield reader.line_num + 1, text, None, _wrong_width(cells, head)
        else:
            yield reader.line_num + 1, text, dict(zip(head, cells, strict=True)), ""


def _csv_reader(file: TextIO) -> tuple[list[str], Any]:
    """The header, and a reader of what follows."""
    first = file.readline()
    # A spreadsheet in another language, or one that writes tabs.
    delimiter = max(",;\t", key=first.count)
    return next(csv.reader([first], delimiter=delimiter), []), csv.reader(file, delimiter=delimiter)


def _wrong_width(cells: list[str], head: list[str]) -> str:
    return f"{len(cells)} cells, the header has {len(head)}"
