"""Schemas that must not be read with are recognised."""

from typing import Any

import pytest

from streams.shell.schema_safety import SchemaRefused, refuse
from streams.shell.schemas import newest
from streams.topics import BY_NAME


def _record(name: str, *types: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{i}", "type": t} for i, t in enumerate(types)],
        **more,
    }


@pytest.mark.parametrize(
    "schema",
    [
        _record("A", ["null", "A"]),
        _record("A", _record("B", {"type": "array", "items": "A"})),
        _record("A", {"type": "map", "values": "space.A"}, namespace="space"),
        _record("A", {"type": "array", "items": "null"}),
        _record("A", {"type": "array", "items": _record("Empty")}),
        _record("A", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}),
        _record("A", _record("Empty"), {"type": "array", "items": "Empty"}),
        {"type": "array", "items": {"type": "null"}},
    ],
)
def test_a_dangerous_schema_is_refused(schema: Any) -> None:
    """Recursion, and items that take no bytes, wherever they hide."""
    with pytest.raises(SchemaRefused):
        refuse(schema)


@pytest.mark.parametrize(
    "schema",
    [
        "string",
        _record("A", _record("B", "int"), "B", {"type": "array", "items": "B"}),
        _record("A", {"type": "array", "items": ["null", "string"]}),
        *(newest(name).source for name in BY_NAME),
    ],
)
def test_an_ordinary_schema_passes(schema: Any) -> None:
    """A type that is used twice is not recursive."""
    refuse(schema)


def _doubling(levels: int, leaf: Any) -> Any:
    """Records that hold the next one twice: two to the power of `levels` leaves."""
    made = _record("L0", leaf)
    for level in range(1, levels):
        made = _record(f"L{level}", made, f"L{level - 1}")
    return made


def _nested(levels: int) -> Any:
    made: Any = "int"
    for _ in range(levels):
        made = {"type": "array", "items": made}
    return made


@pytest.mark.parametrize(
    "schema",
    [
        _doubling(40, "null"),
        _record("A", *["null"] * 300),
        _record("A", {"type": "array", "items": _record("B", "int", *["null"] * 40)}),
        _record("A", {"type": "map", "values": _doubling(10, "null")}),
        _nested(70),
        {"type": "record", "name": "A"},
        {"type": "record", "name": "A", "fields": [{"name": "f"}]},
        {"type": "array"},
        {"type": "fixed", "name": "A", "size": "many"},
        {"name": "A"},
        {"type": None},
        7,
        None,
        {"type": "record", "name": ["A"], "fields": []},
    ],
)
def test_a_schema_that_expands_without_bytes_or_is_none_is_refused(schema: Any) -> None:
    """Whatever it is, it is told, and at once."""
    with pytest.raises(SchemaRefused):
        refuse(schema)
