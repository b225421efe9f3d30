"""Two of three brokers are away for a minute: nothing can be written, nothing is dropped."""

from __future__ import annotations

import time

from tests.faults.case import Case, Row, Tier
from tests.faults.watch import Memory, alive, in_order, recovered, steady

AWAY_S = 60.0
GROWTH_MB = 150.0


def run(case: Case) -> None:
    """They are killed within a second, so that the last one cannot take over in order."""
    case.create_topics()
    workers = [case.worker("w1"), case.worker("w2")]
    load = case.load(rate=100, accounts=100)
    load.start()
    steady(case)
    memory = Memory(workers)
    first, second = case.rng.sample([1, 2, 3], 2)
    for node in (first, second):
        case.fault(f"node {node} killed")
        case.broker.kill_node(node)
    until = time.monotonic() + AWAY_S
    waiting = set()
    while time.monotonic() < until:
        time.sleep(2)
        memory.look()
        alive(workers)
        for worker in workers:
            assert worker.probe("/livez")[0] == 200, f"{worker.log.name} is not live in an outage"
            if worker.probe("/readyz")[0] == 503:
                waiting.add(worker.log.name)
    case.figure("workers_not_ready", len(waiting))
    assert len(waiting) == len(workers), "a worker took itself for ready without brokers"
    for node in (first, second):
        case.broker.nodes[node].launch()
    for node in (first, second):
        case.broker.nodes[node].wait()
    case.fault("both are back")
    recovered(case, 60 * case.patience)
    alive(workers)
    memory.look()
    case.figure("memory_growth_mb", memory.growth_mb)
    assert memory.growth_mb < GROWTH_MB
    case.finish()
    in_order(workers)


ROW = Row(
    number=11,
    title="two of three brokers down 60 s",
    tier=Tier.THREE,
    run=run,
    own_broker=True,
    limits={"recovery_s": 60, "memory_growth_mb": GROWTH_MB},
)
