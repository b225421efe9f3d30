"""Sets the demo's stage: embedded broker with its topics, worker and board in processes of their own; and clears it."""

from __future__ import annotations

import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from streams import topics
from streams.cli.demo_children import Child, free_port
from streams.cli.demo_engine import WorkerEngine
from streams.cli.embedded_broker import PARTITIONS, EmbeddedBroker
from streams.settings import Settings

_APP = "demo"
_HOST = "127.0.0.1"
_START_SECONDS = 60.0


class Stage:
    """A context manager: entered when the worker is ready, left when every child has stopped in order."""

    def __init__(self, *, board: bool) -> None:
        self.board_url = ""
        self._with_board = board
        self._children: list[Child] = []
        self._exit = ExitStack()
        self.engine: WorkerEngine

    def __enter__(self) -> Self:
        try:
            self._set()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def check(self) -> None:
        """Raises ChildEnded when a process of the demo has ended by itself."""
        for child in self._children:
            child.check()

    def _set(self) -> None:
        directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="backontrack-demo-")))
        broker = self._exit.enter_context(EmbeddedBroker())
        settings = Settings(bootstrap_servers=broker.bootstrap, app_id=_APP, clock="events")
        broker.touch(*(settings.topic(name) for name in topics.BY_NAME), topics.changelog(_APP))
        health, board = free_port(), free_port()
        common = {
            "BOOTSTRAP_SERVERS": broker.bootstrap,
            "APP_ID": _APP,
            "CLOCK": "events",
            "METRICS_PORT": str(health),
            "BOARD_PORT": str(board),
            "LOG_FORMAT": "text",
            # A step of the simulation waits for its commit, so commits are not put off.
            "EMIT_INTERVAL": "20ms",
            "CHECKPOINT_INTERVAL": "50ms",
        }
        worker = self._start("worker", common, directory)
        if self._with_board:
            self._start("board", common, directory).wait_until_it_answers(f"http://{_HOST}:{board}/", _START_SECONDS)
            self.board_url = f"http://{_HOST}:{board}/"
        worker.wait_until_it_answers(f"http://{_HOST}:{health}/readyz", _START_SECONDS)
        self.engine = WorkerEngine(settings, PARTITIONS, self.check)
        self._exit.callback(self.engine.close)

    def _start(self, command: str, settings: dict[str, str], directory: Path) -> Child:
        child = Child(command, settings, directory)
        self._children.append(child)
        return child

    def _clear(self) -> None:
        # A second Ctrl-C would leave processes behind; an orderly stop is short and has an end.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for child in self._children:
                child.ask_to_stop()
            for child in self._children:
                child.wait()
            self._exit.close()
        finally:
            signal.signal(signal.SIGINT, before)
