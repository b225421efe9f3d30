"""Each fault of the embedded broker is seen by an ordinary client."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.support.embedded import EmbeddedBroker
from tests.support.mock_faults import DISCONNECT, MockFaultError, MockFaults, Request

TOPIC = "usage"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(brokers=3) as made:
        made.touch(TOPIC)
        yield made


@pytest.fixture
def faults(broker: EmbeddedBroker) -> MockFaults:
    return MockFaults(broker)


@pytest.fixture
def consumer(broker: EmbeddedBroker) -> Iterator[Consumer]:
    made = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "enable.auto.commit": False})
    yield made
    made.close()


def produce(broker: EmbeddedBroker, timeout: float = 5.0, **settings: str) -> list[KafkaError | None]:
    results: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0, "log_level": 0, **settings})
    producer.produce(TOPIC, b"v", partition=0, on_delivery=lambda error, _: results.append(error))
    producer.flush(timeout)
    return results


def commit(consumer: Consumer) -> None:
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)


def test_a_closed_broker_has_no_faults(broker: EmbeddedBroker) -> None:
    """There is nothing to call."""
    broker.close()
    with pytest.raises(MockFaultError, match="closed"):
        MockFaults(broker)


def test_a_pushed_error_answers_one_request(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """The next one passes."""
    faults.fail(Request.PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    failed = produce(broker)[0]
    assert failed is not None
    assert failed.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert produce(broker) == [None]


def test_errors_of_commits_come_in_their_order(faults: MockFaults, consumer: Consumer) -> None:
    """Each commit meets the next error."""
    for error in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS):
        faults.fail(Request.OFFSET_COMMIT, error)
        with pytest.raises(KafkaException) as caught:
            commit(consumer)
        assert caught.value.args[0].code() == error
    commit(consumer)


def test_a_disconnect_is_retried_by_the_client(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """An idempotent producer sends again."""
    faults.track()
    faults.fail(Request.PRODUCE, DISCONNECT)
    assert produce(broker, **{"enable.idempotence": "true"}) == [None]
    assert faults.tracked()[Request.PRODUCE] >= 2


def test_an_answer_can_be_late(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """One request of one broker takes its time."""
    faults.lead(TOPIC, 0, 2)
    faults.fail_slowly(2, Request.PRODUCE, (0, 700))
    assert faults.waiting(2, Request.PRODUCE) == 1
    begin = time.monotonic()
    assert produce(broker) == [None]
    assert time.monotonic() - begin >= 0.7
    assert faults.waiting(2, Request.PRODUCE) == 0


def test_every_answer_can_be_late(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """A distant cluster."""
    faults.round_trip(300)
    begin = time.monotonic()
    assert produce(broker) == [None]
    assert time.monotonic() - begin >= 0.6


def test_a_broker_that_is_down_takes_nothing_until_it_is_up(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """Its partitions keep it as their leader."""
    faults.lead(TOPIC, 0, 2)
    faults.down(2)
    assert produce(broker, timeout=1) == []
    faults.up(2)
    assert produce(broker) == [None]


def test_leaders_move(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """Metadata names the new one."""
    for number in (1, 2, 3):
        faults.lead(TOPIC, 0, number)
        metadata = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(TOPIC)
        assert metadata.topics[TOPIC].partitions[0].leader == number


def test_coordinators_move(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """A client that asks is sent to the new one."""
    for number in (1, 2, 3):
        faults.coordinate("g", number)
        # An answer without an error, which only the asked broker takes off its stack.
        faults.fail_slowly(number, Request.OFFSET_COMMIT, (0, 0))
        asking = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g"})
        commit(asking)
        asking.close()
        assert faults.waiting(number, Request.OFFSET_COMMIT) == 0


def test_a_topic_can_have_an_error(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """Metadata reports it."""
    faults.topic_error(TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    found = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(TOPIC).topics[TOPIC].error
    assert found is not None
    assert found.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_a_topic_can_have_any_number_of_partitions(faults: MockFaults, broker: EmbeddedBroker) -> None:
    """Not only the four of a topic that appears on first use."""
    faults.create_topic("wide", 7)
    assert len(Producer({"bootstrap.servers": broker.bootstrap}).list_topics("wide").topics["wide"].partitions) == 7


def test_deleted_records_move_the_start_of_the_log(
    faults: MockFaults, broker: EmbeddedBroker, consumer: Consumer
) -> None:
    """The earliest offset is the first that remains."""
    for _ in range(3):
        produce(broker)
    faults.delete_records(TOPIC, 0, 2)
    assert consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=5) == (2, 3)
