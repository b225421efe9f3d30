"""A worker, or the broker, is paused for 5, 20 and 60 s: it is still there, and knows nothing of the time between."""

from __future__ import annotations

import os
import signal

from tests.faults.case import Case, Row, Tier, Worker
from tests.faults.watch import alive, recovered, steady, takeovers

PAUSES_S = (5.0, 20.0, 60.0)


def run(case: Case) -> None:
    """Two workers under load; whoever is paused longer than a session finds its partitions elsewhere."""
    case.create_topics()
    workers = [case.worker("w1"), case.worker("w2")]
    case.load(rate=60, accounts=100).start()
    steady(case)
    pauses = list(PAUSES_S)
    case.rng.shuffle(pauses)
    for seconds in pauses:
        if case.variant == "worker":
            _pause_worker(case, case.rng.choice(workers), seconds)
        else:
            case.fault(f"broker paused for {seconds:.0f} s")
            case.broker.pause()
            case.pause(seconds)
            case.broker.resume()
        case.fault("goes on")
        recovered(case, 60 * case.patience)
        alive(workers)
    for worker in workers:
        case.wait(
            lambda worker=worker: worker.probe("/readyz")[0] == 200, f"{worker.name} is ready", 90 * case.patience
        )
    # A paused worker is a killed one to the others: what it had not stored they send again, the same bytes.
    case.kills += len(PAUSES_S) if case.variant == "worker" else 0
    case.finish()


def _pause_worker(case: Case, worker: Worker, seconds: float) -> None:
    before = takeovers(worker)
    case.fault(f"{worker.name} paused for {seconds:.0f} s")
    os.kill(worker.process.pid, signal.SIGSTOP)
    try:
        case.pause(seconds)
    finally:
        os.kill(worker.process.pid, signal.SIGCONT)
    if seconds >= max(PAUSES_S):
        # Its session is long over: it joins anew, and is given partitions anew.
        case.wait(lambda: takeovers(worker) > before, f"{worker.name} has rejoined", 60 * case.patience)


ROW = Row(
    number=16,
    title="paused worker or broker",
    tier=Tier.ONE,
    run=run,
    own_broker=True,
    variants=("worker", "broker"),
    limits={"recovery_s": 60},
)
