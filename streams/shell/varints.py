"""Numbers that take more bytes than the Avro specification knows: ten at most, and 64 bits in them.

fastavro reads on until a byte ends the number and keeps what fits, so that twelve bytes of a damaged record pass for a
plausible time. A look for so many high bytes in a row costs little; only where there are some (long numbers, or text in
other scripts than Latin) the data are walked through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST_BYTES = 10
_BITS = 64
_HIGH = bytes(byte >> 7 for byte in range(256))
_RUN = b"\x01" * (_MOST_BYTES - 1)
_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def suspicious(value: bytes) -> bool:
    """True when a number of ten bytes or more may be in there."""
    return _RUN in value.translate(_HIGH)


def check(parsed: Any, value: bytes, start: int) -> None:
    """Walks through a datum that was read with this parsed schema.

    Raises ValueError for a number of over 64 bits, and for a length or a count that no datum of this size can have.
    """
    named = parsed.get("__named_schemas", {}) if isinstance(parsed, Mapping) else {}
    try:
        end = _walk(parsed, value, start, named)
    except LookupError as error:
        raise ValueError("not the datum that was read") from error
    if end > len(value):
        raise ValueError("not the datum that was read")


def _number(value: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    left = shift = 0
    for place in range(at, at + _MOST_BYTES):
        byte = value[place]
        left |= (byte & 127) << shift
        shift += 7
        if byte < 128:  # noqa: PLR2004  the bit that says that more follow
            if left >> _BITS:
                break
            return (left >> 1) ^ -(left & 1), place + 1
    raise ValueError("a number of more than 64 bits")


def _walk(part: Any, value: bytes, at: int, named: Mapping[str, Any]) -> int:  # noqa: PLR0911  one return a kind of type
    """Where the datum of `part` that begins at `at` ends."""
    if isinstance(part, list):
        branch, at = _number(value, at)
        return _walk(part[branch], value, at, named)
    kind = part if isinstance(part, str) else part["type"]
    if isinstance(kind, (dict, list)):
        return _walk(kind, value, at, named)
    if kind in _SIZES:
        return at + _SIZES[kind]
    if kind in {"int", "long", "enum"}:
        return _number(value, at)[1]
    if kind in {"string", "bytes"}:
        return _sized(value, at)
    if kind == "fixed":
        return at + int(part["size"])
    if kind in {"array", "map"}:
        return _walk_blocks(part, value, at, named)
    if kind in {"record", "error"}:
        for field in part["fields"]:
            at = _walk(field["type"], value, at, named)
        return at
    return _walk(named[kind], value, at, named)


def _sized(value: bytes, at: int) -> int:
    size, at = _number(value, at)
    if not 0 <= size <= len(value) - at:
        raise ValueError("a length that does not fit")
    return at + size


def _walk_blocks(part: Any, value: bytes, at: int, named: Mapping[str, Any]) -> int:
    while True:
        count, at = _number(value, at)
        if count == 0:
            return at
        if count < 0:  # the size of the block follows
            at = _number(value, at)[1]
        # The reader in C takes the least of all counts for none.
        if abs(count) > len(value) - at:
            raise ValueError("a block of more items than bytes")
        for _ in range(abs(count)):
            if part["type"] == "map":
                at = _walk("string", value, at, named)
            at = _walk(part.get("items", part.get("values")), value, at, named)
