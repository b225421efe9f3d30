"""What the consumer needs to know of the rest of the worker, and what it tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell.holds import Holds
from streams.shell.lanes import PartitionLanes


class Hosted(Protocol):
    """An app that has a host."""

    host: Host
    settings: Settings


class Host(Protocol):
    """The worker, as the consumer sees it."""

    ranks: Mapping[str, int]
    """Rank of each topic that is merged, by its name on the broker."""
    timeout_s: float
    """Longest wait for an answer of the broker, before it is asked again."""
    holds: Holds
    """Told when the brokers do not answer."""
    metrics: Metrics

    def owns(self, partition: int) -> bool:
        """True when the partition is recovered and this worker's."""
        ...

    def next_offset(self, topic: str, partition: int) -> int | None:
        """Next offset by the recovered state; None when it knows nothing of the topic."""
        ...

    def stream_time(self, partition: int) -> int:
        """Stream time of a recovered partition, ms."""
        ...

    def on_assignment(self) -> None:
        """The group has made an assignment; until it is revoked, it may be recovered."""
        ...

    def on_positions(self, turn: int, lanes: Mapping[int, PartitionLanes]) -> None:
        """A new assignment begins to flow."""
        ...

    def fail(self, error: BaseException) -> None:
        """Stops the worker."""
        ...
