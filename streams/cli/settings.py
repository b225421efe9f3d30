"""`backontrack settings`: every setting, what it means and what it is now."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from streams.settings import PREFIX, Settings, is_secret, load_settings, without_password

_WORDS = {"str": "text", "int": "whole number", "Path": "file", "SecretStr": "password", "bool": "true | false"}


def settings(json_output: Annotated[bool, typer.Option("--json", help="Print them as JSON")] = False) -> None:
    """Show every setting: variable, type, default, what it is now and what it means. Secrets are masked.

    Each is an environment variable, or a line `name: value` of the file named by `--config` (without the prefix, in
    small letters). Durations have a unit: 50ms, 30s, 15m, 36h, 3d.

    Examples:
        backontrack settings

        BACKONTRACK_PARTITIONS=16 backontrack --config production.yaml settings --json
    """
    rows = describe(load_settings())
    if json_output:
        typer.echo(json.dumps(rows, indent=2))
        return
    console = Console(highlight=False)
    for row in rows:
        default = "" if row["now"] == row["default"] else f", default {row['default'] or 'empty'}"
        console.print(f"[bold]{row['variable']}[/bold] = {escape(str(row['now']))}   ({row['type']}{default})")
        console.print(Padding(escape(row["meaning"]), (0, 0, 0, 4)))


def describe(current: Settings) -> list[dict[str, Any]]:
    """One row a setting: variable, type, default, now, meaning."""
    values = current.model_dump(mode="json")
    return [
        {
            "variable": f"{PREFIX}{name.upper()}",
            "type": _type(field.annotation, field.metadata),
            "default": "" if field.default is None or is_secret(name) else field.default,
            "now": masked(name, "" if values[name] is None else values[name]),
            "meaning": field.description or "",
        }
        for name, field in type(current).model_fields.items()
    ]


def masked(name: str, value: Any) -> Any:
    """The value without what must not be shown."""
    if not isinstance(value, str):
        return value
    if value and is_secret(name):
        return "***"
    return without_password(value)


def _type(annotation: Any, metadata: list[Any]) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    if any(type(part).__name__ == "BeforeValidator" for part in metadata):
        return "duration, ms"
    named = [part for part in get_args(annotation) or (annotation,) if part is not type(None)]
    return " | ".join(_WORDS.get(part.__name__, part.__name__) for part in named)
