"""A worker with a name in the group: a quick restart moves no partition, and the group does not notice."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.integration.cluster import PARTITIONS, Cluster, on_real
from tests.support.kafka import RealBroker
from tests.support.log import publish, small_log
from tests.support.worker import WorkerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def cluster(real_broker: RealBroker, prefix: str, tmp_path: Path) -> Cluster:
    made = on_real(real_broker, prefix, tmp_path)
    publish(made.bootstrap, made.prefix, small_log(accounts=4, days=20), PARTITIONS)
    return made


def _taken(worker: WorkerProcess) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in worker.output.splitlines() if '"partitions taken over"' in line]
    return [{"partitions": line["partitions"], "generation": line["generation"]} for line in lines]


def _members(broker: RealBroker, group: str) -> list[str | None]:
    """Names of the members that the group has."""
    found = broker.admin.describe_consumer_groups([group])[group].result(30)
    return [member.group_instance_id for member in found.members]


@pytest.mark.timeout(200)
def test_restart_of_a_named_worker_leaves_the_generation_as_it_is(cluster: Cluster, real_broker: RealBroker) -> None:
    with cluster.worker(group_instance_id="one", session_timeout="30s") as first:
        first.until(lambda: bool(_taken(first)), "it has joined")
        before = _taken(first)[-1]
        assert first.stop() == 0, first.output
    assert _members(real_broker, cluster.app_id) == ["one"], "a stop does not leave the group"
    with cluster.worker(group_instance_id="one", session_timeout="30s") as second:
        second.until(lambda: bool(_taken(second)), "it is back")
        assert _taken(second) == [before]
        assert second.stop() == 0, second.output


@pytest.mark.timeout(200)
def test_restart_of_a_worker_without_a_name_is_a_new_generation(cluster: Cluster, real_broker: RealBroker) -> None:
    with cluster.worker() as first:
        first.until(lambda: bool(_taken(first)), "it has joined")
        before = _taken(first)[-1]
        assert first.stop() == 0, first.output
    assert _members(real_broker, cluster.app_id) == []
    with cluster.worker() as second:
        second.until(lambda: bool(_taken(second)), "it is back")
        assert _taken(second)[0] != before
        assert second.stop() == 0, second.output


@pytest.mark.timeout(200)
def test_worker_whose_name_another_one_has_ends_and_says_so(cluster: Cluster) -> None:
    """They would take the partitions from each other for ever; whichever ends, the other one has its peace."""
    with cluster.worker(group_instance_id="one") as first:
        first.until(lambda: bool(_taken(first)), "it has joined")
        with cluster.worker(group_instance_id="one") as second:
            ended, left = _one_ended(first, second)
            assert ended.wait() == 1
            assert "another worker has joined the group as 'one'" in ended.output
            assert "BACKONTRACK_GROUP_INSTANCE_ID" in ended.output
            assert left.stop() == 0, left.output


def _one_ended(first: WorkerProcess, second: WorkerProcess) -> tuple[WorkerProcess, WorkerProcess]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        for ended, left in ((first, second), (second, first)):
            if ended.process.poll() is not None:
                return ended, left
        time.sleep(0.2)
    raise TimeoutError(f"both go on:\n{first.output[-3000:]}")
