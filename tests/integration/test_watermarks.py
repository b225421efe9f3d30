"""Ends of a log are asked of whoever leads its partition now, also by a client that has learnt of another leader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from faust.types import TP

from streams.settings import Settings
from streams.shell.watermarks import watermarks
from streams.shell.yardstick import Yardstick
from tests.support.embedded import EmbeddedBroker
from tests.support.mock_faults import MockFaults

FORMER, NEXT = 1, 2


@pytest.fixture
def brokers() -> Iterator[EmbeddedBroker]:
    """Two of them, so that a leader can go away."""
    with EmbeddedBroker(brokers=2) as made:
        yield made


@pytest.fixture
def topic(brokers: EmbeddedBroker, prefix: str) -> str:
    """An empty topic, led by a broker that is not the coordinator of the group."""
    name = f"{prefix}log"
    brokers.touch(name)
    faults = MockFaults(brokers)
    faults.lead(name, 0, FORMER)
    faults.coordinate("asking", NEXT)
    return name


def test_client_that_only_asks_finds_the_next_leader(brokers: EmbeddedBroker, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": brokers.bootstrap, "group.id": "asking", "log_level": 0})
    place = TopicPartition(topic, 0)
    assert watermarks(consumer, place, 10) == (0, 0)
    _change_leader(brokers, topic)
    with pytest.raises(KafkaException):
        consumer.get_watermark_offsets(place, timeout=2)  # as the client does by itself
    assert watermarks(consumer, place, 5) == (0, 0)
    consumer.close()


def test_watchdog_finds_the_next_leader(brokers: EmbeddedBroker, topic: str) -> None:
    asked = Yardstick(Settings(bootstrap_servers=brokers.bootstrap, app_id="asking"), 2.0)
    place = TP(topic, 0)
    assert asked.ask([place])[place].end == 0
    _change_leader(brokers, topic)
    assert asked.ask([place])[place].end == 0


def test_what_is_not_there_is_told_in_time(brokers: EmbeddedBroker, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": brokers.bootstrap, "group.id": "asking", "log_level": 0})
    with pytest.raises(KafkaException):
        watermarks(consumer, TopicPartition(topic, 99), 1)
    consumer.close()


def _change_leader(brokers: EmbeddedBroker, topic: str) -> None:
    faults = MockFaults(brokers)
    faults.lead(topic, 0, NEXT)
    faults.down(FORMER)
