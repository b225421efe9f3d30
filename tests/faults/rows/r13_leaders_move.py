"""The coordinator of the group and the leaders of partitions move every two seconds."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError

from streams import topics
from tests.faults.case import Case, Row, Tier
from tests.faults.watch import alive, in_order, recovered, steady
from tests.support.mock_faults import MockFaults, Request

MOVES = 20
EVERY_S = 2.0
BROKERS = 3


def run(case: Case) -> None:
    """Two workers; a move is seen by refused requests, as on a real cluster."""
    case.create_topics()
    workers = [case.worker("w1"), case.worker("w2")]
    load = case.load(rate=60, accounts=40)
    load.start()
    steady(case)
    faults = MockFaults(case.broker)
    moving = [case.topic(topics.USAGE), case.topic(topics.INTERVENTIONS), case.changelog]
    for number in range(MOVES):
        coordinator = number % BROKERS + 1
        faults.coordinate(case.app_id, coordinator)
        for request in (Request.HEARTBEAT, Request.OFFSET_COMMIT):
            faults.fail(request, KafkaError.NOT_COORDINATOR)
        for topic in moving:
            for partition in range(case.partitions):
                faults.lead(topic, partition, case.rng.randrange(BROKERS) + 1)
        case.fault(f"coordinator {coordinator}, new leaders")
        time.sleep(EVERY_S)
        alive(workers)
    recovered(case, 60 * case.patience)
    case.finish()
    in_order(workers)


ROW = Row(
    number=13,
    title="coordinator and leaders move every 2 s",
    tier=Tier.EMBEDDED,
    run=run,
    own_broker=True,
    limits={"recovery_s": 60},
)
