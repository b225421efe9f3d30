"""The codec reads what is right, and says of everything else why it cannot be read."""

import contextlib
import io
import json
import math
import struct
from typing import Any

import fastavro
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.settings import Settings, SettingsError
from streams.shell import schemas
from streams.shell.codec import Codec
from streams.shell.frames import BadRecord, confluent_header, single_object_header
from streams.shell.registry import Registry, RegistryUnavailable
from streams.topics import DEAD_LETTERS, INTERVENTIONS, RESPONSES, TICKETS, USAGE

EVENT: dict[str, Any] = {
    "event_id": "u-1",
    "account_id": "acme",
    "occurred_at": 1_767_603_600_000,
    "metric": "logins",
    "value": 3.5,
    "unit": "count",
    "source": "app",
    "cohort": None,
    "traceparent": None,
}
CODEC = Codec(Settings())
VALUE = CODEC.encode(USAGE, EVENT)
SCHEMA = schemas.newest(USAGE)
TICKET: dict[str, Any] = json.loads(
    (schemas.directory() / TICKETS / "examples" / "opened-urgent.json").read_text(encoding="utf-8")
)
RESPONSE: dict[str, Any] = json.loads(
    (schemas.directory() / RESPONSES / "examples" / "acknowledged.json").read_text(encoding="utf-8")
)


def _datum(schema: Any, record: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schemas.without_logical_types(schema)), record)
    return buffer.getvalue()


def _registry(known: dict[int, Any], calls: list[str] | None = None) -> Registry:
    def answer(request: httpx.Request) -> httpx.Response:
        if calls is not None:
            calls.append(request.url.path)
        schema_id = int(request.url.path.rsplit("/", 1)[1])
        if schema_id not in known:
            return httpx.Response(404, json={"error_code": 40403, "message": "Schema not found"})
        return httpx.Response(200, json={"schema": json.dumps(known[schema_id])})

    return Registry("http://registry.test", httpx.MockTransport(answer))


def _reason(value: bytes | None, codec: Codec = CODEC, topic: str = USAGE) -> str:
    with pytest.raises(BadRecord) as caught:
        codec.decode(topic, value)
    assert caught.value.message
    return caught.value.reason


def test_what_is_written_is_read() -> None:
    """All fields, as they were."""
    assert CODEC.decode(USAGE, VALUE) == EVENT


def test_times_stay_integers() -> None:
    """The core counts in milliseconds."""
    assert type(CODEC.decode(USAGE, VALUE)["occurred_at"]) is int


def test_the_single_object_header_is_the_one_of_the_specification() -> None:
    """CRC-64-AVRO of `"int"` is 0x7275d51a3f395c8f, written little-endian."""
    assert single_object_header(schemas.crc_of("int")) == bytes.fromhex("c3018f5c393f1ad57572")


def test_an_unknown_field_cannot_be_written() -> None:
    """A misspelt field is an error of the program, not silence."""
    with pytest.raises(ValueError, match="vaule"):
        CODEC.encode(USAGE, {**EVENT, "vaule": 1.0})


def test_dead_letters_are_no_avro() -> None:
    """Their values are the original bytes."""
    with pytest.raises(ValueError, match="no Avro"):
        CODEC.decoder(DEAD_LETTERS)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\xc3", "truncated"),
        (b"\xc3\x01\x00", "truncated"),
        (b"\x00\x00", "truncated"),
        (b"{}", "wrong_magic"),
        (b"\x01" + VALUE, "wrong_magic"),
        (b"\xc3\x02" + VALUE[2:], "wrong_magic"),
        (b"\xc3\x01" + b"\xff" * 8 + VALUE[10:], "unknown_schema"),
        (CODEC.encode(TICKETS, TICKET), "unknown_schema"),
        (b"\x00\x00\x00\x00\x07" + VALUE[10:], "unknown_schema"),
        (VALUE[:10], "truncated"),
        (VALUE[:-1], "truncated"),
        (VALUE + b"\x00", "trailing_bytes"),
        (VALUE + VALUE, "trailing_bytes"),
        (VALUE[:11] + b"\xff\xfe\xff" + VALUE[14:], "undecodable"),
        (VALUE + b"x" * 1_100_000, "too_large"),
    ],
)
def test_a_bad_value_gets_its_reason(value: bytes | None, reason: str) -> None:
    """One code for each way to be wrong."""
    assert _reason(value) == reason


