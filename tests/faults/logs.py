"""What lies on the brokers: every record of every topic, read by a fresh consumer from the earliest offset."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams import topics
from streams.shell.watermarks import watermarks
from tests.faults.read_api import Answers
from tests.support.stored import Stored, reader


@dataclass
class Logs:
    """All topics of one application."""

    partitions: int
    prefix: str
    app_id: str
    inputs: dict[str, list[Stored]] = field(default_factory=dict)
    """Records by logical topic, partition by partition in offset order."""
    outputs: dict[str, list[Stored]] = field(default_factory=dict)
    changelog: list[Stored] = field(default_factory=list)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    """Next offsets of the group by logical topic and partition."""
    answers: Answers | None = None
    """What the read API said at the end; None when it was not asked."""
    samples: list[Sample] = field(default_factory=list)
    marks: dict[tuple[str, int], int] = field(default_factory=dict)
    """Ends of the input topics when the first worker started, by logical topic and partition."""


class Sample(NamedTuple):
    """A moment of a run: the group's offsets, and after that the ends of the changelog."""

    at: float
    committed: dict[tuple[str, int], int]
    ends: dict[int, int]


def committed_offsets(reader: Consumer, prefix: str, partitions: int) -> dict[tuple[str, int], int]:
    """Next offsets of the reader's group; only those that were ever committed. Raises KafkaException."""
    wanted = [TopicPartition(prefix + name, partition) for name in topics.RANKS for partition in range(partitions)]
    return {
        (place.topic.removeprefix(prefix), place.partition): place.offset
        for place in reader.committed(wanted, timeout=10)
        if place.offset >= 0
    }


class Sampler:
    """Asks, all the time, for committed offsets and then for the ends of the changelog.

    A state that was stored before its offsets were committed lies below those ends: that is what is proven later.
    """

    def __init__(self, bootstrap: str, prefix: str, app_id: str, partitions: int, every_s: float = 0.5) -> None:
        self.samples: list[Sample] = []
        self._prefix, self._partitions, self._every_s = prefix, partitions, every_s
        self._changelog = topics.changelog(app_id)
        self._reader = reader(bootstrap, app_id)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> Sampler:
        """Begins."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                committed = committed_offsets(self._reader, self._prefix, self._partitions)
                ends = {
                    partition: watermarks(self._reader, TopicPartition(self._changelog, partition), 5)[1]
                    for partition in range(self._partitions)
                }
            except KafkaException:
                continue  # an outage is no news
            self.samples.append(Sample(time.monotonic(), committed, ends))
        self._reader.close()
