"""The fold on all cores: partitions are shared out over processes; the answer is that of one process, byte for byte."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from streams.backtest.fold import Job, PolicyResult, Result, fold_partitions
from streams.backtest.history import Survey, first_refusal
from streams.history_mapping import HistoryError

WORTH_A_PROCESS = 100_000
"""Events, times policies, below which starting processes costs more than it saves (about a second each)."""
_LOOK = 0.1


class ProcessDied(Exception):  # noqa: N818  says what happened
    """A process of the backtest has ended without an answer; the message says with what code."""


def processes(found: Survey, policies: int, asked: int | None) -> int:
    """How many processes to use: what was asked for, else one a core if it is worth it; never idle ones."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked is None and found.rows * policies < WORTH_A_PROCESS:
        return 1
    return max(1, min(asked or cores, len(found.by_partition)))


def fold_all(job: Job, jobs: int, advance: Callable[[int], None]) -> Result:
    """Folds the whole history in `jobs` processes; `advance` is told of events as they are folded.

    Raises HistoryError at the first row that is none, and ProcessDied.
    """
    try:
        if jobs == 1:
            parts = fold_partitions(job, list(range(job.partitions)), advance)
        else:
            parts = _share_out(job, shares(job.found, job.partitions, jobs), advance)
    except HistoryError as error:
        raise first_refusal(job.found.files) or error from None
    total = Result([PolicyResult() for _ in job.policies])
    for number in range(job.partitions):
        total.add(parts[number])
    return total


def shares(found: Survey, partitions: int, jobs: int) -> list[list[int]]:
    """Partitions by process, the largest first to whom has least; so that all end at about the same time."""
    loads = [0] * jobs
    shared: list[list[int]] = [[] for _ in range(jobs)]
    for number in sorted(range(partitions), key=lambda number: (-found.by_partition.get(number, 0), number)):
        least = loads.index(min(loads))
        shared[least].append(number)
        loads[least] += found.by_partition.get(number, 0)
    return shared


def _share_out(job: Job, shared: list[list[int]], advance: Callable[[int], None]) -> dict[int, Result]:
    context = get_context("spawn")
    counts = context.RawArray("Q", len(shared))
    answers: dict[Any, Any] = {}
    parts: dict[int, Result] = {}
    seen = 0
    try:
        with _deaf():
            for place, wanted in enumerate(shared):
                mine, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(job, wanted, counts, place, theirs), daemon=True)
                process.start()
                theirs.close()
                answers[mine] = process
        running = dict(answers)
        while running:
            for ready in wait(list(running), timeout=_LOOK):
                parts |= _answer(ready, running.pop(ready))
            now = sum(counts)
            advance(now - seen)
            seen = now
    finally:
        for process in answers.values():
            process.terminate()
            process.join()
    return parts


def _answer(ready: Any, process: Any) -> dict[int, Result]:
    try:
        answer: dict[int, Result] | Exception = ready.recv()
    except EOFError:
        process.join()
        raise ProcessDied(
            f"a process of the backtest has ended with code {process.exitcode}; is memory short?"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started here do not hear Ctrl-C: this one does, and ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(job: Job, wanted: list[int], counts: Any, place: int, answer: Connection) -> None:
    """In a process of its own: folds its share and sends what was learnt, or what went wrong."""
    parent = parent_process()

    def advance(events: int) -> None:
        counts[place] += events
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)

    try:
        answer.send(fold_partitions(job, wanted, advance))
    except HistoryError as error:
        answer.send(error)
    except Exception:  # noqa: BLE001  told to the parent, which shows it
        answer.send(RuntimeError(traceback.format_exc()))
