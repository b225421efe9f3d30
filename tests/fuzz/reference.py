"""A second reader of Avro, and a second judge of events: what a record is worth, told without the product's code.

The reader follows the Avro 1.12 specification to the letter and takes its time. What it refuses must not pass the
codec, what it reads must come out of the codec as the same values.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests.support.wire import SCHEMAS

FIT = "fit"
MOST_BYTES = 1_048_576
"""Default of `max_record_bytes`."""
MAX_FUTURE = 86_400_000
"""`time.max_future` of the shipped policy, ms."""
_LONG_BYTES = 10
_EARLIEST, _LATEST = 631_152_000_000, 4_102_444_800_000
_NAMES = {
    "usage-events": ("metric",),
    "sentiment-events": ("channel", "interaction_id"),
    "ticket-events": ("ticket_id", "theme"),
    "account-events": ("segment", "stage", "tier", "owner", "time_zone", "channel_preference"),
    "response-events": ("intervention_id", "actor"),
}
_WORDS = {"account-events": ("goals",), "response-events": ("action", "reason", "alternative")}
_SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}


class Refused(Exception):  # noqa: N818  as in the codec: what happened to the bytes
    """The bytes are no datum of the schema. `reason` is the codec's reason code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Reader:
    """Reads one datum. `read` returns plain values and raises Refused."""

    def __init__(self, schema: Any) -> None:
        self._named = names_of(schema)
        self._schema = schema

    def read(self, data: bytes, start: int = 0) -> Any:
        """The datum from `start` to the end of `data`."""
        self._data, self._at = data, start
        value = self._value(self._schema, "")
        if self._at != len(data):
            raise Refused("trailing_bytes")
        return value

    def _take(self, count: int) -> bytes:
        if count < 0:
            raise Refused("undecodable")
        if self._at + count > len(self._data):
            raise Refused("truncated")
        found = self._data[self._at : self._at + count]
        self._at += count
        return found

    def _long(self, bits: int = 64) -> int:
        left = shift = 0
        for _ in range(_LONG_BYTES):
            byte = self._take(1)[0]
            left |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        else:
            raise Refused("undecodable")
        if left >= 1 << 64:
            raise Refused("undecodable")
        number = (left >> 1) ^ -(left & 1)
        if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
            raise Refused("undecodable")
        return number

    def _value(self, schema: Any, space: str) -> Any:  # noqa: C901, PLR0911, PLR0912  one branch a type
        if isinstance(schema, list):
            return self._value(_pick(schema, self._long()), space)
        if isinstance(schema, str):
            named = self._named.get(schema) or self._named.get(f"{space}.{schema}")
            if named is not None:
                return self._value(named, space)
            kind: Any = schema
            schema = {}
        else:
            kind = schema["type"]
        if isinstance(kind, (dict, list)):
            return self._value(kind, space)
        if kind == "null":
            return None
        if kind == "boolean":
            byte = self._take(1)[0]
            if byte > 1:
                raise Refused("undecodable")
            return bool(byte)
        if kind in ("int", "long"):
            return self._long(32 if kind == "int" else 64)
        if kind == "float":
            return struct.unpack("<f", self._take(4))[0]
        if kind == "double":
            return struct.unpack("<d", self._take(8))[0]
        if kind == "bytes":
            return self._take(self._long())
        if kind == "string":
            try:
                return self._take(self._long()).decode("utf-8")
            except UnicodeDecodeError:
                raise Refused("undecodable") from None
        if kind == "fixed":
            return self._take(schema["size"])
        if kind == "enum":
            return _pick(schema["symbols"], self._long())
        if kind in ("array", "map"):
            return self._blocks(schema, space)
        if kind in ("record", "error"):
            space = schema.get("namespace", space)
            return {field["name"]: self._value(field["type"], space) for field in schema["fields"]}
        return self._value(kind, space)

    def _blocks(self, schema: Any, space: str) -> Any:
        items: list[Any] = []
        keys: list[str] = []
        while count := self._long():
            size = -1
            if count < 0:
                # The size of the block follows.
                count = -count
                size = self._long()
                if size < 0:
                    raise Refused("undecodable")
            for _ in range(count):
                if schema["type"] == "map":
                    keys.append(self._value("string", space))
                items.append(self._value(schema.get("items") or schema["values"], space))
        return dict(zip(keys, items, strict=True)) if schema["type"] == "map" else items


def _pick(choices: list[Any], index: int) -> Any:
    if not 0 <= index < len(choices):
        raise Refused("undecodable")
    return choices[index]


def names_of(schema: Any) -> dict[str, Any]:
    """The named types of a schema, by name and by full name."""
    named: dict[str, Any] = {}
    _collect(schema, "", named)
    return named


