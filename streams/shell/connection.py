"""How every client of the product reaches the brokers: the one home of addresses and credentials."""

from __future__ import annotations

from typing import Any

from streams.settings import Settings


def librdkafka(settings: Settings) -> dict[str, Any]:
    """What every confluent-kafka client is configured with, in librdkafka's names."""
    return {"bootstrap.servers": settings.bootstrap_servers}
