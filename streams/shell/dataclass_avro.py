"""Avro for dataclasses: a schema from the type hints, and compiled functions between instances and Avro records.

Known types: str, bytes, bool, int (long), float (double), string enums, `X | None`, `list[X]`, `tuple[X, ...]`,
`dict[str, X]`, `Floats` (single precision: four bytes a number), and other dataclasses. Anything else raises TypeError
when the class is looked at, not when data flow.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from streams.domain.floats import Floats, floats

NAMESPACE = "backontrack.state"
_PRIMITIVES: dict[Any, str] = {str: "string", bytes: "bytes", bool: "boolean", int: "long", float: "double"}
Convert = Callable[[Any], Any]


def schema_of(cls: type) -> dict[str, Any]:
    """The Avro record of a dataclass, with its defaults. A class that comes again is referred to by name."""
    schema: dict[str, Any] = _record(cls, {})
    return schema


@cache
def to_record(cls: Any) -> Convert:
    """A function from an instance to the dict that Avro writes; lists and dicts of plain values are shared with it."""
    scope: dict[str, Any] = {}
    pairs = [f"{field.name!r}: {_write(hint, f'it.{field.name}', scope)}" for field, hint in field_hints(cls)]
    return _compile(f"return {{{', '.join(pairs)}}}", scope)


@cache
def from_record(cls: Any) -> Convert:
    """A function from the dict that Avro reads to an instance, which takes over its lists and dicts."""
    scope: dict[str, Any] = {"cls": cls}
    arguments = [f"{field.name}={_read(hint, f'it[{field.name!r}]', scope)}" for field, hint in field_hints(cls)]
    return _compile(f"return cls({', '.join(arguments)})", scope)


# --- schema ---


def _record(cls: type, seen: dict[str, type]) -> Any:
    if cls.__name__ in seen:
        if seen[cls.__name__] is not cls:
            raise TypeError(f"two classes are called {cls.__name__}: {cls.__module__}, {seen[cls.__name__].__module__}")
        return f"{NAMESPACE}.{cls.__name__}"
    seen[cls.__name__] = cls
    record: dict[str, Any] = {"type": "record", "name": cls.__name__, "namespace": NAMESPACE}
    if cls.__doc__:
        record["doc"] = inspect.cleandoc(cls.__doc__).splitlines()[0]
    record["fields"] = [_field(field, hint, seen) for field, hint in field_hints(cls)]
    return record


def _field(field: Field[Any], hint: Any, seen: dict[str, type]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": field.name, "type": _type(hint, seen)}
    default = field.default
    if default is MISSING:
        if field.default_factory is MISSING:
            return made
        default = field.default_factory()
    if isinstance(made["type"], list) and default is not None:
        raise TypeError(f"{field.name}: what may be None must be None by default")
    made["default"] = _write_value(hint, default)
    return made


def _type(hint: Any, seen: dict[str, type]) -> Any:  # noqa: PLR0911  one return a kind of type
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    if is_enum(hint):
        return "string"
    if is_dataclass(hint):
        return _record(hint, seen)  # type: ignore[arg-type]  # a hint is a class, not an instance
    kind, inner = generic(hint)
    if kind == "optional":
        return ["null", _type(inner, seen)]
    if kind == "floats":
        return {"type": "array", "items": "float"}
    if kind == "list":
        return {"type": "array", "items": _type(inner, seen)}
    return {"type": "map", "values": _type(inner, seen)}


def generic(hint: Any) -> tuple[str, Any]:
    """`optional`, `floats`, `list` or `map`, and the type inside. Raises TypeError for anything else."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType} and len(arguments) == 2 and type(None) in arguments:  # noqa: PLR2004  X and None
        return "optional", next(argument for argument in arguments if argument is not type(None))
    if hint is Floats:
        return "floats", float
    if origin is list or (origin is tuple and len(arguments) == 2 and arguments[1] is ...):  # noqa: PLR2004  X, ...
        return "list", arguments[0]
    if origin is dict and arguments[0] is str:
        return "map", arguments[1]
    raise TypeError(f"{hint}: no Avro type is known for it")


def is_enum(hint: Any) -> bool:
    """True for an enum of strings, which is stored as a string."""
    return isinstance(hint, type) and issubclass(hint, str) and issubclass(hint, Enum)


def field_hints(cls: type) -> list[tuple[Field[Any], Any]]:
    """Fields of a dataclass with their resolved types."""
    hints = get_type_hints(cls)
    return [(field, hints[field.name]) for field in fields(cls)]


# --- functions ---


def _compile(body: str, scope: dict[str, Any]) -> Convert:
    # Straight-line code is three times as fast as a loop over fields; the text is made from field names only.
    exec(f"def convert(it):\n    {body}", scope)  # noqa: S102  as the dataclass decorator itself does
    convert: Convert = scope["convert"]
    return convert


def _write(hint: Any, value: str, scope: dict[str, Any]) -> str:
    """Expression that turns `value` into what Avro writes."""
    if hint in _PRIMITIVES:
        return value
    if is_enum(hint):
        return f"{value}.value"
    if is_dataclass(hint):
        return f"{_helper(scope, hint, to_record)}({value})"
    kind, inner = generic(hint)
    if kind == "floats":
        return f"{value}.tolist()"
    item = _write(inner, "x", scope)
    return value if item == "x" and get_origin(hint) is not tuple else _over(kind, item, value)


def _read(hint: Any, value: str, scope: dict[str, Any]) -> str:
    """Expression that turns `value`, as Avro reads it, into what the class holds."""
    if hint in _PRIMITIVES:
        return value
    if is_enum(hint):
        scope[hint.__name__] = hint
        return f"{hint.__name__}({value})"
    if is_dataclass(hint):
        return f"{_helper(scope, hint, from_record)}({value})"
    kind, inner = generic(hint)
    if kind == "floats":
        scope["floats"] = floats
        return f"floats({value})"
    item = _read(inner, "x", scope)
    made = value if item == "x" else _over(kind, item, value)
    return f"tuple({made})" if get_origin(hint) is tuple else made


def _over(kind: str, item: str, value: str) -> str:
    if kind == "optional":
        return f"(None if (x := {value}) is None else {item})"
    if kind == "list":
        return f"[{item} for x in {value}]"
    return f"{{k: {item} for k, x in {value}.items()}}"


def _helper(scope: dict[str, Any], cls: Any, make: Callable[[Any], Convert]) -> str:
    name = f"of_{cls.__name__}"
    scope[name] = make(cls)
    return name


def _write_value(hint: Any, value: Any) -> Any:
    """A default as it stands in a schema file."""
    scope: dict[str, Any] = {}
    converted = _compile(f"return {_write(hint, 'it', scope)}", scope)(value)
    return converted.decode("latin-1") if isinstance(converted, bytes) else converted
