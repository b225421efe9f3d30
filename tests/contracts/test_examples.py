"""Every example in `schemas/` is a record that the product would take or make."""

import io
import json
from pathlib import Path

import fastavro
import pytest

from streams.domain.validate import check
from streams.settings import Settings
from streams.shell import schemas
from streams.shell.codec import Codec
from streams.topics import BY_NAME, CONTROL, DEAD_LETTERS, NOTICES, RANKS

TOPICS = [name for name in BY_NAME if name != DEAD_LETTERS]
EXAMPLES = sorted(schemas.directory().glob("*/examples/*.json"))
INPUTS = [path for path in EXAMPLES if path.parent.parent.name in RANKS]


def _name(path: Path) -> str:
    return f"{path.parent.parent.name}/{path.stem}"


@pytest.mark.parametrize("topic", TOPICS)
def test_each_topic_has_examples(topic: str) -> None:
    """A consumer finds at least two real-looking records of each topic."""
    assert len([path for path in EXAMPLES if path.parent.parent.name == topic]) >= 2


@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_an_example_fits_its_schema_exactly(path: Path) -> None:
    """Strictly: no field is missing, none is unknown, every type is right."""
    record = json.loads(path.read_text(encoding="utf-8"))
    schema = schemas.newest(path.parent.parent.name).parsed
    fastavro.schemaless_writer(io.BytesIO(), schema, record, strict=True)
    assert fastavro.validate(record, schema, strict=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_an_example_survives_the_way_through_the_codec(path: Path) -> None:
    """What is written is what is read."""
    topic = path.parent.parent.name
    record = json.loads(path.read_text(encoding="utf-8"))
    codec = Codec(Settings())
    assert codec.decode(topic, codec.encode(topic, record)) == record


@pytest.mark.parametrize("path", INPUTS, ids=_name)
def test_an_example_event_is_fit_for_the_fold(path: Path) -> None:
    """Examples of input pass the same check as real events."""
    topic = path.parent.parent.name
    event = json.loads(path.read_text(encoding="utf-8"))
    key = b"control" if topic == CONTROL else event["account_id"].encode()
    at = event["at"] if topic == CONTROL else event["occurred_at"]
    assert check(topic, key, event, at, _NoLead) is None


class _NoLead:
    max_future = 0


def test_a_plain_avro_reader_needs_only_the_schema_files() -> None:
    """A consumer in any language: fingerprint in the header, datum behind it, schema from the file as it is."""
    record = json.loads((schemas.directory() / NOTICES / "examples" / "incident.json").read_text(encoding="utf-8"))
    value = Codec(Settings()).encode(NOTICES, record)
    source = json.loads((schemas.directory() / NOTICES / "v1.avsc").read_text(encoding="utf-8"))
    canonical = fastavro.schema.to_parsing_canonical_form(source)
    assert value[:2] == b"\xc3\x01"
    assert value[2:10].hex() == fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    read = fastavro.schemaless_reader(io.BytesIO(value[10:]), fastavro.parse_schema(source), None)
    assert isinstance(read, dict)
    assert read["cause"] == record["cause"]
    assert round(read["occurred_at"].timestamp() * 1000) == record["occurred_at"]
