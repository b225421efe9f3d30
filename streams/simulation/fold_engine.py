"""The core as the engine of a simulation: the worker's `PartitionFold` without Kafka, for tests and for tuning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.partitioner import partition_of
from streams.partition import PartitionFold
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer
from streams.simulation import events
from streams.simulation.agenda import Dated
from streams.simulation.loop import Decided


class FoldEngine:
    """Folds each batch as a worker would that has caught up before the next one is sent."""

    def __init__(
        self, policy: Policy, load: Callable[[str], Policy], scorer: Scorer | None = None, partitions: int = 4
    ) -> None:
        self.folds = [
            PartitionFold(PartitionState(number, policy=policy.text), {}, policy, load, scorer)
            for number in range(partitions)
        ]
        self._ends: Counter[tuple[int, str]] = Counter()

    def process(self, batch: list[Dated]) -> list[Decided]:
        """Applies the batch in the order of the merge: record time, then rank of the topic."""
        for at, topic, event in sorted(batch, key=lambda dated: (dated[0], topics.RANKS[dated[1]])):
            number = partition_of(event["account_id"].encode(), len(self.folds))
            self.folds[number].apply(topic, self._next(number, topic), at, event)
        return self._take()

    def finish(self, until: int) -> list[Decided]:
        """One tick a partition."""
        for number, fold in enumerate(self.folds):
            fold.apply(topics.CONTROL, self._next(number, topics.CONTROL), until, events.tick(until))
        return self._take()

    def _take(self) -> list[Decided]:
        decided: list[Decided] = []
        for fold in self.folds:
            decided += [Decided(output.topic, output.account_id, output.record) for output in fold.outputs]
            decided += [Decided(topics.HEALTH, name, fold.health_row(name)) for name in sorted(fold.health_changed)]
            fold.outputs.clear()
            fold.health_changed.clear()
            fold.dirty.clear()
        return decided

    def _next(self, partition: int, topic: str) -> int:
        self._ends[partition, topic] += 1
        return self._ends[partition, topic] - 1
