"""Which schemas data must not be read with. They may come from a registry, so others decide what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_NAMED = ("record", "error", "enum", "fixed")
_COMPLEX = (*_NAMED, "array", "map")
_DEEPEST = 64
_MOST_FREE = 256
"""Values that a datum may hold without a byte for each of them."""
_FREE_ITEM = 8
"""The same for the items of an array or a map, of which there may be many."""


class SchemaRefused(Exception):  # noqa: N818  says what happened to the schema
    """A few bytes read with this schema could exhaust memory or the stack."""


class _Cost(NamedTuple):
    """Of a datum: fewest bytes, and the values that are made of them."""

    bytes: int
    values: int

    def free(self, most: int) -> bool:
        return self.values <= 2 * self.bytes + most


_VALUE = _Cost(1, 1)
_SIZES = {"null": _Cost(0, 1), "float": _Cost(4, 1), "double": _Cost(8, 1)}


def refuse(schema: Any) -> None:
    """Raises SchemaRefused for recursive types, for items that take no bytes, and for what expands without end.

    A deep recursive datum of a few kB ends the process in fastavro's C reader (nothing to catch), an array of nulls of
    five bytes makes millions of elements, and thirty records that each hold the next one twice make a billion of none.
    """
    try:
        cost = _walk(schema, (), "", {})
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise SchemaRefused(f"not an Avro schema ({type(error).__name__}: {error})") from None
    if not cost.free(_MOST_FREE):
        raise SchemaRefused("a record that holds far more values than bytes")


def _walk(part: Any, inside: tuple[str, ...], namespace: str, named: dict[str, _Cost], depth: int = 0) -> _Cost:
    if depth > _DEEPEST:
        raise SchemaRefused(f"nested deeper than {_DEEPEST}")
    if isinstance(part, str):
        name = _full(part, namespace)
        if name in inside:
            raise SchemaRefused(f"type {part} contains itself")
        return named.get(name) or _SIZES.get(part, _VALUE)
    if isinstance(part, list):
        costs = [_walk(branch, inside, namespace, named, depth + 1) for branch in part]
        # The number of the branch takes a byte; the branch that makes most of its bytes counts.
        worst = max(costs, key=lambda cost: cost.values - 2 * cost.bytes, default=_VALUE)
        return _Cost(1 + worst.bytes, worst.values)
    if part["type"] in _COMPLEX:
        return _walk_complex(part, inside, namespace, named, depth + 1)
    return _walk(part["type"], inside, namespace, named, depth + 1)


def _walk_complex(
    part: Mapping[str, Any], inside: tuple[str, ...], namespace: str, named: dict[str, _Cost], depth: int
) -> _Cost:
    kind = part["type"]
    if kind in _NAMED:
        namespace = part.get("namespace", namespace)
        name = _full(part["name"], namespace)
        cost = _Cost(int(part["size"]), 1) if kind == "fixed" else _VALUE
        if kind in {"record", "error"}:
            space = name.rpartition(".")[0]
            fields = [_walk(field["type"], (*inside, name), space, named, depth) for field in part["fields"]]
            cost = _Cost(sum(field.bytes for field in fields), 1 + sum(field.values for field in fields))
        named[name] = cost
        return cost
    item = _walk(part["items" if kind == "array" else "values"], inside, namespace, named, depth)
    if kind == "array" and not item.bytes:
        raise SchemaRefused("an array of items that take no bytes")
    if not item.free(_FREE_ITEM):
        raise SchemaRefused(f"{'an' if kind == 'array' else 'a'} {kind} of items that hold far more values than bytes")
    return _VALUE


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
