"""How long a fail-over takes, with and without a warm copy: `python -m tests.bench.failover [--accounts 50000]`.

The states are those of accounts with ten weeks of history, copied under other names and put on the changelog as an
owner would have. Two workers share the partitions; one is killed, and the other one has to take its half over.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from confluent_kafka import Producer

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.partitioner import partition_of
from streams.domain.time import DAY
from streams.policy.load import default_policy
from streams.shell.changelog import partition_record, schema_record, state_record
from streams.shell.outgoing import Outgoing
from streams.shell.state_codec import decode_account, encode_account, encode_partition, written_schemas
from tests.integration.cluster import PARTITIONS, Cluster, on_real
from tests.support.kafka import RealBroker
from tests.support.log import START, fold_log, small_log
from tests.support.worker import WorkerProcess

SESSION_S = 6.0


def fill(cluster: Cluster, accounts: int) -> int:
    """Puts the states of so many accounts on the changelog; returns their bytes."""
    answer = fold_log(small_log(accounts=40), cluster.app_id, 1, START + 70 * DAY)
    patterns = [decode_account(value) for key, value in answer.state.items() if not key.startswith(b"\x00")]
    for account in patterns:
        account.outbox.clear()
        account.timers.clear()
    name = topics.changelog(cluster.app_id)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 20, "compression.type": "lz4"})
    size, counts = 0, [0] * PARTITIONS

    def write(record: Outgoing) -> None:
        producer.produce(record.topic, record.value, record.key, record.partition, headers=record.headers)
        producer.poll(0)

    for partition in range(PARTITIONS):
        for fingerprint, source in written_schemas().items():
            write(schema_record(name, partition, fingerprint, source, 1))
    for number in range(accounts):
        state = patterns[number % len(patterns)]
        state.account_id = f"copy-{number:07d}"
        key, value = state.account_id.encode(), encode_account(state)
        partition = partition_of(key, PARTITIONS)
        write(state_record(name, partition, key, value, 1))
        size, counts[partition] = size + len(value), counts[partition] + 1
    for partition in range(PARTITIONS):
        value = encode_partition(PartitionState(partition, stream_time=START + 70 * DAY, policy=default_policy().text))
        write(partition_record(name, partition, value, 1, counts[partition], 0))
    if producer.flush(120):
        raise TimeoutError("the changelog was not written")
    return size


def measure(cluster: Cluster, standbys: int, settle_s: float) -> tuple[float, float, int]:
    """Seconds from the kill to the take-over, those of the recovery itself, and the accounts of the worker then."""
    settings = {"session_timeout": f"{SESSION_S:.0f}s", "standby_replicas": str(standbys)}
    cluster.directory.mkdir(parents=True, exist_ok=True)
    first = WorkerProcess(cluster.directory / f"first-{standbys}.log", **_common(cluster), **settings)
    second = WorkerProcess(cluster.directory / f"second-{standbys}.log", **_common(cluster), **settings)
    with first, second:
        for worker in (first, second):
            worker.until(lambda worker=worker: _taken(worker)[-1:] == [PARTITIONS // 2], "half each", 300)
        time.sleep(settle_s)
        count = len(_taken(second))
        killed = time.monotonic()
        first.kill()
        second.until(lambda: len(_taken(second)) > count, "the take-over", 300)
        took = time.monotonic() - killed
        line = _lines(second)[-1]
        second.stop(120)
    return took, float(line["seconds"]), int(line["accounts"])


def _common(cluster: Cluster) -> dict[str, str]:
    return {
        "bootstrap_servers": cluster.bootstrap,
        "topic_prefix": cluster.prefix,
        "app_id": cluster.app_id,
        "clock": "events",
    }


def _lines(worker: WorkerProcess) -> list[dict[str, object]]:
    return [json.loads(line) for line in worker.output.splitlines() if '"partitions taken over"' in line]


def _taken(worker: WorkerProcess) -> list[int]:
    return [len(line["partitions"]) for line in _lines(worker)]  # type: ignore[arg-type]  # a list


def main() -> None:
    """Measures once each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--settle", type=float, default=30.0, help="seconds in which warm copies are made")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker instead of one of its own")
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="backontrack-failover-"))
    broker = None if asked.bootstrap else RealBroker()
    if broker is not None:
        broker.start()
    try:
        for standbys in (0, 1):
            cluster = Cluster(asked.bootstrap, f"failover-{int(time.time())}-{standbys}-", directory)
            if broker is not None:
                cluster = on_real(broker, cluster.prefix, directory)
            else:
                from tests.integration.cluster import create_topics  # noqa: PLC0415  only for a running broker

                create_topics(cluster)
            size = fill(cluster, asked.accounts)
            took, recovery, held = measure(cluster, standbys, asked.settle)
            print(  # noqa: T201  a command
                f"standby replicas {standbys}: {asked.accounts:,} accounts, {size / 1e6:.0f} MB of states: "
                f"{took:.1f} s from kill to take-over (session {SESSION_S:.0f} s), of which recovery {recovery:.2f} s; "
                f"{held:,} accounts afterwards",
                flush=True,
            )
    finally:
        if broker is not None:
            broker.close()


if __name__ == "__main__":
    main()
