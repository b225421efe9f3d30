"""The options that name files of history, shared by `import` and `backtest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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


UsageOption = Annotated[Path | None, _option("--usage", "Usage: account_id,time,metric,value")]
SentimentOption = Annotated[Path | None, _option("--sentiment", "Sentiment: account_id,time,channel,text or score")]
TicketsOption = Annotated[Path | None, _option("--tickets", "Tickets: account_id,time,ticket_id,change,priority")]
AccountsOption = Annotated[Path | None, _option("--accounts", "Account events: account_id,time,change,segment,...")]
ResponsesOption = Annotated[Path | None, _option("--responses", "Responses: account_id,time,intervention_id,change")]
