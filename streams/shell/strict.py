"""Makes fastavro's reader refuse bytes that the Avro specification does not know: wrong enums, booleans, branches.

fastavro indexes Python lists with the numbers it reads, so an enum index or a branch of -1 selects the last one, and it
takes every non-zero byte for true. A corrupt byte would pass as a plausible event. The reader looks the index up in
whatever object stands in the parsed schema, so the remedy costs nothing: an object that knows the valid indexes only.
`tests/unit/shell/test_strict.py` holds the version in use to it. Numbers of too many bytes: `varints.py`.
"""

from __future__ import annotations

import copy
from typing import Any

# A boolean is the byte 0 or 1. Read as an enum index those are 0 and -1, and every other byte is another number.
_BOOLEAN: dict[str, Any] = {"type": "enum", "name": "strict.boolean", "symbols": {0: False, -1: True}}


def _union(branches: list[Any]) -> list[Any]:
    # The reader takes nothing but a list for a union. A class for each, because the type is asked for the item; the
    # table's own method, because one in Python would be noticed. A negative index is first added to the length.
    known = dict(enumerate(branches))
    made = type("Union", (list,), {"__getitem__": known.__getitem__, "__len__": lambda _: 0, "__slots__": ()})
    union: list[Any] = made(branches)
    return union


def strict(parsed: Any) -> Any:
    """A copy of a parsed schema with which reading refuses wrong enum, boolean and union bytes.

    For reading with the writer's own schema only: the copy takes no part in schema resolution, nor in writing.
    """
    done: set[int] = set()
    copied = copy.deepcopy(parsed)
    if isinstance(copied, dict):
        known = copied.get("__named_schemas", {})
        for name in known:
            known[name] = _armoured(known[name], done)
    return _armoured(copied, done)


def _armoured(part: Any, done: set[int]) -> Any:
    if part == "boolean":
        return _BOOLEAN
    if isinstance(part, list):
        return _union([_armoured(branch, done) for branch in part])
    if not isinstance(part, dict) or part is _BOOLEAN or id(part) in done:
        return part
    done.add(id(part))
    if part["type"] == "boolean":
        return _BOOLEAN
    if part["type"] == "enum":
        part["symbols"] = dict(enumerate(part["symbols"]))
    for child in ("items", "values"):
        if child in part:
            part[child] = _armoured(part[child], done)
    for field in part.get("fields", ()):
        field["type"] = _armoured(field["type"], done)
    if isinstance(part["type"], (dict, list)):
        part["type"] = _armoured(part["type"], done)
    return part
