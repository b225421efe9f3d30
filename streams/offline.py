"""The same core over history that lies on disk, without Kafka: what a worker decides on the log that `import` writes.

`import` writes each event at its own time, so history in the order of the worker's merge is the log: each event takes
the next offset of its topic and partition, what a worker would dead-letter is passed over, and a tick may end it. Hence
the outputs are the worker's, byte for byte once they are encoded.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from streams import topics
from streams.domain import validate
from streams.domain.events import ControlEvent
from streams.domain.partition import PartitionState
from streams.partition import PartitionFold
from streams.policy.load import load_policy
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer

_BATCH = 1_000
Histories = Mapping[str, Iterable[Mapping[str, Any]]]
"""Events by topic, each history in time order."""


class OfflinePartition:
    """One partition, folded from its first record on under `policy`, until a record of the log activates another."""

    def __init__(self, number: int, policy: Policy, scorer: Scorer | None = None) -> None:
        self.fold = PartitionFold(PartitionState(number, policy=policy.text), {}, policy, _load, scorer)
        self.ends = dict.fromkeys(topics.RANKS, 0)
        """The next offset of each topic."""

    def apply(self, topic: str, time: int, event: Mapping[str, Any]) -> bool:
        """Applies the next record of a topic; `time` is its record time in ms.

        What the worker would dead-letter is passed over and tallied, as there, and False is returned.
        """
        offset = self.ends[topic]
        self.ends[topic] = offset + 1
        key = event["account_id"] if topic != topics.CONTROL else topics.CONTROL
        if validate.check(topic, key.encode(), event, time, self.fold.policy.time) is None:
            self.fold.apply(topic, offset, time, event)
            return True
        sane = validate.EARLIEST <= time < validate.LATEST
        self.fold.skip(topic, offset, time if sane else self.fold.state.stream_time)
        return False


class Applies(Protocol):
    """A partition, or several folds of the same one."""

    def apply(self, topic: str, time: int, event: Mapping[str, Any]) -> object:
        """Applies the next record of a topic; `time` is its record time in ms."""


def fold_history(
    histories: Histories,
    partitions: Collection[Applies],
    partition_of: Callable[[str], Applies | None],
    until: int | None = None,
    advance: Callable[[int], None] = lambda _events: None,
) -> None:
    """Folds histories to their end, event by event as they are read.

    Args:
        histories: What is folded; raises what reading them raises.
        partitions: Those that are wanted; the tick is for each of them.
        partition_of: The one of an account; None when it is not wanted.
        until: Where a tick ends the history, ms; None for no tick.
        advance: Told, from time to time, how many events were folded since it was last called.
    """
    since = 0
    for time, topic, event in in_time(histories, until):
        if topic == topics.CONTROL:
            for partition in partitions:
                partition.apply(topic, time, event)
        else:
            one = partition_of(event["account_id"])
            if one is not None:
                one.apply(topic, time, event)
        since += 1
        if since == _BATCH:
            advance(since)
            since = 0
    advance(since)


def in_time(histories: Histories, until: int | None = None) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Events of several topics as (time, topic, event) in the order of the worker's merge, each as it is needed.

    Each history must be in time order; nothing has to be kept. `until` puts a tick in its place, which is meant for
    every partition.
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


def tick_at(time: int) -> ControlEvent:
    """The record that lets time pass until `time`, ms."""
    return {
        "kind": "tick",
        "at": time,
        "policy_version": None,
        "policy": None,
        "switch": None,
        "on": None,
        "source": "",
    }


def _load(text: str) -> Policy:
    return load_policy(text, "policy record")