def test_the_size_limit_is_a_setting() -> None:
    """Values up to it are read."""
    codec = Codec(Settings(max_record_bytes=1024))
    fits = codec.encode(USAGE, {**EVENT, "unit": "x" * (1024 - len(VALUE) + 4)})
    assert len(fits) == 1024
    assert codec.decode(USAGE, fits)["account_id"] == "acme"
    assert _reason(codec.encode(USAGE, {**EVENT, "unit": "x" * 1024}), codec) == "too_large"


@pytest.mark.parametrize("index", [-1, -2, 8, 1 << 40])
def test_an_enum_index_that_is_none_is_refused(index: int) -> None:
    """Fastavro alone reads -1 as the last symbol."""
    good = CODEC.encode(TICKETS, TICKET)
    place = good.index(b"4711", good.index(b"4711") + 4) + 4 if good.count(b"4711") > 1 else good.index(b"4711") + 4
    zigzag = (index << 1) ^ (index >> 63)
    varint = bytearray()
    while zigzag > 127:
        varint.append(zigzag & 127 | 128)
        zigzag >>= 7
    varint.append(zigzag)
    assert good[place] == 0, "the enum `change` follows the ticket id"
    assert _reason(good[:place] + bytes(varint) + good[place + 1 :], topic=TICKETS) == "undecodable"


@pytest.mark.parametrize("byte", [2, 7, 127])
def test_a_boolean_is_zero_or_one(byte: int) -> None:
    """Fastavro alone reads every other byte as true."""
    yes = CODEC.encode(RESPONSES, {**RESPONSE, "names_cause": True})
    no = CODEC.encode(RESPONSES, {**RESPONSE, "names_cause": False})
    place = next(i for i, (a, b) in enumerate(zip(yes, no, strict=True)) if a != b)
    assert CODEC.decode(RESPONSES, yes)["names_cause"] is True
    assert CODEC.decode(RESPONSES, no)["names_cause"] is False
    assert _reason(yes[:place] + bytes([byte]) + yes[place + 1 :], topic=RESPONSES) == "undecodable"


def test_numbers_that_are_none_are_left_to_the_check() -> None:
    """NaN is valid Avro; `domain/validate.py` refuses it with a reason of its own."""
    at = VALUE.index(struct.pack("<d", 3.5))
    value = VALUE[:at] + struct.pack("<d", math.nan) + VALUE[at + 8 :]
    assert math.isnan(CODEC.decode(USAGE, value)["value"])


def test_a_confluent_frame_is_read_with_the_schema_of_its_id() -> None:
    """Asked for once, then remembered."""
    calls: list[str] = []
    codec = Codec(Settings(), _registry({7: SCHEMA.source}, calls))
    value = confluent_header(7) + VALUE[10:]
    assert codec.decode(USAGE, value) == codec.decode(USAGE, value) == EVENT
    assert calls == ["/schemas/ids/7"]


def test_both_frames_are_read_side_by_side() -> None:
    """Whatever the setting for writing is."""
    codec = Codec(Settings(), _registry({7: SCHEMA.source}))
    assert codec.decode(USAGE, VALUE) == codec.decode(USAGE, confluent_header(7) + VALUE[10:])


def test_a_schema_with_fewer_fields_is_read_with_defaults() -> None:
    """A producer that knows less than we do."""
    older = {**SCHEMA.source, "fields": [f for f in SCHEMA.source["fields"] if f["name"] not in {"unit", "cohort"}]}
    codec = Codec(Settings(), _registry({3: older}))
    event = codec.decode(USAGE, confluent_header(3) + _datum(older, EVENT))
    assert event == {**EVENT, "unit": ""}


def test_a_schema_with_more_fields_is_read_without_them() -> None:
    """A producer that knows more than we do."""
    newer = {**SCHEMA.source, "fields": [*SCHEMA.source["fields"], {"name": "region", "type": "string"}]}
    codec = Codec(Settings(), _registry({4: newer}))
    value = confluent_header(4) + _datum(newer, {**EVENT, "region": "eu"})
    assert codec.decode(USAGE, value) == EVENT
    assert _reason(value + b"\0", codec) == "trailing_bytes"
    assert _reason(value[:-1], codec) == "truncated"


def test_an_id_that_the_registry_does_not_know_is_the_record_s_fault() -> None:
    """It will not be known tomorrow either."""
    assert _reason(confluent_header(9) + VALUE[10:], Codec(Settings(), _registry({}))) == "unknown_schema"


