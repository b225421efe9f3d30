"""The Avro schemas of the topics: where the files are, which versions there are, how they are identified.

`schemas/<topic>/vN.avsc` holds version N; the newest is what is written and what older records are read as.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from streams.shell.schema_safety import refuse

Avro = Any
"""A schema as JSON gives it: a name, a list of branches, or an object."""


STATES = ("account-state", "partition-state")
"""Folders that hold the schemas of stored state, not of topics."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a topic's schema.

    `source` is the file as JSON; `parsed` is what fastavro takes, without logical types, so that times stay integers;
    `crc` is the CRC-64-AVRO fingerprint of the canonical form, 8 bytes little-endian.
    """

    topic: str
    version: int
    source: Avro
    parsed: Avro
    crc: bytes


def directory() -> Path:
    """Folder of the schema files: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


@cache
def versions(topic: str) -> tuple[Schema, ...]:
    """All versions of a topic's schema, oldest first. Raises FileNotFoundError when there is none."""
    folder = directory() / topic
    files = sorted(folder.glob("v*.avsc"), key=lambda path: int(path.stem[1:]))
    if not files:
        raise FileNotFoundError(f"{folder}: no schema vN.avsc of {topic}")
    return tuple(schema(topic, int(file.stem[1:]), json.loads(file.read_text(encoding="utf-8"))) for file in files)


def newest(topic: str) -> Schema:
    """The version that is written."""
    return versions(topic)[-1]


def schema(topic: str, version: int, source: Avro) -> Schema:
    """Builds a version from its JSON. Raises SchemaRefused, and what fastavro raises for a wrong schema."""
    plain = without_logical_types(source)
    refuse(plain)
    return Schema(topic, version, source, fastavro.parse_schema(plain), crc_of(source))


def crc_of(source: Avro) -> bytes:
    """CRC-64-AVRO of the schema's canonical form, as it stands in a single-object header."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(source), "CRC-64-AVRO"))


def without_logical_types(source: Avro) -> Avro:
    """The same schema with logical types taken off: a timestamp is a `long` in milliseconds, and stays one."""
    if isinstance(source, list):
        return [without_logical_types(branch) for branch in source]
    if not isinstance(source, Mapping):
        return source
    plain: dict[str, Any] = {name: value for name, value in source.items() if name != "logicalType"}
    for part in ("type", "items", "values"):
        if part in plain:
            plain[part] = without_logical_types(plain[part])
    if "fields" in plain:
        plain["fields"] = [without_logical_types(field) for field in plain["fields"]]
    return plain
