"""What is sent arrives once, whatever the brokers do meanwhile; and what is given up never arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from confluent_kafka import KafkaError

from streams import topics
from streams.settings import Settings
from streams.shell.failure import Abandoned, Unrecoverable
from streams.shell.holds import BROKER, DENIED, LETTERS, PATIENCE_S, Holds
from streams.shell.outgoing import Outgoing
from streams.shell.producer import Sender
from tests.support.embedded import EmbeddedBroker
from tests.support.log import read_all
from tests.support.mock_faults import DISCONNECT, MockFaults, Request

NOBODY = "127.0.0.1:1"
TOPIC = "some-topic"
DENIAL = KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as made:
        yield made


@pytest.fixture
def faults(broker: EmbeddedBroker) -> Iterator[MockFaults]:
    made = MockFaults(broker)
    yield made
    made.clear(Request.PRODUCE)
    made.up()


class Made:
    """A sender of its own topics."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.settings = Settings(
            bootstrap_servers=bootstrap, topic_prefix=prefix, app_id=f"{prefix}app", session_timeout=4_000,
            delivery_timeout=4_000,
        )  # fmt: skip
        self.holds = Holds()
        self.sender = Sender(self.settings, self.holds)

    def record(self, number: int, topic: str = TOPIC) -> Outgoing:
        return Outgoing(self.settings.topic(topic), b"key", b"%d" % number, 0)

    def values(self, topic: str = TOPIC) -> list[bytes]:
        return [record.value for record in read_all(self.bootstrap, self.settings.topic(topic))]

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.holds.reasons
            await asyncio.sleep(0.05)


@pytest.fixture
async def made(broker: EmbeddedBroker, prefix: str) -> AsyncIterator[Made]:
    broker.touch(prefix + TOPIC, prefix + topics.DEAD_LETTERS)
    result = Made(broker.bootstrap, prefix)
    yield result
    result.sender.close()


@pytest.fixture
async def lonely(prefix: str) -> AsyncIterator[Made]:
    result = Made(NOBODY, prefix)
    yield result
    result.sender.close()


async def test_opened_sender_has_its_numbers_before_there_is_anything_to_send(made: Made, faults: MockFaults) -> None:
    """To ask for them takes half a second, which the first interventions would wait."""
    faults.track()
    made.sender.open()
    await made.until(lambda: faults.tracked()[Request.INIT_PRODUCER_ID] == 2)
    await made.sender.deliver([made.record(1)])
    assert await made.sender.lease([made.record(2)]) == set()
    assert faults.tracked()[Request.INIT_PRODUCER_ID] == 2


async def test_waiting_for_brokers_is_a_hold_and_no_error(lonely: Made) -> None:
    await lonely.sender.send([lonely.record(1)])
    waiting = asyncio.ensure_future(lonely.sender.flush())
    await lonely.until(lambda: BROKER in lonely.holds.reasons)
    # Longer than any time-out that the settings name.
    await asyncio.sleep(lonely.settings.delivery_timeout / 1000 + 1 - PATIENCE_S)
    assert not waiting.done()
    assert lonely.holds.reading_waits
    lonely.sender.purge()
    with pytest.raises(Abandoned):
        await waiting
    assert lonely.holds.reasons == {}


async def test_row_that_nobody_takes_is_over_well_before_the_session(lonely: Made) -> None:
    began = time.monotonic()
    assert await lonely.sender.lease([lonely.record(1, topics.HEALTH)]) == {b"key"}
    assert time.monotonic() - began < 0.75 * lonely.settings.session_timeout / 1000


async def test_expired_row_does_not_arrive_late(made: Made, faults: MockFaults) -> None:
    faults.down()
    assert await made.sender.lease([made.record(1)]) == {b"key"}
    faults.up()
    assert await made.sender.lease([made.record(2)]) == set()
    assert made.values() == [b"2"]


async def test_record_handed_over_in_an_outage_arrives_once_after_it(made: Made, faults: MockFaults) -> None:
    await made.sender.deliver([made.record(1)])
    faults.down()
    await made.sender.send([made.record(2)])
    waiting = asyncio.ensure_future(made.sender.flush())
    await made.until(lambda: BROKER in made.holds.reasons)
    faults.up()
    await asyncio.wait_for(waiting, 20)
    assert made.values() == [b"1", b"2"]
    assert made.holds.reasons == {}


