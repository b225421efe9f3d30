"""Can data of one schema be read as another? Avro's resolution rules, applied to the schemas themselves.

Every change must be readable both ways: old consumers meet new records during a rollout, and new workers read old logs.
So only fields with defaults come and go, enums keep a default, and types stay or widen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.shell import schemas

_WIDER: dict[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
Names = dict[str, Any]


def problems(topic: str) -> list[str]:
    """What keeps a version of a topic's schema from being read as another one, one line each."""
    versions = schemas.versions(topic)
    return [
        f"{topic}: v{writer.version} cannot be read as v{reader.version}: {problem}"
        for writer in versions
        for reader in versions
        if writer is not reader
        for problem in unreadable(writer.source, reader.source)
    ]


def unreadable(writer: Any, reader: Any) -> list[str]:
    """Why data of `writer` cannot be read as `reader` (schemas as JSON); empty when they can."""
    return list(_compare(writer, reader, "", (_named(writer), _named(reader))))


def _compare(writer: Any, reader: Any, at: str, names: tuple[Names, Names]) -> Iterator[str]:
    writer, reader = _resolved(writer, names[0]), _resolved(reader, names[1])
    if isinstance(writer, list):
        for branch in writer:
            yield from _compare(branch, reader, at, names)
        return
    if isinstance(reader, list):
        if all(list(_compare(writer, branch, at, names)) for branch in reader):
            yield f"{at or 'the record'}: {_kind(writer)} fits no branch of the union"
        return
    kind, wanted = _kind(writer), _kind(reader)
    if kind == wanted:
        yield from _compare_alike(kind, writer, reader, at, names)
    elif wanted not in _WIDER.get(kind, ()):
        yield f"{at or 'the record'}: {kind} is not {wanted}"


def _compare_alike(kind: str, writer: Any, reader: Any, at: str, names: tuple[Names, Names]) -> Iterator[str]:
    if kind == "record":
        yield from _compare_fields(writer, reader, at, names)
    elif kind == "enum":
        missing = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if missing and "default" not in reader:
            yield f"{at}: symbol {missing[0]} is unknown and the enum has no default"
    elif kind == "array":
        yield from _compare(writer["items"], reader["items"], f"{at}[]", names)
    elif kind == "map":
        yield from _compare(writer["values"], reader["values"], f"{at}{{}}", names)


def _compare_fields(writer: Any, reader: Any, at: str, names: tuple[Names, Names]) -> Iterator[str]:
    if writer["name"].rpartition(".")[2] != reader["name"].rpartition(".")[2]:
        yield f"{at or 'the record'}: {writer['name']} is not {reader['name']}"
    written = {field["name"]: field["type"] for field in writer["fields"]}
    for field in reader["fields"]:
        path = f"{at}.{field['name']}".lstrip(".")
        if field["name"] in written:
            yield from _compare(written[field["name"]], field["type"], path, names)
        elif "default" not in field:
            yield f"{path}: is not written and has no default"


def _kind(schema: Any) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])


def _resolved(schema: Any, names: Names) -> Any:
    if isinstance(schema, dict) and isinstance(schema["type"], (dict, list)):
        return _resolved(schema["type"], names)
    return names.get(schema.rpartition(".")[2], schema) if isinstance(schema, str) else schema


def _named(schema: Any) -> Names:
    found: Names = {}

    def collect(part: Any) -> None:
        if isinstance(part, list):
            for branch in part:
                collect(branch)
        elif isinstance(part, dict):
            if part.get("type") in ("record", "enum"):
                found[part["name"].rpartition(".")[2]] = part
            for child in ("type", "items", "values", "fields"):
                collect(part.get(child))

    collect(schema)
    return found
