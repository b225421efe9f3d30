"""Makes fastavro's reader refuse enum and boolean bytes that the Avro specification does not know.

fastavro indexes Python lists with the numbers it reads, so an enum index of -1 selects the last symbol, and it takes
every non-zero byte for true. A corrupt byte would pass as a plausible event. The reader looks the index up in whatever
object stands in the parsed schema, so the remedy costs nothing: an object that knows the valid indexes only.
`tests/unit/shell/test_codec.py` holds the version in use to it.

What stays lenient: a union must be a real list there, so the branch numbers -1 and -2 of a nullable field still select
its branches. Type and length of what follows are right then, and a wrong value is told by the check of the event.
"""

from __future__ import annotations

import copy
from typing import Any

# A boolean is the byte 0 or 1. Read as an enum index those are 0 and -1, and every other byte is another number.
_BOOLEAN: dict[str, Any] = {"type": "enum", "name": "strict.boolean", "symbols": {0: False, -1: True}}


def strict(parsed: Any) -> Any:
    """A copy of a parsed schema with which reading refuses wrong enum and boolean bytes.

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
        return [_armoured(branch, done) for branch in part]
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
