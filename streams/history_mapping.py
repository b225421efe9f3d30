"""How rows of a file become events: columns by name or alias, values by type.

A mapping file (YAML) says what is called differently, by topic:

    usage-events:
      columns: {account_id: customer, occurred_at: day, value: amount}    # event field: column of the file
      values: {metric: {visits: logins}}                                  # event field: {their value: ours}
      constants: {source: shop}                                           # event field: value of every row

Times are ISO 8601 (UTC when they have no offset) or whole milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml

from streams.domain.time import parse_time
from streams.policy import yaml_limits
from streams.shell import schemas
from streams.topics import RANKS, TICKETS

ALIASES: dict[str, tuple[str, ...]] = {
    "event_id": ("id",),
    "account_id": ("account",),
    "occurred_at": ("time", "timestamp", "at"),
}
"""Column names that are understood beside the field's own."""
VALUE_ALIASES: dict[str, dict[str, dict[str, str]]] = {
    TICKETS: {
        "change": {"first_reply": "replied", "created": "opened", "solved": "resolved", "assigned": "reassigned"},
        "priority": {"medium": "normal", "critical": "urgent"},
    },
}
"""Values that are understood beside the schema's own, by topic and field."""
_FALSE, _TRUE = frozenset({"false", "0", "no", "n"}), frozenset({"true", "1", "yes", "y"})
_NOTHING = (None, "")
# Eight digits are an ISO 8601 date such as 20170131, more are milliseconds.
_BASIC_DATE = 8
_ABSENT = -1
Convert = Callable[[Any], Any]


class HistoryError(Exception):
    """History cannot be read. The message names file and line, the reason and, where there is one, the remedy."""


class RowError(ValueError):
    """A row does not become an event; the message says why."""


@dataclass(frozen=True, slots=True)
class TopicMapping:
    """What one topic's rows call differently; empty when they use the names of the schema."""

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)


