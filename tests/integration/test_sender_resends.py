"""What the brokers refused is sent again as it was: headers, record time and partition too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError

from streams import topics
from streams.settings import Settings
from streams.shell.failure import Abandoned
from streams.shell.holds import BROKER, Holds
from streams.shell.outgoing import Outgoing
from streams.shell.producer import Sender
from streams.shell.writer import Writer
from tests.support.embedded import EmbeddedBroker
from tests.support.log import read_all
from tests.support.mock_faults import MockFaults, Request
from tests.support.records import read

AT = 1_700_000_000_000


async def test_a_refused_record_keeps_its_headers_and_its_time(
    embedded: EmbeddedBroker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state without its owner's number, or a decision without its id, would be lost to its readers."""
    monkeypatch.setattr("streams.shell.producer._RETRY_S", 0.05, raising=False)
    topic = f"{prefix}letters"
    embedded.touch(topic)
    faults = MockFaults(embedded)
    faults.fail(Request.PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    sender = Sender(Settings(bootstrap_servers=embedded.bootstrap, app_id=f"{prefix}app"), Holds())
    headers: list[tuple[str, bytes | None]] = [("epoch", b"7"), ("again", b"1"), ("again", b"2"), ("none", None)]
    async with asyncio.timeout(30):
        await sender.deliver([Outgoing(topic, b"key", b"value", 2, headers, AT)])
    (found,) = await asyncio.to_thread(read, embedded.bootstrap, topic, 1)
    sender.close()
    assert found.headers() == headers
    assert (found.timestamp()[1], found.partition(), found.key(), found.value()) == (AT, 2, b"key", b"value")


async def test_refused_state_never_comes_behind_a_newer_one(embedded: EmbeddedBroker, prefix: str) -> None:
    """The newest record of an account counts: an older state behind it would take events back."""
    changelog = topics.changelog(f"{prefix}app")
    embedded.touch(changelog)
    faults = MockFaults(embedded)
    sender = Sender(Settings(bootstrap_servers=embedded.bootstrap, app_id=f"{prefix}app"), Holds())
    async with asyncio.timeout(30):
        await sender.deliver([Outgoing(changelog, b"account", b"0", 0)])
        faults.fail(Request.PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        # Whoever sent it has gone before it was acknowledged.
        await sender.send([Outgoing(changelog, b"account", b"older", 0), Outgoing(changelog, b"other", b"1", 0)])
        while not sender._refused:
            await sender._main.wait()
        await sender.deliver([Outgoing(changelog, b"account", b"newer", 0)])
    found = [(record.key, record.value) for record in read_all(embedded.bootstrap, changelog)]
    sender.close()
    assert sorted(found) == [(b"account", b"0"), (b"account", b"newer"), (b"other", b"1")]
    assert sender.written[0] == len(found), "the audit takes the difference for foreign records"


async def test_queue_that_stays_full_is_a_hold(
    embedded: EmbeddedBroker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Writer.config

    def small(self: Writer) -> dict[str, Any]:
        return {**made(self), "queue.buffering.max.messages": 2}

    monkeypatch.setattr(Writer, "config", small)
    topic = f"{prefix}letters"
    embedded.touch(topic)
    faults, holds = MockFaults(embedded), Holds()
    sender = Sender(Settings(bootstrap_servers=embedded.bootstrap, app_id=f"{prefix}app"), holds)
    async with asyncio.timeout(60):
        await sender.deliver([Outgoing(topic, b"key", b"value", 0)])
        faults.down()
        sending = asyncio.ensure_future(sender.send([Outgoing(topic, b"key", b"value", 0)] * 5))
        while BROKER not in holds.reasons:
            assert not sending.done()
            await asyncio.sleep(0.1)
        assert "queue" in holds.reasons[BROKER]
        faults.up()
        await sending
        await sender.flush()
    sender.close()
    assert holds.reasons == {}


async def test_purged_rows_are_not_taken_for_acknowledged() -> None:
    sender = Sender(Settings(bootstrap_servers="127.0.0.1:1", app_id="app"), Holds())
    leasing = asyncio.ensure_future(sender.lease([Outgoing("rows", b"key", b"value", 0)]))
    await asyncio.sleep(0.2)
    sender.purge()
    with pytest.raises(Abandoned):
        await asyncio.wait_for(leasing, 20)
    sender.close()
