"""Five times the load for a while, and a full log before the worker starts: it catches up, memory is bounded."""

from __future__ import annotations

import time

import psutil

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker

RATE = 150.0
BURST_S = 20.0
GROWTH_MB = 400.0
_TAKEN = '"event": "partitions taken over"'


def run(case: Case) -> None:
    """`burst`: 5 times the rate. `backlog`: many records wait, and more come in while they are applied."""
    if case.variant == "burst":
        load = case.load(rate=RATE, accounts=200, mix=Mix(poison=0.002)).start()
        workers = [case.worker("w1"), case.worker("w2")]
        case.progress()
        case.recovered(120 * case.patience, "start_s")
        watch = _Watch(case, workers)
        case.fault("five times the load")
        load.rate = 5 * RATE
        deadline = time.monotonic() + BURST_S
        while time.monotonic() < deadline:
            watch.look()
            time.sleep(0.5)
        load.rate = RATE
        case.recovered(60 * case.patience)
    else:
        # Not every state is stored again and again: what is proven here is speed and memory.
        case.settings["checkpoint_interval"] = "5s"
        load = case.preload(case.backlog, accounts=2_000)
        case.note(f"{load.sent:,} records wait")
        load.rate = RATE
        load.start()
        began, sent = time.monotonic(), load.sent
        workers = [case.worker("w1"), case.worker("w2")]
        case.progress(timeout=120 * case.patience)
        watch = _Watch(case, workers)
        while case.lag() > 6 * RATE:
            watch.look()
            case.told(f"{case.lag():,} records wait")
            time.sleep(1)
        seconds = time.monotonic() - began
        case.figure("applied_per_s", load.sent / seconds)
        case.figure("input_per_s", (load.sent - sent) / seconds)
        if load.sent / seconds < 2 * RATE:
            raise CaseFailed(f"{load.sent / seconds:.0f} records a second, the input alone is {RATE:.0f}")
    watch.look()
    case.figure("rss_growth_mb", watch.growth_mb)
    case.figure("rss_mb", watch.most_mb)
    taken = [worker.output.count(_TAKEN) for worker in workers]
    case.figure("rebalances", max(taken) - watch.taken)
    case.finish(hollow_ok=False)


class _Watch:
    """Memory and assignments of workers from now on."""

    def __init__(self, case: Case, workers: list[Worker]) -> None:
        # What the changelog has first is a claim: the partitions come a moment later.
        case.wait(lambda: all(worker.output.count(_TAKEN) for worker in workers), "every worker has partitions")
        self._processes = [psutil.Process(worker.process.pid) for worker in workers]
        self._first = [process.memory_info().rss for process in self._processes]
        self._most = list(self._first)
        self.taken = max(worker.output.count(_TAKEN) for worker in workers)

    def look(self) -> None:
        """Notes what is in use."""
        self._most = [
            max(most, process.memory_info().rss) for most, process in zip(self._most, self._processes, strict=True)
        ]

    @property
    def growth_mb(self) -> float:
        """Of the worker that grew most."""
        return max((most - first) / 1e6 for most, first in zip(self._most, self._first, strict=True))

    @property
    def most_mb(self) -> float:
        """Of the largest worker."""
        return max(self._most) / 1e6


ROW = Row(
    number=27,
    title="burst and backlog",
    alone=True,
    tier=Tier.THREE,
    run=run,
    variants=("burst", "backlog"),
    limits={"rss_growth_mb": GROWTH_MB, "rebalances": 0},
)
