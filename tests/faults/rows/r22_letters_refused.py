"""The dead-letter topic is deleted under a running worker, or the right to write it taken away."""

from __future__ import annotations

import time
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams import topics
from streams.settings import Settings
from streams.shell.acls import WORKER, Right, rights
from streams.shell.admin import LARGEST_RECORD
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker
from tests.faults.watch import alive, in_order
from tests.support.secure_kafka import SecureBroker

AWAY_S = 50.0
"""Long enough that a worker that counted it as a stall would have ended."""
STALL = "45s"
MEMORY_MB = 50.0
_USER, _SECRET = "worker", "worker-secret"


def run(case: Case) -> None:
    """One of the variants."""
    if case.variant == "missing":
        _refuse(case, {}, "dead_letters", _delete, _create)
        return
    with SecureBroker(case.directory / "secure", clear_users={_USER: _SECRET}) as broker:
        case.broker = broker
        case.create_topics()
        settings = Settings(topic_prefix=case.prefix, app_id=case.app_id, clock="events")
        broker.allow(f"User:{_USER}", rights(settings, WORKER))
        right = Right("topic", case.topic(topics.DEAD_LETTERS), "Write")
        login = {
            "bootstrap_servers": broker.clear,
            "security_protocol": "sasl_plaintext",
            "sasl_mechanism": "PLAIN",
            "sasl_username": _USER,
            "sasl_password": _SECRET,
        }
        _refuse(
            case,
            login,
            "denied",
            lambda _case: broker.deny(f"User:{_USER}", [right]),
            lambda _case: broker.allow(f"User:{_USER}", [right]),
        )


def _refuse(case: Case, login: dict[str, str], hold: str, refuse: Any, mend: Any) -> None:
    load = case.load(rate=40, accounts=40, mix=Mix(responses=False)).start()
    worker = case.worker("w1", stall_timeout=STALL, **login)
    case.progress()
    case.recovered(120 * case.patience, "warm_s")
    case.fault(f"the dead-letter topic is refused: {case.variant}")
    refuse(case)
    load.history.mix = Mix(poison=0.1, responses=False)
    case.wait(lambda: hold in worker.probe("/readyz")[1], "the worker holds", 60 * case.patience)
    case.pause(2)
    memory, applied = _resident(worker), case.committed()
    ends = time.monotonic() + AWAY_S
    while time.monotonic() < ends:
        case.pause(1)
        alive([worker])
        live, ready = worker.probe("/livez"), worker.probe("/readyz")
        if live[0] != 200 or ready[0] != 503 or hold not in ready[1]:
            raise CaseFailed(f"while it holds: {live} {ready}")
        case.worst("memory_mb", (_resident(worker) - memory) / 1e6)
    if case.committed() != applied:
        raise CaseFailed("offsets were committed while dead letters could not be written")
    case.figure("waiting_records", case.lag())
    case.fault("mended")
    mend(case)
    case.recovered(60)
    if worker.probe("/readyz")[0] != 200:
        raise CaseFailed(f"not ready after it went on: {worker.probe('/readyz')}")
    case.finish(dup_bound=0)
    in_order([worker])


def _resident(worker: Worker) -> int:

    return int(psutil.Process(worker.process.pid).memory_info().rss)


def _delete(case: Case) -> None:
    name = case.topic(topics.DEAD_LETTERS)
    admin = AdminClient({"bootstrap.servers": case.bootstrap, "log_level": 0})
    admin.delete_topics([name])[name].result(30)


def _create(case: Case) -> None:
    name = case.topic(topics.DEAD_LETTERS)
    config = {"retention.ms": "-1", "max.message.bytes": str(LARGEST_RECORD), "message.timestamp.type": "CreateTime"}
    new = NewTopic(name, num_partitions=1, replication_factor=1, config=config)
    admin = AdminClient({"bootstrap.servers": case.bootstrap, "log_level": 0})
    admin.create_topics([new])[name].result(30)


ROW = Row(
    number=22,
    title="dead-letter topic missing or denied",
    tier=Tier.ONE,
    run=run,
    variants=("missing", "denied"),
    limits={"recovery_s": 60, "memory_mb": MEMORY_MB},
)
