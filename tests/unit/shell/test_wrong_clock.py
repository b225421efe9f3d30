"""A machine whose clock is hours ahead can write nothing, and is told so."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from streams.settings import Settings
from streams.shell.failure import Unrecoverable
from streams.shell.outgoing import Outgoing
from streams.shell.producer import Sender
from tests.support.embedded import EmbeddedBroker
from tests.support.mock_faults import MockFaults, Request


async def test_a_record_refused_for_its_time_names_the_clock() -> None:
    """The broker refuses what is more than an hour ahead; no topic is wrong then, but the machine's clock."""
    with EmbeddedBroker() as broker:
        broker.touch("t")
        sender = Sender(Settings(bootstrap_servers=broker.bootstrap))
        try:
            await sender.send([Outgoing("t", b"k", b"v")])
            await sender.flush()
            MockFaults(broker).fail(Request.PRODUCE, *[KafkaError.INVALID_TIMESTAMP] * 3)
            await sender.send([Outgoing("t", b"k", b"v")])
            with pytest.raises(Unrecoverable, match="clock of this machine"):
                await sender.flush()
        finally:
            sender.close()
