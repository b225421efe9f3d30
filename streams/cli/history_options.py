"""The options that name files of history and moments in it, shared by the commands that read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.domain.time import parse_time
from streams.domain.validate import EARLIEST, LATEST

_FORMAT = "CSV or JSON Lines, plain or gzip"


def _option(flag: str, what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        flag,
        help=f"{what} ({_FORMAT})",
        exists=True,
        dir_okay=False,
        readable=True,
        rich_help_panel="History",
    )
    return option


_USAGE = _option("--usage", "Usage: account_id,time,metric,value")
UsageOption = Annotated[Path | None, _USAGE]
RequiredUsage = Annotated[Path, _USAGE]
SentimentOption = Annotated[Path | None, _option("--sentiment", "Sentiment: account_id,time,channel,text or score")]
TicketsOption = Annotated[Path | None, _option("--tickets", "Tickets: account_id,time,ticket_id,change,priority")]
AccountsOption = Annotated[Path | None, _option("--accounts", "Account events: account_id,time,change,segment,...")]
ResponsesOption = Annotated[Path | None, _option("--responses", "Responses: account_id,time,intervention_id,change")]


def moment(text: str) -> str:
    """Callback of an option that is an ISO 8601 time, or empty; refuses any other text."""
    if text:
        try:
            at = parse_time(text)
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is no ISO 8601 time: {error}") from None
        if not EARLIEST <= at < LATEST:
            raise typer.BadParameter(f"{text!r} must lie between 1990 and 2099")
    return text
