"""`backontrack schemas`: the contract of the topics."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from streams import topics
from streams.cli.group import group
from streams.shell import schemas
from streams.shell.compatibility import problems

app = group("Show the record schemas, and check that they fit each other.")


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="Topic, without prefix; all of them when left out")] = "",
    version: Annotated[int, typer.Option(min=0, help="Version; 0 is the newest")] = 0,
    json_output: Annotated[bool, typer.Option("--json", help="Print the schema itself (.avsc)")] = False,
) -> None:
    """Show the fields of a topic's records, with their types and meaning.

    Examples:
        backontrack schemas show

        backontrack schemas show usage-events

        backontrack schemas show interventions --json > interventions.avsc
    """
    if not topic:
        table = Table(Column("topic", no_wrap=True), "version", Column("fingerprint", no_wrap=True), "record")
        for name in topics.BY_NAME:
            newest = schemas.newest(name)
            table.add_row(name, str(newest.version), newest.crc.hex(), _summary(newest.source))
        Console().print(table)
        return
    if topic not in topics.BY_NAME:
        raise typer.BadParameter(f"{topic}: there is no such topic; there are {', '.join(topics.BY_NAME)}")
    found = {schema.version: schema for schema in schemas.versions(topic)}
    if version and version not in found:
        raise typer.BadParameter(f"{topic} has no version {version}; it has {', '.join(map(str, found))}")
    source = found[version or max(found)].source
    if json_output or "fields" not in source:
        typer.echo(json.dumps(source, indent=2))
        return
    table = Table(
        "field", "type", "default", "meaning", title=f"{topic} v{version or max(found)}", caption=source["doc"]
    )
    for field in source["fields"]:
        default = json.dumps(field["default"]) if "default" in field else "required"
        table.add_row(field["name"], type_name(field["type"]), default, field.get("doc", ""))
    Console().print(table)


@app.command()
def check() -> None:
    """Check, offline, that every version of every schema can be read as every other; exit code 1 when not.

    Examples:
        backontrack schemas check
    """
    found = [problem for name in (*topics.BY_NAME, *schemas.STATES) for problem in problems(name)]
    for problem in found:
        typer.echo(problem)
    if found:
        raise typer.Exit(1)
    typer.echo(f"{len(topics.BY_NAME) + len(schemas.STATES)} schemas, all versions fit")


def type_name(kind: Any) -> str:
    """A type in a few words."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return " or ".join(type_name(branch) for branch in sorted(kind, key=lambda branch: branch == "null"))
    if kind.get("logicalType") == "timestamp-millis":
        return "time (ms)"
    named = {
        "enum": lambda: " | ".join(kind["symbols"]),
        "array": lambda: f"list of {type_name(kind['items'])}",
        "map": lambda: f"map of {type_name(kind['values'])}",
    }
    return named[kind["type"]]() if kind["type"] in named else str(kind.get("name", kind["type"]))


def _summary(source: Any) -> str:
    return str(source.get("doc", "")).split(". ")[0] if isinstance(source, dict) else str(source)
