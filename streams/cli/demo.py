"""`backontrack demo`: the whole loop on one machine, with nothing to install beyond Python.

An embedded broker, the real worker and the board in processes of their own, and a simulated world that sends events
and answers the worker's interventions, all in simulated time.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Annotated

import typer
from rich.console import Console

from streams.cli.demo_children import ChildEnded
from streams.cli.demo_engine import WorkerStalled
from streams.cli.demo_stage import Stage
from streams.cli.demo_summary import show
from streams.cli.demo_view import Progress, Screen
from streams.cli.event_feed import FeedError
from streams.settings import PREFIX
from streams.simulation.desk import Desk
from streams.simulation.loop import run
from streams.simulation.world import World
from streams.views.consume import OutputsUnavailable

_INTERRUPTED = 130
_LOOK_SECONDS = 0.5
_LATE = 10.0
"""Seconds behind plan from which people look less often at their interventions, so that a slow machine is in time."""
_PLAIN_WIDTH = 120


def demo(
    accounts: Annotated[int, typer.Option(min=10, max=5_000, help="Simulated accounts")] = 300,
    days: Annotated[int, typer.Option(min=7, max=365, help="Simulated days")] = 56,
    seed: Annotated[int, typer.Option(help="Another seed is another world")] = 7,
    seconds: Annotated[float, typer.Option(min=0, help="Real time for it; 0: as fast as the worker is")] = 60,
    board: Annotated[bool, typer.Option("--board/--no-board", help="Serve the board beside it")] = True,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines instead of the live picture")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything running at the end, until Ctrl-C")] = False,
) -> None:
    """Run the whole product on simulated accounts: drops are found, answered, followed, and end verified or honestly.

    Nothing outside this machine is touched: the broker is embedded, and settings of the environment are ignored.

    Examples:
        backontrack demo

        backontrack demo --accounts 100 --days 28 --seconds 20 --plain

        backontrack demo --keep
    """
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        # A file has no width; tables are still laid out.
        console = Console(width=_PLAIN_WIDTH)
    progress = Progress(World(seed, accounts, days))
    try:
        _run(console, progress, seconds, board=board, plain=plain, keep=keep)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        if progress.processed:
            show(console, progress, stories=0)
        raise typer.Exit(_INTERRUPTED) from None
    except (ChildEnded, WorkerStalled, FeedError, OutputsUnavailable, TimeoutError) as error:
        console.print(f"\nThe demo failed: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None


def _run(console: Console, progress: Progress, seconds: float, *, board: bool, plain: bool, keep: bool) -> None:
    world = progress.world

    def hurry() -> bool:
        return 0 < seconds * progress.share < progress.elapsed - _LATE

    console.print(f"Starting an embedded broker, the worker{' and the board' if board else ''} ...")
    with Stage(board=board) as stage:
        if stage.board_url:
            progress.board = f"board: {stage.board_url}"
            console.print(f"The board: {stage.board_url}")
        progress.begin()
        with Screen(console, progress, plain=plain) as screen:
            for step in run(world, Desk(world), stage.engine, hurry):
                progress.step(step.until, stage.engine.feed.acknowledged.total(), step.decided)
                screen.show()
                ahead = seconds * progress.share - progress.elapsed
                if ahead > 0:
                    time.sleep(ahead)
                stage.check()
        progress.end()
        show(console, progress, stories=3)
        if keep:
            console.print(f"\nEverything keeps running; Ctrl-C ends it. {progress.board}")
            _wait(stage)


def _wait(stage: Stage) -> None:
    """Until Ctrl-C, which is the orderly end here."""
    try:
        while True:
            stage.check()
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return
