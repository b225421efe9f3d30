"""The whole cluster is away for three minutes, and a worker is started meanwhile."""

from __future__ import annotations

import time

from tests.faults.case import Case, Row, Tier
from tests.faults.watch import Memory, alive, in_order, recovered, steady

AWAY_S = 180.0
LATE_S = 20.0
GROWTH_MB = 150.0


def run(case: Case) -> None:
    """Both workers hold: live, not ready, telling why. They go on by themselves."""
    case.create_topics()
    first = case.worker("w1")
    case.load(rate=60, accounts=100).start()
    steady(case)
    memory = Memory([first])
    case.fault("cluster killed")
    case.broker.kill()
    began = time.monotonic()
    time.sleep(LATE_S)
    second = case.worker("w2")
    case.wait(lambda: second.probe("/livez")[0] == 200, "the second worker serves its probes", 60 * case.patience)
    while time.monotonic() - began < AWAY_S:
        time.sleep(2)
        memory.look()
        alive([first, second])
        for worker in (first, second):
            assert worker.probe("/livez")[0] == 200, f"{worker.name} is not live in an outage"
            status, text = worker.probe("/readyz")
            if time.monotonic() - began > LATE_S + 20:
                assert status == 503, f"{worker.name} takes itself for ready without brokers"
                assert "holds (broker)" in text, text
    case.broker.start()
    case.fault("cluster is back")
    recovered(case, 60 * case.patience)
    alive([first, second])
    for worker in (first, second):
        case.wait(
            lambda worker=worker: worker.probe("/readyz")[0] == 200, f"{worker.name} is ready", 90 * case.patience
        )
    memory.look()
    case.figure("memory_growth_mb", memory.growth_mb)
    case.finish()
    in_order([first, second])


ROW = Row(
    number=12,
    title="whole cluster down 180 s; started while it is down",
    tier=Tier.ONE,
    run=run,
    own_broker=True,
    limits={"recovery_s": 60, "memory_growth_mb": GROWTH_MB},
)
