"""The same core over history that lies on disk, without Kafka: what a worker would have decided, record for record.

History is put on partitions, offsets and record times exactly as `import` would put it, merged as the worker merges it
and applied by the same `PartitionFold`; so the outputs are the worker's, byte for byte once they are encoded.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streams import topics
from streams.domain import validate
from streams.domain.account import AccountState
from streams.domain.events import ControlEvent
from streams.domain.outputs import Output
from streams.domain.partition import PartitionState
from streams.domain.partitioner import partition_of
from streams.merge import Lane, merge
from streams.partition import PartitionFold
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer


@dataclass(slots=True, frozen=True)
class LoggedEvent:
    """An event at its place in the log that `import` would write. `timestamp` is the record time in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    event: Mapping[str, Any]


class OfflineLog:
    """History by partition and topic, in memory."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._lanes = [
            {name: Lane[LoggedEvent](rank) for name, rank in topics.RANKS.items()} for _ in range(partitions)
        ]
        self._ends = [dict.fromkeys(topics.RANKS, 0) for _ in range(partitions)]

    def append(self, topic: str, key: str, time: int, event: Mapping[str, Any]) -> None:
        """Appends an event where a producer would put its record."""
        self._place(topic, partition_of(key.encode(), self.partitions), time, event)

    def tick(self, time: int) -> None:
        """Ends the history at a time: one tick a partition, as `import --until` writes it."""
        for partition in range(self.partitions):
            self._place(topics.CONTROL, partition, time, tick_at(time))

    def _place(self, topic: str, partition: int, time: int, event: Mapping[str, Any]) -> None:
        ends, lane = self._ends[partition], self._lanes[partition][topic]
        # An absurd time is passed over with its record; as a running maximum it would hold back all after it.
        if lane.clock < time < validate.LATEST:
            lane.clock = time
        lane.buffer.append(
            (lane.clock, lane.rank, ends[topic], LoggedEvent(topic, partition, ends[topic], time, event))
        )
        ends[topic] += 1

    def merged(self, partition: int) -> Iterator[LoggedEvent]:
        """The partition's records in the order of the worker; each record is handed out once."""
        lanes = list(self._lanes[partition].values())
        for lane in lanes:
            lane.more = False
        while slice_ := merge(lanes, 10_000):
            yield from slice_


def fold_offline(
    log: OfflineLog,
    policy: Policy,
    load: Callable[[str], Policy],
    scorer: Scorer | None = None,
    applied: Callable[[PartitionFold, LoggedEvent], None] = lambda _fold, _event: None,
) -> Iterator[tuple[PartitionFold, list[Output]]]:
    """Folds each partition to its end; yields its fold and all its outputs, in order.

    `applied` is called after each event. What the worker would dead-letter is passed over and tallied, as there.
    """
    for number in range(log.partitions):
        accounts: dict[str, AccountState] = {}
        fold = PartitionFold(PartitionState(number, policy=policy.text), accounts, policy, load, scorer)
        for item in log.merged(number):
            if bad(item, fold.policy):
                sane = validate.EARLIEST <= item.timestamp < validate.LATEST
                fold.skip(item.topic, item.offset, item.timestamp if sane else fold.state.stream_time)
            else:
                fold.apply(item.topic, item.offset, item.timestamp, item.event)
            applied(fold, item)
        yield fold, fold.outputs


def bad(item: LoggedEvent, policy: Policy) -> bool:
    """True when the worker would dead-letter the event; `policy` is the active one."""
    key = item.event["account_id"] if item.topic != topics.CONTROL else topics.CONTROL
    return validate.check(item.topic, key.encode(), item.event, item.timestamp, policy.time) is not None


def tick_at(time: int) -> ControlEvent:
    """The record that lets time pass until `time`."""
    return {
        "kind": "tick",
        "at": time,
        "policy_version": None,
        "policy": None,
        "switch": None,
        "on": None,
        "source": "",
    }


def in_time(
    histories: Mapping[str, Iterable[Mapping[str, Any]]], until: int | None = None
) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Events of several topics as (time, topic, event) in the order of the merge, each as it is needed.

    Each history must be in time order; then this order, seen by one partition, is that of `OfflineLog.merged`, and
    nothing has to be kept. `until` puts a tick in its place, which is meant for every partition.
    """

    def lane(
        topic: str, history: Iterable[Mapping[str, Any]]
    ) -> Iterator[tuple[int, int, int, str, Mapping[str, Any]]]:
        rank = topics.RANKS[topic]
        for number, event in enumerate(history):
            yield event["occurred_at"], rank, number, topic, event

    lanes = [lane(topic, history) for topic, history in histories.items()]
    if until is not None:
        lanes.append(iter([(until, topics.RANKS[topics.CONTROL], 0, topics.CONTROL, tick_at(until))]))
    for time, _, _, topic, event in heapq.merge(*lanes) if len(lanes) > 1 else lanes[0]:
        yield time, topic, event


def accounts_of(folds: Iterable[PartitionFold]) -> Iterator[AccountState]:
    """All accounts of several partitions, in partition order."""
    for fold in folds:
        yield from fold.accounts.values()