def load_mapping(path: Path) -> dict[str, TopicMapping]:
    """Reads a mapping file. Raises HistoryError."""
    try:
        text = path.read_text(encoding="utf-8")
        yaml_limits.check(text, yaml.SafeLoader)
        found = yaml.safe_load(text) or {}
    except yaml_limits.TooMuch as error:
        raise HistoryError(f"{path}:{error.line}: {error.reason}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise HistoryError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise HistoryError(f"{path}: must be `topic: ...` lines")
    return {topic: _topic_mapping(path, topic, parts) for topic, parts in found.items()}


def _topic_mapping(path: Path, topic: str, parts: Any) -> TopicMapping:
    if topic not in RANKS:
        raise HistoryError(f"{path}: {topic}: there is no such input topic; there are {', '.join(RANKS)}")
    names = {name for name, _ in _fields(topic)}
    for part, entries in parts.items() if isinstance(parts, dict) else ((str(parts), None),):
        if part not in {"columns", "values", "constants"} or not isinstance(entries, dict):
            raise HistoryError(f"{path}: {topic}: {part}: must be columns, values or constants, each with `field: ...`")
        if wrong := sorted(set(entries) - names):
            raise HistoryError(f"{path}: {topic}: {part}: {wrong[0]} is no field; there are {', '.join(sorted(names))}")
    return TopicMapping(**parts)


class Rows:
    """Turns rows of one topic into events, complete with the schema's defaults.

    Args:
        topic: The logical input topic.
        mapping: What the rows call differently.
    """

    def __init__(self, topic: str, mapping: TopicMapping | None = None) -> None:
        self._mapping = mapping or TopicMapping()
        self._fields = [self._field(topic, name, spec) for name, spec in _fields(topic)]
        self.known = frozenset(column for _, columns, _, _, _ in self._fields for column in columns)
        """Columns that are taken when a row has them."""

    def event(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The event of a row; `event_id` is empty when the row has none. Raises RowError."""
        made: dict[str, Any] = {}
        for name, columns, convert, default, required in self._fields:
            value = None
            for column in columns:
                value = row.get(column)
                if value is not None:
                    break
            if value in _NOTHING:
                if required:
                    raise _missing(name, columns)
                made[name] = list(default) if default.__class__ is list else default
                continue
            try:
                made[name] = convert(value)
            except (ValueError, TypeError) as error:
                raise RowError(f"{name} = {value!r}: {error}") from None
        return made

    def place(self, name: str, head: Sequence[str]) -> int | None:
        """Where the cells of a CSV with this header hold a field as it is; None when they do not."""
        if not self.is_plain(name):
            return None
        places = {column: number for number, column in enumerate(head)}
        return next((places[column] for column in self.columns(name) if column in places), None)

    def is_plain(self, name: str) -> bool:
        """True when a field is in the file as it is, neither mapped to other values nor the same for all rows."""
        return name not in self._mapping.values and name not in self._mapping.constants

    def columns(self, name: str) -> tuple[str, ...]:
        """The columns that hold a field, the first one found is taken."""
        return next(columns for field_name, columns, *_ in self._fields if field_name == name)

    def of_cells(self, head: Sequence[str]) -> Callable[[Sequence[str]], dict[str, Any]]:
        """`event` for the cells of a CSV with this header: columns are looked up once, not row by row."""
        places = {column: number for number, column in enumerate(head)}
        template = {name: default for name, _, _, default, _ in self._fields}
        lists = [name for name, default in template.items() if isinstance(default, list)]
        present: list[tuple[str, int, Convert | None, bool, tuple[str, ...]]] = []
        for name, columns, convert, _, required in self._fields:
            place = next((places[column] for column in columns if column in places), _ABSENT)
            if place != _ABSENT or required:
                present.append((name, place, None if convert is str else convert, required, columns))

        def event(cells: Sequence[str]) -> dict[str, Any]:
            made = template.copy()
            for name in lists:
                made[name] = list(made[name])
            for name, place, convert, required, columns in present:
                value = cells[place] if place != _ABSENT else ""
                if value == "":
                    if required:
                        raise _missing(name, columns)
                elif convert is None:
                    made[name] = value
                else:
                    try:
                        made[name] = convert(value)
                    except (ValueError, TypeError) as error:
                        raise RowError(f"{name} = {value!r}: {error}") from None
            return made

        return event

    def _field(self, topic: str, name: str, spec: Mapping[str, Any]) -> tuple[str, tuple[str, ...], Convert, Any, bool]:
        values = {**VALUE_ALIASES.get(topic, {}).get(name, {}), **self._mapping.values.get(name, {})}
        convert = _converter(spec["type"], values)
        column = self._mapping.columns.get(name)
        columns = (column,) if column else (name, *ALIASES.get(name, ()))
        if name in self._mapping.constants:
            constant = convert(self._mapping.constants[name])
            return name, (), convert, constant, False
        if name == "event_id":
            return name, columns, convert, "", False
        return name, columns, convert, spec.get("default"), "default" not in spec


def _missing(name: str, columns: tuple[str, ...]) -> RowError:
    return RowError(f"{name} is missing (looked for column {' or '.join(columns)})")


def _fields(topic: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(spec["name"], spec) for spec in schemas.newest(topic).source["fields"]]


def _converter(kind: Any, values: Mapping[str, Any]) -> Convert:
    plain = _plain(kind)
    if not values:
        return plain

    def mapped(value: Any) -> Any:
        return plain(values.get(str(value), value))

    return mapped


def _plain(kind: Any) -> Convert:
    if isinstance(kind, list):
        return _plain(next(branch for branch in kind if branch != "null"))
    if isinstance(kind, str):
        return _PRIMITIVE[kind]
    if kind.get("logicalType") == "timestamp-millis":
        return _time
    if kind["type"] == "enum":
        return _symbol(frozenset(kind["symbols"]))
    return _list if kind["type"] == "array" else _PRIMITIVE[kind["type"]]


def _symbol(symbols: frozenset[str]) -> Convert:
    def symbol(value: Any) -> str:
        if value in symbols:
            return str(value)
        found = str(value).strip().lower().replace(" ", "_").replace("-", "_")
        if found not in symbols:
            raise ValueError(f"must be one of {', '.join(sorted(symbols))}; or map it under `values`")
        return found

    return symbol


def _time(value: Any) -> int:
    if isinstance(value, int) or (isinstance(value, str) and value.isdigit() and len(value) > _BASIC_DATE):
        return int(value)
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 time or whole milliseconds")  # noqa: TRY004  reported as a value
    return parse_time(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  reported as a value
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("must be a whole number")
    return int(value)


def _yes(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return text in _TRUE


def _list(value: Any) -> list[str]:
    if isinstance(value, str):
        value = orjson.loads(value) if value.lstrip().startswith("[") else [part.strip() for part in value.split(";")]
    if not isinstance(value, list):
        raise ValueError("must be a list, or words separated by semicolons")  # noqa: TRY004  reported as a value
    return [str(part) for part in value]


_PRIMITIVE: dict[str, Convert] = {
    "string": str,
    "double": _number,
    "float": _number,
    "long": _whole,
    "int": _whole,
    "boolean": _yes,
}
