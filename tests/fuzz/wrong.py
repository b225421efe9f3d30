"""Writes Avro data that is wrong at one place: what no writer would write, but a fault or an attacker may.

Each place of a datum (a length, a union branch, an enum index, a number, a block) can be written in ways that break the
rules of the specification or strain a reader; the rest around it is right.
"""

from __future__ import annotations

import random
import struct
from typing import Any

from tests.fuzz.reference import names_of

_LONGS = (0, 1, -1, -2, 2, 7, 63, 64, 127, 1 << 31, -(1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63))
_DOUBLES = (float("nan"), float("inf"), float("-inf"), 1.7e308, -1.7e308, 5e-324, 1e100, 1.1e100, -0.0)
_COUNTS = (-1, -2, 1 << 20, 1 << 31, 1 << 62, -(1 << 62), -(1 << 63))


def varint(number: int) -> bytes:
    """A long as Avro writes it: zig-zag, seven bits a byte."""
    left = (number << 1) ^ (number >> 63)
    left &= (1 << 64) - 1
    made = bytearray()
    while left > 127:
        made.append(left & 127 | 128)
        left >>= 7
    made.append(left)
    return bytes(made)


def stretched(number: int, size: int) -> bytes:
    """The same number in more bytes than it needs; beyond ten the specification knows no such number."""
    made = bytearray(varint(number))
    made[-1] |= 128
    made += b"\x80" * (size - len(made) - 1) + b"\x00"
    return bytes(made)


class WrongWriter:
    """Writes a datum; the `place`-th place that can be wrong is. `places` says how many there are, once written."""

    def __init__(self, rng: random.Random, schema: Any, place: int = -1) -> None:
        self._rng = rng
        self._schema = schema
        self._named = names_of(schema)
        self._place = place
        self.places = 0
        self.how = ""
        """What was done."""

    def write(self, value: Any) -> bytes:
        """The datum."""
        out = bytearray()
        self._write(self._schema, value, out)
        return bytes(out)

    def _here(self) -> bool:
        self.places += 1
        return self.places - 1 == self._place

    def _write(self, schema: Any, value: Any, out: bytearray) -> None:  # noqa: C901, PLR0912  one branch a type
        if isinstance(schema, list):
            index = _branch(schema, value)
            out += self._number(index, "union") if self._here() else varint(index)
            self._write(schema[index], value, out)
            return
        if isinstance(schema, str):
            schema = self._named.get(schema.rpartition(".")[2], schema)
        kind = schema if isinstance(schema, str) else schema["type"]
        if isinstance(kind, (dict, list)):
            self._write(kind, value, out)
        elif kind == "record":
            for field in schema["fields"]:
                self._write(field["type"], value[field["name"]], out)
        elif kind == "null":
            return
        elif kind == "boolean":
            out.append(self._byte() if self._here() else value)
        elif kind in ("int", "long"):
            out += self._number(value, kind) if self._here() else varint(value)
        elif kind in ("float", "double"):
            if self._here():
                value, self.how = self._rng.choice(_DOUBLES), kind
            out += struct.pack("<f", max(-3e38, min(3e38, value))) if kind == "float" else struct.pack("<d", value)
        elif kind in ("string", "bytes"):
            self._text(value, out)
        elif kind == "enum":
            index = schema["symbols"].index(value)
            out += self._number(index, "enum") if self._here() else varint(index)
        elif kind == "fixed":
            out += value[:-1] if self._here() else value
        else:
            self._blocks(schema, value, out)

    def _byte(self) -> int:
        self.how = "boolean"
        return self._rng.randrange(2, 256)

    def _number(self, value: int, what: str) -> bytes:
        way = self._rng.randrange(3)
        if way == 0:
            self.how = f"{what}: stretched"
            return stretched(value, self._rng.choice([5, 10, 11, 12, 40]))
        if way == 1:
            self.how = f"{what}: no end"
            return b"\xff" * self._rng.choice([3, 9, 10, 11, 60])
        self.how = f"{what}: another number"
        return varint(self._rng.choice(_LONGS))

    def _text(self, value: str | bytes, out: bytearray) -> None:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        if not self._here():
            out += varint(len(data)) + data
            return
        rng = self._rng
        way = rng.randrange(4)
        if way == 0:
            self.how = "length: other"
            out += varint(rng.choice([len(data) - 1, len(data) + 1, *_COUNTS])) + data
        elif way == 1:
            self.how = "length: stretched"
            out += stretched(len(data), rng.choice([3, 10, 11])) + data
        elif way == 2:
            self.how = "text: no UTF-8"
            data = rng.choice(
                [
                    b"\xed\xa0\x80",
                    b"\xff",
                    b"\xc0\x80",
                    b"\xf5\x80\x80\x80",
                    b"\xe2\x82",
                    "\ud83d".encode("utf-8", "surrogatepass"),
                ]
            )
            out += varint(len(data)) + data
        else:
            self.how = "text: strange"
            data = rng.choice(
                ["", "\0", "\0partition", "\ufffe", "\u202e", "a\nb", "e\u0301", "x" * 257, "💥" * 5000]
            ).encode()
            out += varint(len(data)) + data

    def _blocks(self, schema: Any, value: Any, out: bytearray) -> None:
        items = list(value.items()) if schema["type"] == "map" else list(value)
        way = self._rng.randrange(6) if self._here() else -1
        body = [self._item(schema, item) for item in items]
        if way == 5:
            self.how = "block: least count"
            out += varint(-(1 << 63)) + varint(self._rng.choice([0, 1, -1, len(items)])) + b"\0"
            return
        if way in (0, 1) or not items:
            if way >= 0:
                self.how = "block: count"
                out += varint(self._rng.choice(_COUNTS))
            elif items:
                out += varint(len(items))
            out += b"".join(body) + b"\0"
            return
        if way == 2:
            self.how = "block: with its size"
            out += varint(-len(items)) + varint(sum(map(len, body))) + b"".join(body) + b"\0"
        elif way == 3:
            self.how = "block: many"
            for part in body:
                out += varint(1) + part
            out += b"\0"
        elif way == 4:
            self.how = "block: twice the same"
            out += varint(len(items) + 1) + b"".join(body) + body[0] + b"\0"
        else:
            out += varint(len(items)) + b"".join(body) + b"\0"

    def _item(self, schema: Any, item: Any) -> bytes:
        out = bytearray()
        if schema["type"] == "map":
            self._text(item[0], out)
            self._write(schema["values"], item[1], out)
        else:
            self._write(schema["items"], item, out)
        return bytes(out)


def _branch(schema: list[Any], value: Any) -> int:
    """The branch of a nullable type; unions of several types do not occur in the schemas."""
    null = schema.index("null") if "null" in schema else -1
    if value is None:
        return null
    return next(index for index in range(len(schema)) if index != null)


def place_wrong(rng: random.Random, schema: Any, value: Any) -> tuple[bytes, str]:
    """The datum with one place written wrong, and what was done."""
    counter = WrongWriter(rng, schema)
    counter.write(value)
    writer = WrongWriter(rng, schema, rng.randrange(counter.places))
    return writer.write(value), writer.how
