"""An outage of the brokers ends no worker: it holds, says so, and goes on by itself, with nothing lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams import topics
from streams.domain.time import DAY
from tests.integration.cluster import PARTITIONS, Cluster, on_embedded, on_real
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker
from tests.support.log import START, Entry, fold_log, publish, small_log
from tests.support.mock_faults import MockFaults, Request
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.chaos

END = START + 90 * DAY
SESSION_S = 6.0


class Brokers(Protocol):
    """What can be taken away and given back."""

    def away(self) -> None:
        """Nobody answers any more."""

    def back(self) -> None:
        """They answer again."""


class Embedded:
    """The embedded broker."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.faults = MockFaults(broker)

    def away(self) -> None:
        """Connections are refused."""
        self.faults.down()

    def back(self) -> None:
        """Connections are taken again."""
        self.faults.up()


class Real:
    """A real broker, whose process is killed."""

    def __init__(self, broker: RealBroker) -> None:
        self.broker = broker

    def away(self) -> None:
        """As a power cut."""
        self.broker.kill()

    def back(self) -> None:
        """With the data that it had."""
        self.broker.start()


@dataclass
class Place:
    """Brokers of this test alone, and topics on them."""

    brokers: Brokers
    cluster: Cluster

    def worker(self, *arguments: str, **settings: str) -> WorkerProcess:
        return self.cluster.worker(*arguments, **{"stall_timeout": "30s", **settings})


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest, prefix: str, tmp_path: Path) -> Iterator[Place]:
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            yield Place(Embedded(broker), on_embedded(broker, prefix, tmp_path))
    else:
        with RealBroker(tmp_path / "broker") as real:
            yield Place(Real(real), on_real(real, prefix, tmp_path))


@pytest.fixture(scope="module")
def history() -> list[Entry]:
    return small_log(days=50)


def _holds(worker: WorkerProcess) -> bool:
    status, text = worker.probe("/readyz")
    return status == 503 and "holds (broker)" in text


def _finish(place: Place, history: list[Entry], worker: WorkerProcess) -> None:
    """The worker has done everything, as the core does it offline."""
    worker.until(lambda: worker.probe("/readyz")[0] == 200, "it is ready", 120)
    worker.until(lambda: _is_committed(place.cluster, history), "everything is committed", 120)
    assert worker.stop() == 0, worker.output
    answer, model = place.cluster.answer(), fold_log(history, place.cluster.app_id, PARTITIONS, END)
    assert answer.wrong == 0
    # A slow machine may miss its session between sending and storing that it has; nothing else is sent again.
    assert not answer.copies or "given up without a checkpoint" in worker.log.read_text()
    assert answer.records == model.records
    assert answer.health == model.health
    assert answer.state == model.state


def _is_committed(cluster: Cluster, history: list[Entry]) -> bool:
    # The embedded broker has no ticks of others, so that the numbers of records are those of the history.
    wanted = dict.fromkeys(topics.RANKS, 0)
    for entry in history:
        wanted[entry.topic] += 1
    wanted[topics.CONTROL] += PARTITIONS
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": cluster.app_id, "log_level": 0})
    try:
        for name, count in wanted.items():
            places = [TopicPartition(cluster.prefix + name, partition) for partition in range(PARTITIONS)]
            if sum(max(0, found.offset) for found in consumer.committed(places, timeout=20)) < count:
                return False
        return True
    finally:
        consumer.close()


def test_worker_started_while_the_brokers_are_away_stays_up_and_begins_by_itself(
    place: Place, history: list[Entry]
) -> None:
    publish(place.cluster.bootstrap, place.cluster.prefix, history, PARTITIONS, END)
    place.brokers.away()
    with place.worker() as worker:
        worker.until(lambda: _holds(worker), "it holds", 60)
        assert worker.probe("/livez")[0] == 200
        assert "BACKONTRACK_BOOTSTRAP_SERVERS" in worker.probe("/readyz")[1]
        place.brokers.back()
        worker.until(lambda: worker.probe("/readyz")[0] == 200, "it is ready", 90)
        _finish(place, history, worker)


