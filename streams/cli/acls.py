"""`backontrack acls`: the access rights that a client needs on the brokers, and no more."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from streams.settings import load_settings
from streams.shell import acls as needed


def acls(
    principal: Annotated[str, typer.Option(help="Who gets them, as the brokers name it: User:worker, User:CN=worker")],
    role: Annotated[
        Literal["worker", "board", "import", "dlq", "generate", "topics"],
        typer.Option("--for", help="What it runs; board is also for watch and explain"),
    ] = "worker",
    json_output: Annotated[bool, typer.Option("--json", help="Print the rights as JSON")] = False,
) -> None:
    """Print the access rights that a client needs, as commands for Kafka's `kafka-acls.sh`. Nothing is changed.

    The names follow the settings: topic prefix, application id, and the clock (with `events`, a worker writes no
    ticks). An administrator runs the commands; `admin.properties` holds how he connects.

    Examples:
        backontrack acls --principal User:worker

        backontrack acls --principal User:importer --for import --json

        backontrack acls --principal User:worker | sh -e
    """
    settings = load_settings()
    if ":" not in principal:
        raise typer.BadParameter(f"write it as the brokers do: User:{principal}", param_hint="--principal")
    rights = needed.rights(settings, role)
    if json_output:
        rows = [
            {
                "principal": principal,
                "resource_type": right.kind,
                "resource": right.name,
                "pattern": "literal",
                "operation": right.operation,
            }
            for right in rights
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    for command in needed.commands(rights, principal, settings.bootstrap_servers):
        typer.echo(command)
