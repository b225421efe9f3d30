"""The brokers of the fault cases: one of each tier is started when it is first needed and shared by the rows after."""

from __future__ import annotations

import contextlib
import tempfile
from enum import Enum
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.embedded import EmbeddedBroker
from tests.support.proxy import ProxiedBroker

_PROPERTIES = {"group.min.session.timeout.ms": "1000"}
"""A killed worker is missed sooner than the default allows."""


class Tier(Enum):
    """Where a row runs."""

    EMBEDDED = "E"
    ONE = "1"
    THREE = "3"


class Running:
    """A broker that somebody else runs, by its address; it is never stopped."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def close(self) -> None:
        """Nothing: it is not ours."""


class Brokers:
    """Brokers by tier.

    Args:
        directory: Holds their data and logs.
        bootstrap: A running broker that stands for the one real broker, for development.
    """

    def __init__(self, directory: Path, bootstrap: str | None = None) -> None:
        self._directory = directory
        self._bootstrap = bootstrap
        self._shared: dict[Tier, Any] = {}

    def shared(self, tier: Tier) -> Any:
        """The broker of a tier that rows share; started anew when it does not answer any more."""
        found = self._shared.get(tier)
        if found is not None and not answers(found.bootstrap):
            self._drop(found)
            found = None
        if found is None:
            found = self._shared[tier] = self._make(tier)
        return found

    def own(self, tier: Tier) -> Any:
        """A broker for one case, which may do with it what it likes and has to close it."""
        return self._make(tier, fresh=True)

    def close(self) -> None:
        """Ends all that are shared."""
        for broker in self._shared.values():
            self._drop(broker)
        self._shared.clear()

    def _drop(self, broker: Any) -> None:
        with contextlib.suppress(Exception):
            broker.close()

    def _make(self, tier: Tier, *, fresh: bool = False) -> Any:
        if tier is Tier.EMBEDDED:
            return EmbeddedBroker(brokers=3 if fresh else 1)
        if tier is Tier.ONE and self._bootstrap and not fresh:
            return Running(self._bootstrap)
        directory = Path(tempfile.mkdtemp(prefix="broker-", dir=self._directory))  # others may keep theirs there too
        if tier is Tier.ONE:
            broker: Any = ProxiedBroker(directory, properties=_PROPERTIES)
        else:
            from tests.support.kafka_cluster import RealCluster  # noqa: PLC0415  needed by few rows

            broker = RealCluster(directory, properties=_PROPERTIES)
        broker.start()
        return broker


def answers(bootstrap: str) -> bool:
    """True when a broker answers."""
    try:
        return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=10).brokers)
    except KafkaException:
        return False
