"""How long records wait, as the brokers see it: from when they lie in the log to when the group has committed them."""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import KafkaException, TopicPartition

from streams import topics
from streams.shell.watermarks import watermarks
from tests.faults.case import Case
from tests.faults.logs import committed_offsets
from tests.support.stored import reader

_EVERY_S = 0.25

Place = tuple[str, int]


class _Look(NamedTuple):
    at: float
    ends: dict[Place, int]
    committed: dict[Place, int]


class Latency:
    """Asks all the time while the block runs. The interval of checkpoints is part of what is measured."""

    def __init__(self, case: Case) -> None:
        self._prefix, self._partitions = case.prefix, case.partitions
        self._reader = reader(case.bootstrap, case.app_id)
        self._looks: list[_Look] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="latency", daemon=True)

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the records was committed."""
        waited: list[tuple[float, int]] = []
        looks = self._looks
        for place in looks[0].ends if looks else ():
            known = looks[0].ends[place]
            later = 0
            for index, look in enumerate(looks):
                new = look.ends[place] - known
                if new <= 0:
                    continue
                known = look.ends[place]
                later = max(later, index)
                while later < len(looks) and looks[later].committed.get(place, 0) < known:
                    later += 1
                at = looks[later].at if later < len(looks) else looks[-1].at
                waited.append((at - look.at, new))
        waited.sort()
        left = share * sum(count for _, count in waited)
        for seconds, count in waited:
            left -= count
            if left <= 0:
                return seconds
        return 0.0

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            with contextlib.suppress(KafkaException):
                ends = {
                    (name, partition): watermarks(self._reader, TopicPartition(self._prefix + name, partition), 5)[1]
                    for name in topics.RANKS
                    for partition in range(self._partitions)
                }
                at = time.monotonic()
                self._looks.append(_Look(at, ends, committed_offsets(self._reader, self._prefix, self._partitions)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._reader.close()
