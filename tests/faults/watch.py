"""What rows look at while a fault lasts: processes, their logs, their memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaException

from streams import topics
from tests.faults.case import Case, CaseFailed, Mix
from tests.support.cgroup import resident_bytes
from tests.support.worker import WorkerProcess

_TROUBLE = re.compile(r"Traceback \(most recent call last\)|\"level\": \"(?:error|critical)\"")


def alive(workers: Sequence[WorkerProcess]) -> None:
    """Raises AssertionError when a worker has ended."""
    for worker in workers:
        code = worker.process.poll()
        assert code is None, f"{worker.log.name} ended with {code}:\n{worker.output[-3000:]}"


def in_order(workers: Sequence[WorkerProcess]) -> None:
    """Raises AssertionError when a log holds a stack trace or an error: the fault was none of the worker's."""
    for worker in workers:
        found = _TROUBLE.search(worker.output)
        if found:
            around = worker.output[max(0, found.start() - 500) : found.end() + 2500]
            raise AssertionError(f"{worker.log.name} tells of an error:\n{around}")


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Waits for a condition. Raises AssertionError with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


class Memory:
    """Resident memory of workers, from now on."""

    def __init__(self, workers: Sequence[WorkerProcess]) -> None:
        self._pids = [worker.process.pid for worker in workers]
        self._before = self._now()
        self._most = self._before

    def look(self) -> None:
        """Notes how much is in use now."""
        self._most = [max(pair) for pair in zip(self._most, self._now(), strict=True)]

    @property
    def growth_mb(self) -> float:
        """The worst worker's growth, MB."""
        return max((most - before) / 1e6 for most, before in zip(self._most, self._before, strict=True))

    def _now(self) -> list[int]:
        return [resident_bytes(pid) for pid in self._pids]


def takeovers(worker: WorkerProcess) -> int:
    """How often a worker was given partitions."""
    return worker.output.count('"event": "partitions taken over"')


def recovered(case: Case, limit_s: float, name: str = "recovery_s") -> float:
    """As `Case.recovered`; a failure says which partitions lag and what the workers say of themselves."""
    try:
        return case.recovered(limit_s, name)
    except CaseFailed as failed:
        raise CaseFailed(f"{failed}\n{lags(case)}\n{said(case.alive)}") from failed


def lags(case: Case) -> str:
    """Topics and partitions with records that are not applied, by committed offsets."""
    try:
        committed = case.committed()
        found = [
            f"{name}/{partition}: {end - committed.get((name, partition), 0)} of {end}"
            for name in topics.RANKS
            for partition, end in case.ends(case.topic(name)).items()
            if end > committed.get((name, partition), 0)
        ]
    except KafkaException as error:
        return f"lag cannot be asked: {error}"
    return "lag: " + (", ".join(found) or "none")


def said(workers: Sequence[WorkerProcess]) -> str:
    """What the probes of workers answer."""
    return "\n".join(f"{worker.log.name} {path}: {worker.probe(path)}" for worker in workers for path in PROBES)


PROBES = ("/livez", "/readyz")


def steady(case: Case, seconds: float = 180.0) -> None:
    """Returns when the warm-up is worked off: what comes after is due to a fault."""
    case.progress(timeout=seconds * case.patience)
    recovered(case, seconds * case.patience, "warm_up_s")


def at_rest(case: Case) -> None:
    """Returns when some load was applied by a worker, and both have ended: nothing writes any more."""
    load = case.load(rate=150, accounts=60, mix=Mix(poison=0.005)).start()
    case.worker("w1", checkpoint_interval="300ms")
    case.progress()
    recovered(case, 120, "start_s")
    case.pause(5)
    load.stop()
    case.wait(lambda: case.lag() == 0, "everything applied", 120)
    case.stop_workers()
