"""Writes dataclasses as Avro, compiled: byte for byte what fastavro would write, in a third of the time.

Account states are written at every checkpoint, so this is a hot path: with records of hundreds of numbers fastavro
spends most of its time on looking up what the schema says of each. Here the schema is straight-line code.
`tests/unit/shell/test_state_codec.py` holds the bytes against fastavro's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from io import BytesIO
from struct import Struct
from typing import Any

from fastavro import parse_schema, schemaless_writer

from streams.domain.floats import Floats, floats
from streams.shell.dataclass_avro import field_hints, generic, is_enum

Write = Callable[[Any], bytes]
_CACHED = 8_192
"""What is encoded again and again is less; the rest, ids and times that come once, would only take memory."""
_CACHED_LENGTH = 64
_LONGS = parse_schema({"type": "array", "items": "long"})
# Numbers beyond it are hashes: they do not repeat, so that caching them costs more than it saves.
_REPEATING = 1 << 50


class _Longs(dict[int, bytes]):
    """Encoded numbers: small ones and times come again and again."""

    def __missing__(self, number: int) -> bytes:
        left = (number << 1) ^ (number >> 63)
        if not 0 <= left < 1 << 64:
            raise OverflowError(f"{number} does not fit 64 bits")
        made = bytearray()
        while left > 127:  # noqa: PLR2004  seven bits a byte
            made.append(left & 127 | 128)
            left >>= 7
        made.append(left)
        if len(self) >= _CACHED:
            self.clear()
        self[number] = found = bytes(made)
        return found


class _Strings(dict[str, bytes]):
    """Encoded strings: names and ids come again and again, texts do not."""

    def __missing__(self, text: str) -> bytes:
        data = text.encode()
        found = _LONG[len(data)] + data
        if len(data) <= _CACHED_LENGTH:
            if len(self) >= _CACHED:
                self.clear()
            self[text] = found
        return found


_PRIMITIVES: dict[Any, str] = {
    str: "STRING[{}]",
    int: "LONG[{}]",
    float: "double({})",
    bool: "(TRUE if {} else NULL)",
    bytes: "data({})",
}
_LISTS: dict[Any, str] = {int: "long_list({})", float: "double_list({})"}
_LONG = _Longs()
_STRING = _Strings()


def _bytes(data: bytes) -> bytes:
    return _LONG[len(data)] + data


def _long_list(numbers: list[int]) -> bytes:
    if not numbers:
        return b"\0"
    if -_REPEATING < numbers[-1] < _REPEATING:
        return _LONG[len(numbers)] + b"".join([_LONG[number] for number in numbers]) + b"\0"
    buffer = BytesIO()
    schemaless_writer(buffer, _LONGS, numbers)
    return buffer.getvalue()


@cache
def _doubles(count: int) -> Callable[..., bytes]:
    return Struct(f"<{count}d").pack


def _double_list(numbers: list[float]) -> bytes:
    count = len(numbers)
    return _LONG[count] + _doubles(count)(*numbers) + b"\0" if count else b"\0"


def _float_list(numbers: Floats) -> bytes:
    if sys.byteorder == "big":
        numbers = floats(numbers)
        numbers.byteswap()
    return _LONG[len(numbers)] + numbers.tobytes() + b"\0" if numbers else b"\0"


@cache
def writer(cls: Any) -> Write:
    """A function that writes instances of a dataclass as the record of `dataclass_avro.schema_of`."""
    scope: dict[str, Any] = {
        "LONG": _LONG,
        "STRING": _STRING,
        "join": b"".join,
        "data": _bytes,
        "double": _doubles(1),
        "NULL": b"\0",
        "TRUE": b"\1",
        "SOME": b"\2",
        "long_list": _long_list,
        "double_list": _double_list,
        "float_list": _float_list,
    }
    parts: list[str] = []
    doubles: list[str] = []

    def pack() -> None:
        if doubles:
            scope[f"pack{len(doubles)}"] = _doubles(len(doubles))
            parts.append(f"pack{len(doubles)}({', '.join(doubles)})")
            doubles.clear()

    for field, hint in field_hints(cls):
        value = f"it.{field.name}"
        if hint is float:
            doubles.append(value)
        else:
            pack()
            parts.append(_part(hint, value, scope))
    pack()
    exec(f"def write(it):\n    return join(({', '.join(parts)},))", scope)  # noqa: S102  as dataclasses do
    made: Write = scope["write"]
    return made


def _part(hint: Any, value: str, scope: dict[str, Any]) -> str:
    """Expression that gives the bytes of `value`."""
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint].format(value)
    if is_enum(hint):
        return f"STRING[{value}.value]"
    if is_dataclass(hint):
        name = f"of_{getattr(hint, '__name__', '')}"
        scope[name] = writer(hint)  # type: ignore[arg-type]  # a class is hashable
        return f"{name}({value})"
    return _generic_part(*generic(hint), value, scope)


def _generic_part(kind: str, inner: Any, value: str, scope: dict[str, Any]) -> str:
    if kind == "optional":
        return f"(NULL if (x := {value}) is None else SOME + {_part(inner, 'x', scope)})"
    if kind == "floats":
        return f"float_list({value})"
    if kind == "list" and inner in _LISTS:
        return _LISTS[inner].format(value)
    if kind == "list":
        return f"((LONG[len(y)] + join([{_part(inner, 'x', scope)} for x in y]) + NULL) if (y := {value}) else NULL)"
    entries = f"join([STRING[k] + {_part(inner, 'x', scope)} for k, x in y.items()])"
    return f"((LONG[len(y)] + {entries} + NULL) if (y := {value}) else NULL)"
