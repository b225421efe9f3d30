"""Random faults for an hour; a worker that lives through all of it shows that nothing grows but its accounts' data."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

import psutil

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker

SLOPE_MB_PER_H = 5.0
_EVERY_S = (20.0, 60.0)
_LOOK_S = 5.0
_WARM = 1 / 3
"""This part of the time does not count: accounts come to know their normals, caches fill."""


def run(case: Case) -> None:
    """Two workers come and go, are killed, stopped and paused; the third only sees the partitions move."""
    case.settings["checkpoint_interval"] = "10s"
    case.load(rate=60, accounts=120, mix=Mix(poison=0.002, duplicates=0.01, late=0.01)).start()
    steady = case.worker("steady")
    others = [case.worker("w1"), case.worker("w2")]
    case.progress(timeout=120 * case.patience)
    watch = Watch(steady)
    seconds = case.minutes * 60
    end = time.monotonic() + seconds
    following = time.monotonic() + case.rng.uniform(*_EVERY_S)
    faults = 0
    while (now := time.monotonic()) < end:
        watch.look(case.lag)
        case.told(f"{(end - now) / 60:.0f} minutes left, {faults} faults, {watch.last}")
        if now >= following:
            index = case.rng.randrange(len(others))
            others[index] = _FAULTS[case.rng.randrange(len(_FAULTS))](case, others[index])
            faults += 1
            following = time.monotonic() + case.rng.uniform(*_EVERY_S)
        if not steady.alive:
            raise CaseFailed(f"the steady worker ended with {steady.process.returncode}:\n{steady.output[-3000:]}")
        time.sleep(_LOOK_S)
    case.figure("faults", faults)
    watch.report(case, seconds)
    case.finish(catch_up_s=600 * case.patience)


def _kill(case: Case, worker: Worker) -> Worker:
    case.kill(worker)
    time.sleep(case.rng.uniform(0, 10))
    return case.restart(worker)


def _stop(case: Case, worker: Worker) -> Worker:
    case.fault(f"{worker.name} asked to stop")
    code = worker.stop(120)
    if code != 0:
        raise CaseFailed(f"{worker.name} ended with {code} when asked to stop")
    return case.restart(worker)


def _pause(case: Case, worker: Worker) -> Worker:
    seconds = case.rng.uniform(1, 15)
    case.fault(f"{worker.name} paused for {seconds:.0f} s")
    worker.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    worker.process.send_signal(signal.SIGCONT)
    return worker


def _visitor(case: Case, worker: Worker) -> Worker:
    case.fault("a fourth worker comes and goes")
    visitor = case.worker("visitor")
    time.sleep(case.rng.uniform(5, 20))
    visitor.stop(120)
    return worker


_FAULTS: tuple[Callable[[Case, Worker], Worker], ...] = (_kill, _kill, _stop, _pause, _visitor)


class Watch:
    """What a process uses over time: resident memory, descriptors, threads, series of its metrics."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._process = psutil.Process(worker.process.pid)
        self._began = time.monotonic()
        self.samples: list[tuple[float, float, int, int, int, int]] = []
        """Seconds, MB, descriptors, threads, series, lag."""

    def look(self, lag: Callable[[], int]) -> None:
        """Takes a sample."""
        _, metrics = self._worker.probe("/metrics")
        series = sum(1 for line in metrics.splitlines() if line and not line.startswith("#"))
        self.samples.append(
            (
                time.monotonic() - self._began,
                self._process.memory_info().rss / 1e6,
                self._process.num_fds(),
                self._process.num_threads(),
                series,
                lag(),
            )
        )

    @property
    def last(self) -> str:
        """The newest sample in words."""
        if not self.samples:
            return ""
        _, memory, descriptors, threads, series, lag = self.samples[-1]
        return f"{memory:.0f} MB, {descriptors} descriptors, {threads} threads, {series} series, lag {lag}"

    def report(self, case: Case, seconds: float) -> None:
        """Figures of the time after the warm-up, and what of them may not grow."""
        counted = [sample for sample in self.samples if sample[0] >= seconds * _WARM]
        if len(counted) < 10:
            raise CaseFailed(f"{len(counted)} samples are too few for a slope")
        times = [sample[0] / 3600 for sample in counted]
        case.figure("rss_slope_mb_per_h", slope(times, [sample[1] for sample in counted]))
        case.figure("rss_mb", counted[-1][1])
        thirds = len(counted) // 3
        for place, name in ((2, "descriptors"), (3, "threads"), (4, "series")):
            early = max(sample[place] for sample in counted[:thirds])
            late = max(sample[place] for sample in counted[-thirds:])
            case.figure(name, late)
            case.figure(f"{name}_growth", late - early)
        case.figure("lag_most", max(sample[5] for sample in counted))


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Least squares: how much the values grow in one unit of time."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread


ROW = Row(
    number=32,
    title="soak",
    tier=Tier.ONE,
    run=run,
    limits={
        "rss_slope_mb_per_h": SLOPE_MB_PER_H,
        "descriptors_growth": 4,
        "threads_growth": 2,
        "series_growth": 0,
    },
)
