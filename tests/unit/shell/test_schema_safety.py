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