def _collect(schema: Any, space: str, named: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, space, named)
    elif isinstance(schema, Mapping):
        space = schema.get("namespace", space)
        if "name" in schema:
            named[schema["name"]] = named[f"{space}.{schema['name']}"] = schema
        for part in ("type", "items", "values"):
            _collect(schema.get(part), space, named)
        for field in schema.get("fields", ()):
            _collect(field["type"], space, named)


@cache
def sources(topic: str) -> tuple[Any, ...]:
    """The schema files of a topic, oldest first."""
    files = sorted((SCHEMAS / topic).glob("v*.avsc"), key=lambda path: int(path.stem[1:]))
    return tuple(json.loads(path.read_text(encoding="utf-8")) for path in files)


@cache
def _readers(topic: str) -> dict[bytes, Reader]:
    made = {}
    for source in sources(topic):
        crc = fingerprint(to_parsing_canonical_form(fastavro.parse_schema(source)), "CRC-64-AVRO")
        made[b"\xc3\x01" + bytes.fromhex(crc)] = Reader(source)
    return made


def read(topic: str, value: bytes | None) -> Any:
    """The datum of a record value in single-object encoding. Raises Refused."""
    if not value:
        raise Refused("empty")
    if len(value) > MOST_BYTES:
        raise Refused("too_large")
    if not b"\xc3\x01".startswith(value[:2]):
        # Frames of a registry are not readable when none is set.
        if value[:1] == b"\x00":
            raise Refused("unknown_schema" if len(value) >= 5 else "truncated")
        raise Refused("wrong_magic")
    if len(value) < 10:
        raise Refused("truncated")
    reader = _readers(topic).get(value[:10])
    if reader is None:
        raise Refused("unknown_schema")
    return reader.read(value, 10)


def verdict(topic: str, key: bytes | None, time: int, value: bytes | None) -> str:
    """`fit`, or the reason code of the dead letter, under the shipped policy and without a registry."""
    try:
        event = read(topic, value)
    except Refused as refused:
        return refused.reason
    return judge(topic, key, time, event)


def judge(topic: str, key: bytes | None, time: int, event: Mapping[str, Any]) -> str:
    """What `streams/domain/validate.py` has to say of an event, restated rule by rule."""
    if key is None:
        return "null_key"
    if not _known_time(time):
        return "absurd_time"
    if topic == "partition-control":
        return FIT if _known_time(event["at"]) else "absurd_time"
    if key != event["account_id"].encode():
        return "key_mismatch"
    for problem in (_ids, _times, _names, _numbers):
        if found := problem(topic, event, time):
            return found
    return FIT


def _ids(topic: str, event: Mapping[str, Any], _time: int) -> str:
    needed = {"usage-events": "metric", "ticket-events": "ticket_id", "response-events": "intervention_id"}.get(topic)
    for name in ("account_id", "event_id", *([needed] if needed else [])):
        if not event[name]:
            return "empty_id"
    return "bad_id" if "\0" in event["account_id"] else ""


def _times(_topic: str, event: Mapping[str, Any], time: int) -> str:
    if not _EARLIEST <= event["occurred_at"] <= time + MAX_FUTURE:
        return "absurd_time"
    stated = (event.get(name) for name in ("renewal_at", "promised_by", "snooze_until"))
    return "absurd_time" if any(at is not None and not _known_time(at) for at in stated) else ""


def _names(topic: str, event: Mapping[str, Any], _time: int) -> str:
    names = ("account_id", "event_id", "traceparent", *_NAMES[topic])
    if any(len(event[name] or "") > 256 for name in names):
        return "too_long"
    for name in _WORDS.get(topic, ()):
        words = event[name]
        if (sum(len(part) + 1 for part in words) if isinstance(words, list) else len(words or "")) > 4096:
            return "too_long"
    return ""


def _numbers(topic: str, event: Mapping[str, Any], _time: int) -> str:
    scales: dict[str, tuple[float, float]] = {
        "usage-events": {"value": (-1e100, 1e100)},
        "sentiment-events": {
            "score": (-1, 1),
            "survey_value": _SCALES.get(event.get("survey", ""), (-1e100, 1e100)),
            "position": (0, 2**31),
        },
        "ticket-events": {"satisfaction": (1, 5)},
        "account-events": {"value": (0, 1e100)},
        "response-events": {"cost": (0, 1e100)},
    }[topic]  # type: ignore[assignment]
    for name, (least, largest) in scales.items():
        value = event[name]
        if value is not None and not least <= value <= largest:
            return "out_of_range" if math.isfinite(value) else "not_finite"
    return ""


def _known_time(at: int) -> bool:
    return _EARLIEST <= at < _LATEST


Judge = Callable[[str, bytes | None, int, bytes | None], str]
