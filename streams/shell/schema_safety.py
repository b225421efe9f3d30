"""Which schemas data must not be read with. They may come from a registry, so others decide what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMED = ("record", "error", "enum", "fixed")
_COMPLEX = (*_NAMED, "array", "map")


class SchemaRefused(Exception):  # noqa: N818  says what happened to the schema
    """A few bytes read with this schema could exhaust memory or the stack."""


def refuse(schema: Any) -> None:
    """Raises SchemaRefused for recursive types and for arrays of items that take no bytes.

    A deep recursive datum of a few kB ends the process in fastavro's C reader (nothing to catch), and an array of
    nulls of five bytes makes millions of elements.
    """
    _walk(schema, (), "", {})


def _walk(part: Any, inside: tuple[str, ...], namespace: str, named: dict[str, Any]) -> None:
    if isinstance(part, str):
        if _full(part, namespace) in inside:
            raise SchemaRefused(f"type {part} contains itself")
    elif isinstance(part, list):
        for branch in part:
            _walk(branch, inside, namespace, named)
    elif part["type"] in _COMPLEX:
        _walk_complex(part, inside, namespace, named)
    else:
        _walk(part["type"], inside, namespace, named)


def _walk_complex(part: Any, inside: tuple[str, ...], namespace: str, named: dict[str, Any]) -> None:
    if part["type"] in _NAMED:
        namespace = part.get("namespace", namespace)
        name = _full(part["name"], namespace)
        named[name] = part
        for field in part.get("fields", ()):
            _walk(field["type"], (*inside, name), name.rpartition(".")[0], named)
    elif part["type"] == "map":
        _walk(part["values"], inside, namespace, named)
    else:
        _walk(part["items"], inside, namespace, named)
        if _takes_no_bytes(part["items"], namespace, named):
            raise SchemaRefused("an array of items that take no bytes")


def _takes_no_bytes(part: Any, namespace: str, named: Mapping[str, Any]) -> bool:
    if isinstance(part, str):
        part = named.get(_full(part, namespace), {"type": part})
    if isinstance(part, list):
        return False
    kind = part["type"]
    if isinstance(kind, (dict, list)):
        return _takes_no_bytes(kind, namespace, named)
    if kind in {"record", "error"}:
        return all(_takes_no_bytes(field["type"], namespace, named) for field in part["fields"])
    return bool(kind == "null" or (kind == "fixed" and part["size"] == 0))


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
