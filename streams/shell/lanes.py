"""One partition on its way from the fetcher to the agent: a lane for each topic, merged into slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from streams.domain.validate import LATEST
from streams.merge import Lane, merge

LANE_LIMIT = 2_000
"""A lane that holds as many records is not fetched for: the back-pressure."""
LANE_BYTES = 4 << 20
"""The same for the size of their keys and values: 2,000 records of 1 MB would not fit."""
SLICE_LIMIT = 2_000
"""Most records in one slice."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Records of one partition in the order in which they are applied.

    `turn` numbers the assignments of this worker: a slice of an older turn is not applied.
    """

    partition: int
    turn: int
    records: Sequence[ConsumerRecord[bytes, bytes]]


class _Lane(Lane[ConsumerRecord[bytes, bytes]]):
    __slots__ = ("end", "handed", "position", "size")

    def __init__(self, rank: int, clock: int, position: int, end: int) -> None:
        super().__init__(rank)
        self.clock = clock
        self.position = position
        self.end = end
        self.handed = position - 1
        self.size = 0
        self.more = position < end


class PartitionLanes:
    """The lanes of one partition.

    Args:
        partition: Its number.
        ranks: Rank of each topic.
        starts: First offset to read and end of the log now, by topic.
        clock: Stream time of the partition, ms. All that was applied before has at most this record time, so starting
            every lane's running maximum here gives the order that an undisturbed run has.
    """

    def __init__(
        self, partition: int, ranks: Mapping[str, int], starts: Mapping[str, tuple[int, int]], clock: int
    ) -> None:
        self.partition = partition
        self.closed = False
        """True while the partition waits: what is fetched stays in the lanes."""
        self.topics = {topic: _Lane(rank, clock, *starts[topic]) for topic, rank in ranks.items()}
        self._lanes: list[Lane[ConsumerRecord[bytes, bytes]]] = list(self.topics.values())

    def wanted(self) -> list[str]:
        """Topics for which more should be fetched now."""
        return [
            topic for topic, lane in self.topics.items() if len(lane.buffer) < LANE_LIMIT and lane.size < LANE_BYTES
        ]

    def push(self, topic: str, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        """Takes fetched records of a topic, in offset order."""
        lane = self.topics[topic]
        append, rank, clock, size = lane.buffer.append, lane.rank, lane.clock, lane.size
        for record in records:
            size += _size(record)
            timestamp = record.timestamp
            # An absurd time is dead-lettered with its record; as a running maximum it would hold back all after it.
            if clock < timestamp < LATEST:
                clock = timestamp
            append((clock, rank, record.offset, record))
        lane.clock = clock
        lane.size = size

    def seen(self, topic: str, position: int, highwater: int | None) -> None:
        """Notes how far the topic was read and where its log is known to end."""
        lane = self.topics[topic]
        lane.position = max(lane.position, position)
        if highwater is not None and highwater > lane.end:
            lane.end = highwater
        lane.more = lane.position < lane.end

    def take(self) -> list[ConsumerRecord[bytes, bytes]]:
        """The next records that can be ordered for certain; empty when a lane must be waited for, and while closed."""
        if self.closed:
            return []
        records = merge(self._lanes, SLICE_LIMIT)
        for record in records:
            lane = self.topics[record.topic]
            lane.handed = record.offset
            lane.size -= _size(record)
        return records

    def lag(self, topic: str, applied: int, end: int = 0) -> int:
        """Records of the topic on the broker beyond the `applied` offset, as far as known.

        `end` is where the log was last heard to end: a full lane is not fetched for, and so learns of no later one.
        """
        lane = self.topics[topic]
        end = max(end, lane.end)
        if lane.position >= end and not lane.buffer and applied >= lane.handed:
            return 0  # what is left, if anything, are markers that are never handed out
        return max(0, end - applied - 1)

    def reading(self, topic: str) -> tuple[int, int, bool]:
        """Next offset to fetch, newest offset handed on, and whether nothing that was fetched waits between them."""
        lane = self.topics[topic]
        return lane.position, lane.handed, not lane.buffer

    def reached(self, topic: str, target: int, applied: int) -> bool:
        """True when every record before offset `target` is applied."""
        lane = self.topics[topic]
        if lane.position < target or applied < min(lane.handed, target - 1):
            return False
        return not lane.buffer or lane.buffer[0][2] >= target


def _size(record: ConsumerRecord[bytes, bytes]) -> int:
    # Of none, aiokafka says -1.
    size: int = record.serialized_value_size + record.serialized_key_size
    return size
