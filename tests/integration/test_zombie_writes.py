"""Writes of a worker that has lost a partition, with compaction that would keep only them: on a real Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import ResourceType

from streams import topics
from streams.domain.time import DAY
from streams.shell.changelog import EPOCH, epoch_of
from tests.integration.cluster import PARTITIONS, Cluster, on_real
from tests.support.compaction import EAGER, configure
from tests.support.kafka import RealBroker
from tests.support.log import START, Record, fold_log, publish, read_all, small_log

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.slow]

END = START + 70 * DAY
ACCOUNT = b"account-003"


@pytest.fixture
def cluster(real_broker: RealBroker, prefix: str, tmp_path: Path) -> Cluster:
    made = on_real(real_broker, prefix, tmp_path)
    configure(made.bootstrap, topics.changelog(made.app_id), EAGER)
    configure(made.bootstrap, "1", {"log.cleaner.backoff.ms": "500"}, ResourceType.BROKER)
    return made


def _changelog(cluster: Cluster, key: bytes) -> list[Record]:
    return [record for record in read_all(cluster.bootstrap, topics.changelog(cluster.app_id)) if record.key == key]


def _as_zombie(cluster: Cluster, old: Record) -> None:
    """Writes a state again, as the owner before the present one would."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0, "enable.idempotence": True})
    name = topics.changelog(cluster.app_id)
    producer.produce(name, old.value, old.key, old.partition, headers={EPOCH: old.headers[EPOCH]})
    assert producer.flush(30) == 0


def _until(condition: Callable[[], bool], what: str, timeout: float = 90.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.5)


def _prepared(cluster: Cluster) -> Record:
    """Two owners one after the other, all applied; the first one's state of an account."""
    history = small_log(accounts=12)
    half = START + 35 * DAY
    publish(cluster.bootstrap, cluster.prefix, [entry for entry in history if entry.time < half], PARTITIONS)
    with cluster.worker("--until-caught-up") as first:
        assert first.wait() == 0, first.output
    old = _changelog(cluster, ACCOUNT)[-1]
    publish(cluster.bootstrap, cluster.prefix, [entry for entry in history if entry.time >= half], PARTITIONS, END)
    return old


@pytest.mark.timeout(300)
def test_owner_stores_again_what_a_former_owner_has_overwritten(cluster: Cluster) -> None:
    """Compaction keeps the newest record of a key, whoever wrote it; recovery ignores it, so the account was lost."""
    old = _prepared(cluster)
    with cluster.worker() as owner:
        owner.until(lambda: _is_newer(cluster, old), "the new owner has stored the account")
        _until(lambda: _settled(cluster), "the owner is through")
        _as_zombie(cluster, old)
        zombie = _changelog(cluster, ACCOUNT)[-1]
        assert zombie.headers[EPOCH] == old.headers[EPOCH]
        _until(lambda: _changelog(cluster, ACCOUNT)[-1].offset > zombie.offset, "the owner has stored it again", 40)
        assert owner.stop() == 0, owner.output
    _roll(cluster)
    _until(lambda: len(_changelog(cluster, ACCOUNT)) == 1, "the changelog is compacted")
    with cluster.worker("--until-caught-up") as last:
        assert last.wait() == 0, last.output
    answer, model = cluster.answer(), fold_log(small_log(accounts=12), cluster.app_id, PARTITIONS, END)
    assert answer.state[ACCOUNT] == model.state[ACCOUNT]
    assert answer.records == model.records


@pytest.mark.timeout(300)
def test_stale_write_is_what_compaction_keeps(cluster: Cluster) -> None:
    """Without an owner that repairs it in time, the loss is found when the partition is taken over, and named."""
    old = _prepared(cluster)
    with cluster.worker("--until-caught-up") as owner:
        assert owner.wait() == 0, owner.output
    _as_zombie(cluster, old)
    _roll(cluster)
    _until(lambda: len(_changelog(cluster, ACCOUNT)) == 1, "the changelog is compacted")
    assert _changelog(cluster, ACCOUNT)[0].headers[EPOCH] == old.headers[EPOCH], "only the stale record is left"
    with cluster.worker("--until-caught-up") as last:
        assert last.wait() == 1, last.output
        assert "BACKONTRACK_APP_ID" in last.output


def _is_newer(cluster: Cluster, old: Record) -> bool:
    found = _changelog(cluster, ACCOUNT)
    return bool(found) and epoch_of(found[-1].headers) > epoch_of(old.headers)


def _settled(cluster: Cluster) -> bool:
    model = fold_log(small_log(accounts=12), cluster.app_id, PARTITIONS, END)
    found = _changelog(cluster, ACCOUNT)
    return bool(found) and found[-1].value == model.state[ACCOUNT]


def _roll(cluster: Cluster) -> None:
    """Fills the newest segment with a key of its own, so that the ones before it are compacted."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0, "enable.idempotence": True})
    for _ in range(3):
        for partition in range(PARTITIONS):
            producer.produce(topics.changelog(cluster.app_id), None, b"filler", partition, headers={EPOCH: b"0"})
        assert producer.flush(30) == 0
        time.sleep(0.3)
