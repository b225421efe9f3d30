"""Live, by the wall clock: from an event's record time to the arrival of the intervention that it caused.

Each account uses the product once and then states its intent to cancel, which is decided at once; so what is measured
is the way through the worker, not the patience of a detector.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, Producer

from streams import topics
from streams.settings import Settings
from streams.shell.codec import Codec
from tests.bench.report import Report
from tests.integration.cluster import on_real
from tests.support.kafka import RealBroker
from tests.support.worker import WorkerProcess

_EVENTS_OF_AN_ACCOUNT = 2
_WAIT_S = 30.0


def bench(broker: RealBroker, accounts: int, events_per_s: float) -> Report:
    """Sends the events at a steady pace to a worker on the broker and reads its interventions."""
    with tempfile.TemporaryDirectory() as scratch:
        cluster = on_real(broker, f"latency{time.time_ns()}-", Path(scratch))
        names = Settings(bootstrap_servers=cluster.bootstrap, topic_prefix=cluster.prefix)
        reader = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": cluster.app_id + "-reader",
                           "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10})  # fmt: skip
        with cluster.worker(clock="wall", checkpoint_interval="5s") as worker:
            worker.until(lambda: worker.probe("/readyz")[0] == 200, "ready")
            reader.subscribe([names.topic(topics.INTERVENTIONS)])
            found = _drive(worker, reader, names, accounts, events_per_s)
            reader.close()
            worker.stop()
    found.sort()
    row = {
        "events_per_s": events_per_s,
        "opened": len(found),
        "p50_ms": found[len(found) // 2],
        "p99_ms": found[len(found) * 99 // 100],
        "max_ms": found[-1],
    }
    return Report("latency: event to intervention, live", [row])


def _drive(worker: WorkerProcess, reader: Consumer, names: Settings, accounts: int, pace: float) -> list[float]:
    """Milliseconds from record time to arrival, of each account's intervention. Raises TimeoutError."""
    codec = Codec(names)
    producer = Producer({"bootstrap.servers": names.bootstrap_servers, "partitioner": "murmur2_random", "linger.ms": 1})
    sent: dict[str, int] = {}
    found: list[float] = []

    def send(topic: str, account: str, **fields: object) -> None:
        sent[account] = int(time.time() * 1000)
        event = {"event_id": f"{topic}-{account}", "account_id": account, "occurred_at": sent[account], **fields}
        producer.produce(names.topic(topic), codec.encode(topic, event), account, timestamp=sent[account])
        producer.poll(0)

    def read(seconds: float) -> None:
        for message in reader.consume(500, seconds):
            if message.error() is None:
                record = codec.decode(topics.INTERVENTIONS, _value(message.value()))
                if record["state"] == "opened":
                    found.append(time.time() * 1000 - sent[record["account_id"]])

    began = time.monotonic()
    for number in range(accounts):
        send(topics.USAGE, f"acct-{number}", metric="logins", value=1.0)
        send(topics.ACCOUNTS, f"acct-{number}", change="cancel_intent")
        due = began + (number + 1) * _EVENTS_OF_AN_ACCOUNT / pace
        read(0)
        while (left := due - time.monotonic()) > 0:
            read(min(left, 0.005))
    producer.flush(_WAIT_S)
    deadline = time.monotonic() + _WAIT_S
    while len(found) < accounts:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} of {accounts} interventions arrived\n{worker.output[-2000:]}")
        read(0.05)
    return found


def _value(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
