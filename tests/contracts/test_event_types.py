"""The types that the core uses for events say what the schemas say."""

from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from streams.domain import events
from streams.shell import schemas
from streams.topics import ACCOUNTS, CONTROL, RESPONSES, SENTIMENT, TICKETS, USAGE

TYPES = {
    USAGE: events.UsageEvent,
    SENTIMENT: events.SentimentEvent,
    TICKETS: events.TicketEvent,
    ACCOUNTS: events.AccountEvent,
    RESPONSES: events.ResponseEvent,
    CONTROL: events.ControlEvent,
}
PLAIN = {"string": str, "double": float, "long": int, "int": int, "boolean": bool}


def _python(kind: Any) -> Any:
    if isinstance(kind, str):
        return PLAIN[kind]
    if isinstance(kind, list):
        return _python(next(branch for branch in kind if branch != "null")) | None
    if kind["type"] == "array":
        return list[_python(kind["items"])]  # type: ignore[misc]
    return str if kind["type"] == "enum" else PLAIN[kind["type"]]


def _normal(hint: Any) -> Any:
    """Unions compare by their members, whatever their order."""
    return frozenset(get_args(hint)) if get_origin(hint) is UnionType or NoneType in get_args(hint) else hint


@pytest.mark.parametrize("topic", TYPES)
def test_an_event_type_has_the_fields_of_its_schema(topic: str) -> None:
    """Same names, same types, in the one place where both are looked at."""
    hints = {name: _normal(hint) for name, hint in get_type_hints(TYPES[topic]).items()}
    fields = {field["name"]: _normal(_python(field["type"])) for field in schemas.newest(topic).source["fields"]}
    assert hints == fields