def test_worker_asked_to_stop_before_the_brokers_came_ends_in_order(place: Place) -> None:
    place.brokers.away()
    with place.worker() as worker:
        worker.until(lambda: _holds(worker), "it holds", 60)
        began = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - began < 10
        assert "asked to" in worker.output


def test_outage_under_way_is_waited_for_and_loses_nothing(place: Place, history: list[Entry]) -> None:
    # All of it is there before the worker, so that the log alone decides in which order it is applied.
    publish(place.cluster.bootstrap, place.cluster.prefix, history, PARTITIONS, END)
    # What is decided but not written yet is the hardest to keep.
    with place.worker(checkpoint_interval="1h", emit_interval="5s") as worker:
        worker.until(lambda: worker.probe("/readyz")[0] == 200, "it is ready", 90)
        place.brokers.away()
        worker.until(lambda: _holds(worker), "it holds", 60)
        # A session ends for a group whose members cannot be heard.
        time.sleep(1.5 * SESSION_S)
        assert worker.process.poll() is None, worker.output
        assert worker.probe("/livez")[0] == 200
        place.brokers.back()
        worker.until(lambda: worker.probe("/readyz")[0] == 200, "it is ready again", 90)
        worker.until(lambda: _applied(worker) >= len(history), "everything is applied", 120)
        assert worker.stop() == 0, worker.output
    with place.worker() as worker:
        _finish(place, history, worker)


def _applied(worker: WorkerProcess) -> float:
    return worker.metric("backontrack_events_total")


def test_worker_asked_to_stop_in_an_outage_ends_and_leaves_what_it_stored(place: Place, history: list[Entry]) -> None:
    publish(place.cluster.bootstrap, place.cluster.prefix, history, PARTITIONS, END)
    with place.worker() as worker:
        worker.until(lambda: _applied(worker) > 100, "it works", 90)
        place.brokers.away()
        time.sleep(1)
        began = time.monotonic()
        assert worker.stop(120) == 0, worker.output
        assert time.monotonic() - began < 90
    place.brokers.back()
    with place.worker() as worker:
        worker.until(lambda: worker.probe("/readyz")[0] == 200, "it is ready", 120)
        worker.until(lambda: _is_committed(place.cluster, history), "everything is committed", 120)
        assert worker.stop() == 0, worker.output
    answer, model = place.cluster.answer(), fold_log(history, place.cluster.app_id, PARTITIONS, END)
    # What was sent and not yet known to be acknowledged is sent again, the same bytes.
    assert answer.wrong == 0
    assert answer.records == model.records
    assert answer.health == model.health
    assert answer.state.keys() == model.state.keys()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KafkaError.COORDINATOR_NOT_AVAILABLE, "retried"),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "retried"),
        (KafkaError.REQUEST_TIMED_OUT, "retried"),
        (KafkaError.REBALANCE_IN_PROGRESS, "rebalancing"),
        (KafkaError.UNKNOWN_MEMBER_ID, "rebalancing"),
        (KafkaError.ILLEGAL_GENERATION, "rebalancing"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value),
)
def test_commit_that_fails_is_counted_and_made_up_for(
    prefix: str, tmp_path: Path, history: list[Entry], error: int, outcome: str
) -> None:
    with EmbeddedBroker() as broker:
        place = Place(Embedded(broker), on_embedded(broker, prefix, tmp_path))
        publish(place.cluster.bootstrap, place.cluster.prefix, history, PARTITIONS, END)
        MockFaults(broker).fail(Request.OFFSET_COMMIT, *[error] * 3)
        with place.worker() as worker:
            worker.until(lambda: _count(worker, outcome) >= 3, "the commits failed", 90)
            worker.until(lambda: _count(worker, "committed") >= 1, "a later one succeeded", 90)
            _finish(place, history, worker)


def _count(worker: WorkerProcess, outcome: str) -> float:
    return worker.metric("backontrack_commits_total", outcome=outcome)
