"""A log in memory, with any record times and in any order of writing, folded as a worker would fold it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streams import topics
from streams.domain import validate
from streams.domain.outputs import Output
from streams.domain.partitioner import partition_of
from streams.merge import Lane, merge
from streams.offline import OfflinePartition, tick_at
from streams.partition import PartitionFold
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer


@dataclass(slots=True, frozen=True)
class LoggedEvent:
    """An event at its place in the log. `timestamp` is the record time in ms."""

    topic: str
    offset: int
    timestamp: int
    event: Mapping[str, Any]


class OfflineLog:
    """Records by partition and topic, merged by the worker's own merge."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._lanes = [
            {name: Lane[LoggedEvent](rank) for name, rank in topics.RANKS.items()} for _ in range(partitions)
        ]
        self._ends = [dict.fromkeys(topics.RANKS, 0) for _ in range(partitions)]

    def append(self, topic: str, key: str, time: int, event: Mapping[str, Any]) -> None:
        """Appends an event where a producer would put its record."""
        self.place(topic, partition_of(key.encode(), self.partitions), time, event)

    def tick(self, time: int) -> None:
        """Ends the history at a time: one tick a partition, as `import --until` writes it."""
        for partition in range(self.partitions):
            self.place(topics.CONTROL, partition, time, tick_at(time))

    def place(self, topic: str, partition: int, time: int, event: Mapping[str, Any]) -> None:
        """Appends a record to a partition."""
        ends, lane = self._ends[partition], self._lanes[partition][topic]
        # An absurd time is passed over with its record; as a running maximum it would hold back all after it.
        if lane.clock < time < validate.LATEST:
            lane.clock = time
        lane.buffer.append((lane.clock, lane.rank, ends[topic], LoggedEvent(topic, ends[topic], time, event)))
        ends[topic] += 1

    def merged(self, partition: int) -> Iterator[LoggedEvent]:
        """The partition's records in the order of the worker; each record is handed out once."""
        lanes = list(self._lanes[partition].values())
        for lane in lanes:
            lane.more = False
        while slice_ := merge(lanes, 10_000):
            yield from slice_


def fold_log(
    log: OfflineLog, policy: Policy, scorer: Scorer | None = None
) -> Iterator[tuple[PartitionFold, list[Output]]]:
    """Folds each partition to its end; yields its fold and all its outputs, in order."""
    for number in range(log.partitions):
        partition = OfflinePartition(number, policy, scorer)
        for item in log.merged(number):
            partition.apply(item.topic, item.timestamp, item.event)
        yield partition.fold, partition.fold.outputs