def test_a_registry_that_does_not_answer_is_not_the_record_s_fault() -> None:
    """Nothing may be dropped for it."""

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    codec = Codec(Settings(), Registry("http://user:secret@registry.test", httpx.MockTransport(refuse)))
    with pytest.raises(RegistryUnavailable) as caught:
        codec.decode(USAGE, confluent_header(7) + VALUE[10:])
    assert "secret" not in str(caught.value)


def test_a_registry_that_fails_is_not_the_record_s_fault() -> None:
    """HTTP 500 says nothing about the schema."""
    registry = Registry("http://registry.test", httpx.MockTransport(lambda _: httpx.Response(500)))
    with pytest.raises(RegistryUnavailable):
        Codec(Settings(), registry).decode(USAGE, confluent_header(7) + VALUE[10:])


def test_a_recursive_schema_is_never_read_with() -> None:
    """A few kB of it would end the process."""
    tree = {"type": "record", "name": "UsageEvent", "fields": [{"name": "child", "type": ["null", "UsageEvent"]}]}
    codec = Codec(Settings(), _registry({5: tree}))
    assert _reason(confluent_header(5) + b"\x02" * 5000, codec) == "unknown_schema"


def test_a_schema_of_something_else_is_not_taken() -> None:
    """Data that cannot be read as the topic's newest schema."""
    codec = Codec(Settings(), _registry({6: schemas.newest(TICKETS).source}))
    assert _reason(confluent_header(6) + CODEC.encode(TICKETS, TICKET)[10:], codec) == "undecodable"


def test_confluent_framing_writes_the_registered_id() -> None:
    """The subject is the topic's name on the broker with -value."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.method == "POST":
            return httpx.Response(200, json={"id": 258, "version": 1, "subject": "x", "schema": "{}"})
        return httpx.Response(200, json={"schema": json.dumps(SCHEMA.source)})

    settings = Settings(framing="confluent", schema_registry="http://registry.test", topic_prefix="eu-")
    codec = Codec(settings, Registry("http://registry.test", httpx.MockTransport(answer)))
    value = codec.encode(USAGE, EVENT)
    assert value[:5] == b"\x00\x00\x00\x01\x02"
    assert codec.decode(USAGE, value) == EVENT
    assert asked[0] == "/subjects/eu-usage-events-value"


def test_confluent_framing_without_a_registry_is_refused() -> None:
    """At start, with what to do."""
    with pytest.raises(SettingsError, match="BACKONTRACK_SCHEMA_REGISTRY"):
        Codec(Settings(framing="confluent"))


def test_a_schema_that_is_not_registered_stops_the_writer() -> None:
    """Workers never register schemas."""
    settings = Settings(framing="confluent", schema_registry="http://registry.test")
    registry = Registry(
        "http://registry.test", httpx.MockTransport(lambda _: httpx.Response(404, json={"error_code": 40403}))
    )
    with pytest.raises(SettingsError, match="not registered"):
        Codec(settings, registry).encode(INTERVENTIONS, {})


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    """A worker must not die of a record."""
    for value in (data, VALUE[:10] + data):
        with contextlib.suppress(BadRecord):
            CODEC.decode(USAGE, value)


@given(st.data())
def test_mutated_frames_never_raise_anything_else(data: st.DataObject) -> None:
    """Bytes changed, cut out and put in, on every input topic with nested parts and enums."""
    topic, value = data.draw(
        st.sampled_from(
            [(USAGE, VALUE), (TICKETS, CODEC.encode(TICKETS, TICKET)), (RESPONSES, CODEC.encode(RESPONSES, RESPONSE))]
        )
    )
    changed = bytearray(value)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(changed) - 1, 0)))
        what = data.draw(st.sampled_from(["change", "cut", "insert"]))
        if what == "change" and changed:
            changed[place] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del changed[place : place + data.draw(st.integers(1, 8))]
        else:
            changed[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        event = CODEC.decode(topic, bytes(changed))
    except BadRecord:
        return
    assert set(event) == {field["name"] for field in schemas.newest(topic).source["fields"]}


TEXT = st.text(max_size=20)


@given(
    st.fixed_dictionaries(
        {
            "event_id": TEXT,
            "account_id": TEXT,
            "occurred_at": st.integers(-(1 << 63), (1 << 63) - 1),
            "metric": TEXT,
            "value": st.floats(allow_nan=False),
            "unit": TEXT,
            "source": TEXT,
            "cohort": st.none() | TEXT,
            "traceparent": st.none() | TEXT,
        }
    )
)
def test_every_event_survives(event: dict[str, Any]) -> None:
    """Whatever its texts and numbers are."""
    assert CODEC.decode(USAGE, CODEC.encode(USAGE, event)) == event
