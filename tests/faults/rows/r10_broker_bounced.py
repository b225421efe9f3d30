"""The leader of a busy partition is stopped or killed, five times, and comes back."""

from __future__ import annotations

import time

from streams import topics
from tests.faults.case import Case, Row, Tier
from tests.faults.watch import alive, in_order, recovered, steady

AWAY_S = 5.0


def run(case: Case) -> None:
    """Two workers; every second fault is a power cut, the others are orderly."""
    case.create_topics()
    workers = [case.worker("w1"), case.worker("w2")]
    load = case.load(rate=100, accounts=100)
    load.start()
    steady(case)
    usage = case.topic(topics.USAGE)
    for number in range(5):
        leader = case.broker.leader(usage, case.rng.randrange(case.partitions))
        if number % 2:
            case.fault(f"node {leader} killed")
            case.broker.kill_node(leader)
        else:
            case.fault(f"node {leader} stopped")
            case.broker.stop_node(leader)
        time.sleep(AWAY_S)
        case.broker.start_node(leader)
        case.fault(f"node {leader} back")
        recovered(case, 30 * case.patience)
        alive(workers)
        case.broker.until_whole()
        case.progress()
    case.finish()
    in_order(workers)


ROW = Row(number=10, title="broker bounced", tier=Tier.THREE, run=run, own_broker=True, limits={"recovery_s": 30})