async def test_first_record_for_a_partition_goes_alone(made: Made, faults: MockFaults) -> None:
    faults.down()
    sending = asyncio.ensure_future(made.sender.send([made.record(1), made.record(2)]))
    await asyncio.sleep(0.5)
    assert not sending.done()
    faults.up()
    await asyncio.wait_for(sending, 20)
    assert made.values()[:1] == [b"1"]
    await made.sender.flush()
    faults.down()
    await asyncio.wait_for(made.sender.send([made.record(3), made.record(4)]), 2)
    faults.up()
    await made.sender.flush()
    assert made.values() == [b"1", b"2", b"3", b"4"]


async def test_first_record_after_a_purge_goes_alone_again(made: Made, faults: MockFaults) -> None:
    await made.sender.deliver([made.record(1)])
    made.sender.purge()
    faults.down()
    sending = asyncio.ensure_future(made.sender.send([made.record(2), made.record(3)]))
    await asyncio.sleep(0.5)
    assert not sending.done()
    faults.up()
    await asyncio.wait_for(sending, 20)
    await made.sender.flush()
    assert made.values() == [b"1", b"2", b"3"]


async def test_rows_behind_a_first_one_that_took_long_wait_for_the_next_lease(made: Made, faults: MockFaults) -> None:
    rows = [made.record(number)._replace(key=b"%d" % number) for number in range(3)]
    await made.sender.lease([made.record(9, topics.DEAD_LETTERS)])  # connects
    faults.round_trip(600)
    try:
        assert await made.sender.lease(rows) == {b"1", b"2"}
        assert await made.sender.lease(rows[1:]) == set()
    finally:
        faults.round_trip(0)
    assert made.values() == [b"0", b"1", b"2"]


async def test_rows_follow_a_first_one_that_took_a_moment(made: Made) -> None:
    rows = [made.record(number)._replace(key=b"%d" % number) for number in range(3)]
    await made.sender.lease([made.record(9, topics.DEAD_LETTERS)])  # connects
    assert await made.sender.lease(rows) == set()
    assert made.values() == [b"0", b"1", b"2"]


async def test_what_was_purged_never_arrives_and_what_follows_does(made: Made, faults: MockFaults) -> None:
    await made.sender.deliver([made.record(1)])
    faults.down()
    await made.sender.send([made.record(2)])
    made.sender.purge()
    faults.up()
    await made.sender.deliver([made.record(3)])
    assert made.values() == [b"1", b"3"]


async def test_disconnects_neither_lose_nor_double(made: Made, faults: MockFaults) -> None:
    for number in range(10):
        faults.fail(Request.PRODUCE, DISCONNECT)
        await made.sender.deliver([made.record(number)])
    assert made.values() == [b"%d" % number for number in range(10)]


async def test_missing_right_is_a_hold_until_it_is_granted(made: Made, faults: MockFaults) -> None:
    faults.fail(Request.PRODUCE, DENIAL, DENIAL)
    waiting = asyncio.ensure_future(made.sender.deliver([made.record(number) for number in range(3)]))
    await made.until(lambda: DENIED in made.holds.reasons)
    assert made.settings.topic(TOPIC) in made.holds.reasons[DENIED]
    await asyncio.wait_for(waiting, 20)
    assert made.values() == [b"0", b"1", b"2"]
    assert made.holds.reasons == {}


async def test_missing_dead_letter_topic_is_a_hold_until_it_is_there(made: Made, faults: MockFaults) -> None:
    name = made.settings.topic(topics.DEAD_LETTERS)
    faults.topic_error(name, KafkaError.UNKNOWN_TOPIC_OR_PART)
    await made.sender.send([made.record(1, topics.DEAD_LETTERS)])
    waiting = asyncio.ensure_future(made.sender.flush())
    await made.until(lambda: LETTERS in made.holds.reasons, 60)
    assert made.holds.reading_waits
    faults.topic_error(name, 0)
    await asyncio.wait_for(waiting, 30)
    assert made.values(topics.DEAD_LETTERS) == [b"1"]
    assert made.holds.reasons == {}


async def test_other_missing_topic_is_refused_with_what_to_do(made: Made, faults: MockFaults) -> None:
    faults.topic_error(made.settings.topic(TOPIC), KafkaError.UNKNOWN_TOPIC_OR_PART)
    await made.sender.send([made.record(1)])
    with pytest.raises(Unrecoverable, match="backontrack topics create"):
        await asyncio.wait_for(made.sender.flush(), 60)


async def test_record_that_is_too_large_is_refused_for_good(made: Made, faults: MockFaults) -> None:
    faults.fail(Request.PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    await made.sender.send([made.record(1)])
    with pytest.raises(Unrecoverable, match="did not take a record of 1 bytes"):
        await asyncio.wait_for(made.sender.flush(), 20)
