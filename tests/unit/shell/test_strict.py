"""Enums and booleans are refused when their bytes are wrong, wherever in a schema they stand."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from streams.shell.strict import strict

COLOUR = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}
PART = {"type": "record", "name": "Part", "fields": [{"name": "on", "type": "boolean"}]}


def _parsed(*types: Any) -> Any:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return parse_schema({"type": "record", "name": "Whole", "fields": fields})


CASES = [
    (_parsed(COLOUR), {"f0": "green"}),
    (_parsed("boolean"), {"f0": True}),
    (_parsed(["null", "boolean"]), {"f0": True}),
    (_parsed(COLOUR, "Colour"), {"f0": "red", "f1": "green"}),
    (_parsed(COLOUR, ["null", "Colour"]), {"f0": "red", "f1": "green"}),
    (_parsed(PART, "Part"), {"f0": {"on": False}, "f1": {"on": True}}),
]


@pytest.mark.parametrize(("schema", "event"), CASES)
def test_last_byte_is_read_when_it_is_right_and_refused_when_it_is_wrong(schema: Any, event: dict[str, Any]) -> None:
    """The last field is an enum or a boolean; -7 and 7 name no value of either."""
    buffer = BytesIO()
    schemaless_writer(buffer, schema, event)
    data = buffer.getvalue()
    assert schemaless_reader(BytesIO(data), strict(schema), None) == event
    for wrong in (b"\x0d", b"\x0e"):
        with pytest.raises((LookupError, ValueError)):
            schemaless_reader(BytesIO(data[:-1] + wrong), strict(schema), None)


def test_schema_that_is_made_strict_is_left_as_it_was() -> None:
    """It is still needed for writing and for resolution."""
    schema, event = CASES[0]
    strict(schema)
    assert schema["fields"][0]["type"]["symbols"] == ["red", "green"]
    schemaless_writer(BytesIO(), schema, event)
