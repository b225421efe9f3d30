"""`backontrack watch`: what happens, live, in the terminal."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from streams.cli.refused import Refused
from streams.settings import load_settings
from streams.views.consume import OutputReader, OutputsUnavailable
from streams.views.summary import summarise
from streams.views.terminal import line, picture, totals
from streams.views.view import Recent, View

_POLL_SECONDS = 0.25
_PICTURE_SECONDS = 1.0
_TOTALS_SECONDS = 10.0
# Lines of the picture that are no open episodes.
_OTHER_LINES = 26
_FEWEST_ROWS = 4


def watch(
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, as without a terminal")] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Plain lines for what has already happened too")
    ] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="End when all that lies in the topics was shown")
    ] = False,
) -> None:
    """Live view of open episodes, drops, interventions and recoveries, read from the output topics. Ctrl-C ends it.

    Examples:
        backontrack watch

        backontrack watch --plain --from-start --until-caught-up | grep escalated
    """
    settings = load_settings()
    console = Console()
    # A service manager's stop is as orderly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reader = OutputReader(settings)
    try:
        reader.open()
        if plain or not console.is_terminal:
            _lines(reader, typer.echo, from_start=from_start, until_caught_up=until_caught_up)
        else:
            _live(reader, console, until_caught_up=until_caught_up)
    except OutputsUnavailable as error:
        raise Refused(str(error)) from None
    except KeyboardInterrupt:
        # How it is meant to end.
        return
    finally:
        reader.close()


def _live(reader: OutputReader, console: Console, *, until_caught_up: bool) -> None:
    view = View()
    with Live(console=console, auto_refresh=False) as live:
        version, drawn = -1, 0.0
        while not (until_caught_up and reader.caught_up):
            for record in reader.poll(_POLL_SECONDS):
                view.apply(record.topic, record.account_id, record.record)
            if until_caught_up:
                reader.insist()
            now = time.monotonic()
            # While it catches up, every picture would delay the next one.
            if now - drawn >= _PICTURE_SECONDS or (reader.caught_up and view.version != version):
                version, drawn = view.version, now
                rows = max(_FEWEST_ROWS, console.height - _OTHER_LINES)
                live.update(picture(view, time.time_ns() // 1_000_000, rows, reader.trouble), refresh=True)
        live.update(picture(view, time.time_ns() // 1_000_000), refresh=True)


def _lines(reader: OutputReader, show: Callable[[str], None], *, from_start: bool, until_caught_up: bool) -> None:
    view = View()
    told, shown, began = -1, 0.0, False
    trouble: str | None = None
    while True:
        for record in reader.poll(_POLL_SECONDS):
            news = view.apply(record.topic, record.account_id, record.record)
            if (began or from_start) and news and record.record is not None:
                text = line(Recent(record.topic, record.record))
                if text is not None:
                    show(text)
        if until_caught_up:
            reader.insist()
        if reader.trouble != trouble:
            trouble = reader.trouble
            typer.echo(f"-- {trouble or 'well again'}", err=True)
        if not reader.caught_up:
            continue
        now = time.monotonic()
        if not began or (view.version != told and now - shown >= _TOTALS_SECONDS):
            began, told, shown = True, view.version, now
            show(f"-- {totals(summarise(view))}")
        if until_caught_up:
            return
