"""`backontrack board`: the read API and the web page, an ordinary consumer of the output topics."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams.board.server import serve
from streams.cli.refused import Refused
from streams.logging import configure_logging
from streams.settings import load_settings


def board(
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port, instead of BACKONTRACK_BOARD_PORT; 0: a free one")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address, instead of BACKONTRACK_BOARD_HOST")] = None,
) -> None:
    """Serve the board: open episodes by urgency, every account's story, and the same as JSON under /api.

    It reads the output topics from their beginning and follows them. It needs no worker, commits nothing, and any
    number of boards can run. Nobody is asked for a password: put a proxy in front of it before it leaves this machine.

    Examples:
        backontrack board

        backontrack board --port 0

        BACKONTRACK_BOOTSTRAP_SERVERS=kafka:9093 BACKONTRACK_SECURITY_PROTOCOL=ssl backontrack board --host 0.0.0.0
    """
    settings = load_settings(board_port=port, board_host=host)
    configure_logging(settings)
    try:
        asyncio.run(serve(settings, lambda url: typer.echo(f"Board at {url}  (Ctrl-C ends)")))
    except OSError as error:
        raise Refused(
            f"cannot serve at {settings.board_host}:{settings.board_port}: {error.strerror or error}; "
            "choose another port with --port"
        ) from None
