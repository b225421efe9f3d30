"""`backontrack worker`: one worker process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, NoReturn

import typer

_LATEST_S = 10.0
"""After a failure, the process ends so much later at the latest."""


def worker(
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up", help="End when all that lies in the topics now is applied and committed"),
    ] = False,
    policy: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Policy file (YAML)")] = None,
    clock: Annotated[str | None, typer.Option(help="wall, or events for imports and simulated time")] = None,
) -> None:
    """Run one worker: events in, health, interventions and outcomes out. Start several to share the partitions.

    Ctrl-C or SIGTERM ends it after a last checkpoint. Exit codes: 0 asked to stop or caught up, 1 failed with the
    reason on stderr.

    Examples:
        BACKONTRACK_BOOTSTRAP_SERVERS=kafka:9093 BACKONTRACK_SECURITY_PROTOCOL=ssl backontrack worker

        backontrack worker --until-caught-up --clock events
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_early)
    # Imported here: Faust takes a second, which `--help` should not.
    from streams.cli.policy_file import chosen_policy  # noqa: PLC0415
    from streams.logging import configure_logging  # noqa: PLC0415
    from streams.sentiment.choose import choose_scorer  # noqa: PLC0415
    from streams.settings import load_settings  # noqa: PLC0415
    from streams.shell.memory import share_arenas  # noqa: PLC0415
    from streams.shell.worker import StreamWorker  # noqa: PLC0415

    settings = load_settings(policy=policy, clock=clock)
    configure_logging(settings)
    share_arenas()
    rules = chosen_policy(settings)
    scorer = choose_scorer(settings.sentiment_model)
    asyncio.set_event_loop(asyncio.new_event_loop())
    try:
        code = StreamWorker(settings, rules, scorer, until_caught_up=until_caught_up).run()
    except BaseException:
        # Told by the caller; then the interpreter would wait for every thread.
        late = threading.Timer(_LATEST_S, os._exit, (1,))
        late.daemon = True
        late.start()
        raise
    _leave(code)


def _stop_early(_number: int, _frame: object) -> None:
    """Asked to stop before the worker listens for it: nothing is taken over yet, so nothing has to be given back."""
    # Not by the log, which may be what was interrupted.
    os.write(2, b"worker stopped: asked to, before it had started\n")
    os._exit(0)


def _leave(code: int) -> NoReturn:
    """Ends the process at once: what counts is stored, and threads that still wait for brokers would keep it."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
