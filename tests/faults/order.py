"""The order of application, where it is a function of the log: of records that lay there before any worker started."""

from __future__ import annotations

from collections.abc import Mapping

from streams import topics
from streams.domain.validate import LATEST
from tests.support.stored import Stored


def merged(inputs: Mapping[str, Mapping[int, Stored]], marks: Mapping[str, int]) -> list[tuple[int, int]]:
    """Rank and offset of a partition's records in the order of the merge.

    Smallest record time first, made non-decreasing in each topic; then rank, then offset. Ends where the first record
    that came later belongs, because it may have been met before or after those behind it.

    Args:
        inputs: Records by logical topic and offset.
        marks: Ends of the topics when the first worker started.
    """
    keyed: list[tuple[int, int, int]] = []
    bound: tuple[int, int] | None = None
    for topic, records in inputs.items():
        rank, end, clock = topics.RANKS[topic], marks.get(topic, 0), -1
        for offset in range(end + 1):
            record = records.get(offset)
            if record is None:
                if offset < end:
                    return []  # not the whole log: nothing can be said
                continue
            if clock < record.time < LATEST:
                clock = record.time
            if offset < end:
                keyed.append((clock, rank, offset))
            elif bound is None or (clock, rank) < bound:
                bound = (clock, rank)
    return [(rank, offset) for clock, rank, offset in sorted(keyed) if bound is None or (clock, rank) < bound]
