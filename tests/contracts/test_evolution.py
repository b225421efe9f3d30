"""Versions of a schema read each other's data: old consumers meet new records, and new workers read old logs."""

import copy
import io
import json
from typing import Any

import fastavro
import pytest

from streams.shell import schemas
from streams.shell.compatibility import problems, unreadable
from streams.shell.state_codec import files
from streams.topics import BY_NAME, DEAD_LETTERS, TICKETS, USAGE

ALL = (*BY_NAME, *schemas.STATES)


@pytest.mark.parametrize("name", ALL)
def test_every_version_reads_every_other(name: str) -> None:
    """By the rules of Avro, for all pairs of versions."""
    assert problems(name) == []


@pytest.mark.parametrize("topic", [name for name in BY_NAME if name != DEAD_LETTERS])
def test_data_of_every_version_are_read_by_every_other(topic: str) -> None:
    """By doing it: the examples, written with one version, read as another."""
    examples = sorted((schemas.directory() / topic / "examples").glob("*.json"))
    for writer in schemas.versions(topic):
        for reader in schemas.versions(topic):
            for path in examples:
                buffer = io.BytesIO()
                fastavro.schemaless_writer(buffer, writer.parsed, json.loads(path.read_text(encoding="utf-8")))
                buffer.seek(0)
                read = fastavro.schemaless_reader(buffer, writer.parsed, reader.parsed)
                assert isinstance(read, dict)
                assert set(read) == {field["name"] for field in reader.source["fields"]}


def _changed(topic: str, change: dict[str, Any]) -> Any:
    source = copy.deepcopy(schemas.newest(topic).source)
    source["fields"].append(change)
    return source


def test_a_new_field_without_a_default_is_found() -> None:
    """The check is not an empty one."""
    newer = _changed(USAGE, {"name": "region", "type": "string"})
    assert unreadable(schemas.newest(USAGE).source, newer) == ["region: is not written and has no default"]


def test_a_new_field_with_a_default_is_fine_both_ways() -> None:
    """The ordinary change."""
    newer = _changed(USAGE, {"name": "region", "type": ["null", "string"], "default": None})
    older = schemas.newest(USAGE).source
    assert unreadable(older, newer) == unreadable(newer, older) == []


def test_a_changed_type_is_found() -> None:
    """A value that was a number cannot become a text."""
    newer = copy.deepcopy(schemas.newest(USAGE).source)
    next(field for field in newer["fields"] if field["name"] == "value")["type"] = "string"
    assert unreadable(schemas.newest(USAGE).source, newer) == ["value: double is not string"]


def test_a_new_symbol_of_an_enum_without_default_is_found() -> None:
    """Old readers could not name it."""
    older = copy.deepcopy(schemas.newest(TICKETS).source)
    change = next(field for field in older["fields"] if field["name"] == "change")["type"]
    del change["default"]
    newer = copy.deepcopy(older)
    next(field for field in newer["fields"] if field["name"] == "change")["type"]["symbols"].append("merged")
    assert unreadable(newer, older) == ["change: symbol merged is unknown and the enum has no default"]
    assert unreadable(older, newer) == []


def test_enums_that_can_grow_have_a_default() -> None:
    """Every enum of every topic: a new symbol must not stop old readers."""
    lacking: list[str] = []

    def walk(part: Any, topic: str) -> None:
        if isinstance(part, list):
            for branch in part:
                walk(branch, topic)
        elif isinstance(part, dict):
            if part.get("type") == "enum" and "default" not in part:
                lacking.append(f"{topic}: {part['name']}")
            for child in part.values():
                walk(child, topic)

    for name in BY_NAME:
        walk(schemas.newest(name).source, name)
    assert lacking == []


@pytest.mark.parametrize(("path", "text"), files().items(), ids=lambda value: getattr(value, "parent", value) and "")
def test_the_schema_of_stored_state_is_the_one_of_the_classes(path: Any, text: str) -> None:
    """After a change of the classes: `python -m streams.shell.state_codec --write` (`--new` once it was released)."""
    assert path.read_text(encoding="utf-8") == text
