"""A slow network, with connections that are reset: nothing moves, nothing piles up."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults.case import Case, Row, Tier, Worker
from tests.faults.watch import Memory, alive, in_order, recovered, steady, takeovers, until
from tests.support.mock_faults import MockFaults

GROWTH_MB = 80.0
SLOW_S = 40.0
FAR_S = 30.0
MEGABIT = 125_000


def run(case: Case) -> None:
    """First 1 Mbit/s with jitter and resets, then a round trip of nearly five seconds, half a session."""
    # The default; a session has to be longer than a round trip and the time between two heartbeats.
    case.settings["session_timeout"] = "10s"
    if case.tier is Tier.EMBEDDED:
        faults = MockFaults(case.broker)
        # The brokers are as far from whoever looks on.
        case.answer_s = 40.0
        _run(case, None, lambda: faults.round_trip(400), lambda: faults.round_trip(4_500), lambda: faults.round_trip(0))
        return
    proxy = case.broker.proxy
    _run(
        case,
        proxy.address,
        lambda: proxy.slow(0.2, 0.1, MEGABIT),
        lambda: proxy.slow(2.2, 0.2),
        proxy.heal,
        proxy.reset,
    )


def _run(
    case: Case,
    bootstrap: str | None,
    slow: Callable[[], None],
    far: Callable[[], None],
    heal: Callable[[], None],
    reset: Callable[[], object] = lambda: None,
) -> None:
    workers = [case.worker("slow", bootstrap=bootstrap), case.worker("near")]
    load = case.load(rate=40, accounts=60).start()
    steady(case)
    until(lambda: all(takeovers(worker) for worker in workers), "both own partitions", 60 * case.patience)
    before = [takeovers(worker) for worker in workers]
    memory = Memory(workers)
    case.fault("slow and narrow")
    slow()
    _watch(case, workers, memory, SLOW_S, reset)
    case.progress()
    case.fault("far away")
    far()
    _watch(case, workers, memory, FAR_S)
    # A checkpoint is some ten round trips, more when rows miss their lease, which is half a session.
    case.progress(timeout=120 * case.patience)
    heal()
    case.fault("healed")
    recovered(case, 60 * case.patience)
    moved = sum(takeovers(worker) for worker in workers) - sum(before)
    case.figure("rebalances", moved)
    case.figure("memory_growth_mb", memory.growth_mb)
    case.figure("sent", load.sent)
    case.finish(dup_bound=0)
    in_order(workers)


def _watch(
    case: Case, workers: list[Worker], memory: Memory, seconds: float, reset: Callable[[], object] = lambda: None
) -> None:
    ends = time.monotonic() + seconds
    resets_at = time.monotonic() + 5
    while time.monotonic() < ends:
        time.sleep(1)
        alive(workers)
        memory.look()
        if time.monotonic() > resets_at:
            resets_at = time.monotonic() + case.rng.uniform(5, 12)
            reset()


ROW = Row(
    number=15,
    title="slow network",
    tier=(Tier.ONE, Tier.EMBEDDED),
    run=run,
    own_broker=True,
    limits={"recovery_s": 60, "rebalances": 0, "memory_growth_mb": GROWTH_MB},
)
