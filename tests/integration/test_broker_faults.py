"""What the fault suite builds on: a broker behind a bad network, and three nodes of which some are away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from tests.support.kafka import RealBroker, unavailable_reason
from tests.support.kafka_cluster import RealCluster
from tests.support.proxy import Proxy, Way

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.kafka,
    pytest.mark.skipif(bool(unavailable_reason()), reason=str(unavailable_reason())),
]


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def stored(bootstrap: str, topic: str, seconds: float) -> bool:
    """Whether an idempotent producer gets a record acknowledged in time."""
    failed: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "message.timeout.ms": int(seconds * 1000),
            "log_level": 0,
        }
    )
    producer.produce(topic, b"v", partition=0, on_delivery=lambda error, _: failed.append(error) if error else None)
    return producer.flush(seconds + 5) == 0 and not failed


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Proxy() as made:
        yield made


@pytest.fixture(scope="module")
def broker(proxy: Proxy) -> Iterator[RealBroker]:
    made = RealBroker(proxied=proxy.port)
    proxy.target = made.behind_proxy or 0
    with made:
        made.create_topic("t", partitions=1)
        yield made


@pytest.fixture(autouse=True)
def healed(proxy: Proxy) -> Iterator[None]:
    yield
    proxy.heal()


def test_clients_of_the_proxy_stay_behind_it(broker: RealBroker, proxy: Proxy) -> None:
    """The broker sends them back to it, so a cut stops them, while direct clients go on."""
    assert stored(proxy.address, "t", 30)
    proxy.cut()
    assert not stored(proxy.address, "t", 3)
    assert stored(broker.bootstrap, "t", 30)
    proxy.heal()
    assert stored(proxy.address, "t", 30)


def test_answers_lost_on_their_way_back_double_nothing(broker: RealBroker, proxy: Proxy) -> None:
    """The broker stores what it hears; the producer sends it again and the broker knows it."""
    broker.create_topic("answers", partitions=1)
    failed: list[object] = []
    producer = Producer({"bootstrap.servers": proxy.address, "enable.idempotence": True, "log_level": 0})
    for number in range(2000):
        producer.produce("answers", str(number).encode(), partition=0, on_delivery=lambda e, _: e and failed.append(e))
        if number == 500:
            producer.flush(30)
            proxy.cut([Way.DOWN])
    producer.flush(2)
    proxy.heal()
    assert producer.flush(60) == 0
    assert failed == []
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "r", "auto.offset.reset": "earliest"})
    consumer.subscribe(["answers"])
    got: list[int] = []
    until(
        lambda: bool(got.extend(int(m.value() or b"") for m in consumer.consume(500, 0.5)) or len(got) >= 2000),
        "2,000 records",
    )
    consumer.close()
    assert got == list(range(2000))


def test_a_stopped_broker_is_alive_and_silent(broker: RealBroker) -> None:
    """It answers when it goes on."""
    broker.pause()
    try:
        with pytest.raises(KafkaException):
            broker.admin.list_topics(timeout=1)
    finally:
        broker.resume()
    until(lambda: stored(broker.bootstrap, "t", 10), "answers again")


@pytest.mark.slow
def test_two_of_three_nodes_suffice_and_one_does_not() -> None:
    """A killed leader is replaced; with one node left nothing is acknowledged; the others catch up when they return."""
    with RealCluster() as cluster:
        cluster.create_topics("t", partitions=3)
        assert len({cluster.leader("t", partition) for partition in range(3)}) == 3
        first = cluster.leader("t", 0)
        cluster.kill_node(first)
        until(lambda: cluster.leader("t", 0) not in {-1, first}, "another leader")
        assert stored(cluster.bootstrap, "t", 30)
        second = cluster.leader("t", 0)
        cluster.kill_node(second)
        assert not stored(cluster.bootstrap, "t", 5)
        cluster.start_node(first)
        cluster.start_node(second)
        cluster.until_whole()
        assert stored(cluster.bootstrap, "t", 30)
