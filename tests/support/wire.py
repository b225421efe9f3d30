"""Reads output records as a stranger would: fastavro and the files of `schemas/`, none of the product's code."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import fastavro

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@cache
def schema(topic: str, version: int = 1) -> Any:
    """A parsed schema file."""
    return fastavro.parse_schema(json.loads((SCHEMAS / topic / f"v{version}.avsc").read_text(encoding="utf-8")))


def read_value(topic: str, value: bytes) -> dict[str, Any]:
    """Decodes a record in Avro single-object encoding: C3 01, eight bytes of fingerprint, the datum."""
    assert value[:2] == b"\xc3\x01", value[:2]
    fingerprint = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema(topic)), "CRC-64-AVRO")
    # The standard writes the fingerprint little-endian.
    assert value[2:10].hex() == bytes.fromhex(fingerprint)[::-1].hex() or value[2:10].hex() == fingerprint, fingerprint
    record = fastavro.schemaless_reader(io.BytesIO(value[10:]), schema(topic), None)
    assert isinstance(record, dict)
    return record
