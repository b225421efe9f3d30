"""`backontrack topics`: the topics as they are needed, and as they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from streams.cli.group import group
from streams.settings import load_settings
from streams.shell.admin import Admin, declared

app = group("Create the topics, or tell how they differ from what is needed.")


@app.command()
def create(
    partitions: Annotated[
        int | None, typer.Option(min=1, help="Partitions of the account topics; BACKONTRACK_PARTITIONS")
    ] = None,
    replication_factor: Annotated[
        int | None, typer.Option(min=1, help="Replicas; BACKONTRACK_REPLICATION_FACTOR")
    ] = None,
    alter: Annotated[bool, typer.Option("--alter", help="Also set the configuration of existing topics")] = False,
) -> None:
    """Create the topics that are missing, with the partitions, retention and compaction that are needed.

    Running it again changes nothing. The number of partitions cannot be changed later without moving accounts.

    Examples:
        backontrack topics create --partitions 16 --replication-factor 3

        backontrack topics create --alter
    """
    settings = load_settings(partitions=partitions, replication_factor=replication_factor)
    admin = Admin(settings)
    created = admin.create()
    for name in created:
        typer.echo(f"created {name}")
    if alter:
        differences = [difference for difference in admin.check() if "--alter" in difference.fix]
        admin.alter(differences)
        for difference in differences:
            typer.echo(f"set {difference.topic} {difference.what} = {difference.declared}")
    left = len(declared(settings)) - len(created)
    typer.echo(f"{len(created)} topics created, {left} were there already")


@app.command()
def check(
    partitions: Annotated[
        int | None, typer.Option(min=1, help="Wanted number of partitions; any number when left out")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the differences as JSON")] = False,
) -> None:
    """Tell how the topics on the broker differ from what is needed; exit code 1 when they do.

    Examples:
        backontrack topics check

        backontrack topics check --json
    """
    differences = Admin(load_settings()).check(partitions=partitions)
    if json_output:
        typer.echo(json.dumps([asdict(difference) for difference in differences]))
    elif differences:
        table = Table(
            Column("topic", overflow="fold"), "what", "needed", "found", Column("what to do", overflow="fold")
        )
        for d in differences:
            table.add_row(d.topic, d.what, d.declared, d.found, d.fix)
        Console().print(table)
    else:
        typer.echo("the topics are as they are needed")
    if differences:
        raise typer.Exit(1)
