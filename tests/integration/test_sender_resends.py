"""What the brokers refused is sent again as it was: headers, record time and partition too."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import KafkaError

from streams.settings import Settings
from streams.shell.holds import Holds
from streams.shell.producer import Outgoing, Sender
from tests.support.embedded import EmbeddedBroker
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
