"""What a worker must not go past: it stops with what to do, and nothing is committed beyond what is stored."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.domain.time import DAY
from tests.integration.cluster import PARTITIONS, Cluster, create_topics, on_real
from tests.support.kafka import RealBroker
from tests.support.log import START, Entry, fold_log, publish, small_log

pytestmark = pytest.mark.kafka

END = START + 90 * DAY


@pytest.fixture
def cluster(real_broker: RealBroker, prefix: str, tmp_path: Path) -> Cluster:
    return on_real(real_broker, prefix, tmp_path)


@pytest.fixture(scope="module")
def history() -> list[Entry]:
    return small_log()


def _committed(cluster: Cluster) -> dict[str, int]:
    """Sum of the group's committed offsets by topic."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": cluster.app_id})
    try:
        wanted = [
            TopicPartition(cluster.prefix + name, partition) for name in topics.RANKS for partition in range(PARTITIONS)
        ]
        found: dict[str, int] = {}
        for place in consumer.committed(wanted, timeout=20):
            found[place.topic] = found.get(place.topic, 0) + max(0, place.offset)
        return found
    finally:
        consumer.close()


def _delete(cluster: Cluster, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.delete_topics([name])[name].result(20)
    deadline = time.monotonic() + 20
    while name in admin.list_topics(timeout=20).topics:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_commits_are_what_was_applied(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    applied: dict[str, int] = {}
    for entry in history:
        applied[cluster.prefix + entry.topic] = applied.get(cluster.prefix + entry.topic, 0) + 1
    assert {topic: count for topic, count in _committed(cluster).items() if count} == applied


def test_output_topic_that_vanishes_stops_the_worker_before_the_commit(cluster: Cluster, history: list[Entry]) -> None:
    # All of it lies there before anything is applied, so that the order of application is that of the log.
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS, END)
    with cluster.worker(delivery_timeout="4s", failpoint="recovery_read:1:sleep=20") as worker:
        worker.until_logged("partitions given back", 180)
        _delete(cluster, cluster.prefix + topics.HEALTH)
        assert "partitions taken over" not in worker.output  # nothing is applied before the topic is gone
        assert worker.wait() == 1, worker.output
        assert f"topic {cluster.prefix}{topics.HEALTH} is not there" in worker.output
    assert not any(_committed(cluster).values())
    create_topics(cluster)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    answer, model = cluster.answer(), fold_log(history, cluster.app_id, PARTITIONS, END)
    assert answer.wrong == 0
    assert answer.health == model.health


def test_changelog_that_was_recreated_is_not_taken_for_a_new_start(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history[:500], PARTITIONS)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    _delete(cluster, topics.changelog(cluster.app_id))
    create_topics(cluster)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 1, worker.output
        assert "the changelog topic was deleted or recreated" in worker.output


def test_records_deleted_before_they_were_applied_stop_the_worker(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history[:500], PARTITIONS)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    publish(cluster.bootstrap, cluster.prefix, history[500:], PARTITIONS)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    usage = cluster.prefix + topics.USAGE
    # Offset -1: everything that there is.
    for answer in admin.delete_records([TopicPartition(usage, p, -1) for p in range(PARTITIONS)]).values():
        answer.result(20)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 1, worker.output
        assert "were deleted before they were applied" in worker.output
        assert "retention.ms=-1" in worker.output
