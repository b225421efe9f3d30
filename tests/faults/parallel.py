"""Several runs at a time, each in a process of its own with brokers of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults.report import Run

_END_S = 30.0


def in_parallel(jobs: Sequence[tuple[str, ...]], at_once: int) -> Generator[Run]:
    """Runs of the suite with these arguments, as they end; those under way are ended when nobody asks further."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _Children() as children, Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("runs", total=len(jobs))
        for future in as_completed([children.start(job, at_once) for job in jobs]):
            bar.advance(task)
            yield from future.result()


class _Children:
    """Processes that run rows; as a context manager, none outlives it."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._over = False

    def start(self, arguments: tuple[str, ...], at_once: int) -> Future[list[Run]]:
        """Queues a run; its results come with the future."""
        self._pool = self._pool or ThreadPoolExecutor(at_once)
        return self._pool.submit(self._run, arguments)

    def _run(self, arguments: tuple[str, ...]) -> list[Run]:
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch) / "report.json"
            # A row may have several forms: they follow each other, in this process.
            command = [sys.executable, "-m", "tests.faults", *arguments, "--jobs=1", f"--json={report}"]
            with self._lock:
                if self._over:
                    return []
                child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self._running.add(child)
            said, _ = child.communicate()
            with self._lock:
                self._running.discard(child)
            if report.is_file():
                return [Run(**run) for run in json.loads(report.read_text(encoding="utf-8"))]
            return [] if self._over else [_broken(arguments, said)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
            left = set(self._running)
        for child in left:
            child.terminate()
        for child in left:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_END_S)
            child.kill()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _broken(arguments: tuple[str, ...], said: str) -> Run:
    """A process that has left no report."""
    given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    run = Run(int(given["row"]), "", given["tier"], int(given["seed"]), given["variant"])
    run.error = f"the run ended without a report:\n{said[-3000:]}"
    return run
