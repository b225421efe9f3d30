"""Parts of the shell, put together for tests without a broker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from streams import topics
from streams.domain.partition import PartitionState
from streams.metrics import Metrics
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.lanes import Slice
from streams.shell.outgoing import Outgoing
from streams.shell.table import AccountTable, Owned

DAY_MS = 86_400_000
START = 1_700_000_000_000
PREFIX = "x-"


class RecordingSender:
    """Stands in for the producer: keeps what is sent, and after which flush."""

    def __init__(self) -> None:
        self.steps: list[list[Outgoing]] = [[]]
        """Records between two flushes; empty ones are left out."""

    async def send(self, records: Iterable[Outgoing]) -> int:
        before = len(self.steps[-1])
        self.steps[-1].extend(records)
        return len(self.steps[-1]) - before

    async def flush(self) -> None:
        if self.steps[-1]:
            self.steps.append([])

    async def deliver(self, records: Iterable[Outgoing]) -> None:
        await self.send(records)
        await self.flush()

    async def lease(self, rows: Iterable[Outgoing]) -> set[bytes]:
        """All rows are acknowledged, whatever else waits for that."""
        alone = not self.steps[-1]
        if await self.send(rows) and alone:
            self.steps.append([])
        return set()

    def purge(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to end."""

    def topics(self) -> list[set[str]]:
        """Topics of each step."""
        return [{record.topic for record in step} for step in self.steps if step]


def settings(**changed: Any) -> Settings:
    """Settings of an application `app` whose topics begin with `x-`, on simulated time."""
    return Settings(**{"app_id": "app", "topic_prefix": PREFIX, "clock": "events", **changed})


def table(*partitions: int, **changed: Any) -> AccountTable:
    """A table that owns new partitions, in turn 1."""
    made = settings(**changed)
    result = AccountTable(made, Codec(made), Metrics(CollectorRegistry()))
    for partition in partitions:
        result.owned[partition] = Owned(fold(partition), epoch=7)
    result.turn = 1
    return result


def fold(partition: int) -> PartitionFold:
    """The fold of a new partition under the shipped policy."""
    policy = default_policy()
    state = PartitionState(partition, policy=policy.text)
    return PartitionFold(state, {}, policy, lambda text: load_policy(text, "log"))


def record(
    topic: str, offset: int, value: bytes | None, key: bytes | None = b"a", at: int = START, partition: int = 0
) -> ConsumerRecord[bytes, bytes]:
    """A consumed record of a logical topic."""
    return ConsumerRecord(
        PREFIX + topic, partition, offset, at, 0, key, value, None, len(key or b""), len(value or b""), (("h", b"1"),)
    )


def usage(offset: int, at: int = START, value: float = 100.0, account: str = "a") -> ConsumerRecord[bytes, bytes]:
    """A usage event as a consumed record."""
    event = {
        "event_id": f"e{offset}",
        "account_id": account,
        "occurred_at": at,
        "source": "t",
        "metric": "active_users",
        "value": value,
        "unit": "users",
    }
    return record(topics.USAGE, offset, Codec(settings()).encode(topics.USAGE, event), account.encode(), at)


def piece(*records: Any, turn: int = 1) -> Slice:
    """A slice of partition 0."""
    return Slice(0, turn, list(records))
