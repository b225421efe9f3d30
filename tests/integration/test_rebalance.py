"""Workers join, leave and die while the log flows: on a real Kafka only, as the embedded broker hangs on a leave."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from streams.domain.time import DAY
from tests.integration.cluster import PARTITIONS, Cluster, on_real
from tests.support.kafka import RealBroker
from tests.support.log import START, fold_log, publish, small_log
from tests.support.worker import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

END = START + 90 * DAY


@pytest.fixture
def cluster(real_broker: RealBroker, prefix: str, tmp_path: Path) -> Cluster:
    return on_real(real_broker, prefix, tmp_path)


def _taken(output: str) -> list[int]:
    """How many partitions a worker took over, time after time."""
    lines = [json.loads(line) for line in output.splitlines() if "partitions taken over" in line]
    return [len(line["partitions"]) for line in lines]


def _lag(worker: WorkerProcess) -> float:
    """Records that wait for this worker."""
    return worker.metric("backontrack_consumer_lag_records")


@pytest.mark.timeout(400)
def test_workers_that_join_leave_and_die_answer_as_one(cluster: Cluster) -> None:
    """All lies in Kafka before, so the order is a function of the log, whoever applies it."""
    history = small_log(accounts=2_000)  # enough that work is left when the second worker has gone
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS, END)
    with cluster.worker() as first, cluster.worker() as second:
        second.until(lambda: _taken(second.output)[-1:] == [2], "the second owns two of four partitions")
        second.until(lambda: _taken(first.output)[-1:] == [2], "and the first the other two")
        second.until(lambda: _lag(second) > 0, "records wait for the second")
        assert second.stop() == 0, second.output
        with cluster.worker() as third:
            first.until(lambda: PARTITIONS in _taken(first.output), "the first takes all over")
            first.kill()
            third.until_logged("partitions taken over")
            third.kill()
    with cluster.worker("--until-caught-up") as last:
        assert last.wait() == 0, last.output
    answer, model = cluster.answer(), fold_log(history, cluster.app_id, PARTITIONS, END)
    assert answer.wrong == 0
    assert answer.records.keys() == model.records.keys()
    assert answer.records == model.records
    assert answer.health == model.health
    assert answer.state == model.state


@pytest.mark.timeout(400)
def test_paused_worker_writes_nothing_that_counts_when_it_comes_back(cluster: Cluster) -> None:
    """Stopped for longer than its session, it finds its partitions gone; what it still writes is ignored or a copy."""
    history = small_log(accounts=800)
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS, END)
    with cluster.worker() as paused:
        paused.until(lambda: _taken(paused.output) == [PARTITIONS] and _lag(paused) > 0, "work")
        paused.process.send_signal(signal.SIGSTOP)
        with cluster.worker("--until-caught-up") as other:
            other.until(lambda: _taken(other.output) != [], "the session of the paused worker is over")
            paused.process.send_signal(signal.SIGCONT)
            assert other.wait(120) == 0, other.output
        paused.until(lambda: _taken(paused.output)[1:] != [], "it joins again")
        assert paused.stop() == 0, paused.output
    with cluster.worker("--until-caught-up") as last:
        assert last.wait() == 0, last.output
    answer, model = cluster.answer(), fold_log(history, cluster.app_id, PARTITIONS, END)
    assert answer.wrong == 0
    assert answer.records == model.records
    assert answer.health == model.health
    assert answer.state == model.state
