"""Three static members restart one after the other, three rounds: the group does not notice, latency stays low."""

from __future__ import annotations

import json
import time

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker
from tests.faults.latency import Latency

ROUNDS = 3
LATENCY_S = 10.0


def run(case: Case) -> None:
    """The generation before is the generation after, and records did not wait for long meanwhile."""
    case.load(rate=150, accounts=100, mix=Mix(poison=0.005)).start()
    workers = [
        case.worker(f"w{number}", group_instance_id=f"member-{number}", session_timeout="30s") for number in (1, 2, 3)
    ]
    case.progress()
    case.wait(lambda: len({generation_of(worker) for worker in workers}) == 1, "one generation", 120 * case.patience)
    case.recovered(120 * case.patience, "start_s")
    before = generation_of(workers[0])
    with Latency(case) as latency:
        for _ in range(ROUNDS):
            for index in range(len(workers)):
                workers[index] = _restart(case, workers[index])
    case.figure("generation_before", before)
    case.figure("generation_after", max(map(generation_of, workers)))
    case.figure("p99_latency_s", latency.percentile(0.99))
    if case.figures["generation_after"] != before:
        raise CaseFailed(f"the generation went from {before} to {case.figures['generation_after']:.0f}")
    if case.figures["p99_latency_s"] > LATENCY_S * case.patience:
        raise CaseFailed(f"records waited for {case.figures['p99_latency_s']} s")
    case.finish(dup_bound=0)


def generation_of(worker: Worker) -> int:
    """The generation in which a worker last took partitions over; 0 before the first."""
    lines = [json.loads(line) for line in worker.output.splitlines() if '"partitions taken over"' in line]
    return max((line["generation"] for line in lines), default=0)


def _restart(case: Case, worker: Worker) -> Worker:
    position = case.progress()
    case.fault(f"{worker.name} restarts")
    began = time.monotonic()
    if worker.stop(60) != 0:
        raise CaseFailed(f"{worker.name} did not stop in order:\n{worker.output[-2000:]}")
    case.worst("stop_s", time.monotonic() - began)
    started = case.restart(worker)
    started.until_logged("partitions taken over", 60 * case.patience)
    case.worst("away_s", time.monotonic() - began)
    case.recovered(60 * case.patience)
    case.progress(position)
    return started


ROW = Row(number=5, title="rolling restart of static members", alone=True, tier=Tier.THREE, run=run)
