"""The real worker as the engine of a simulation: events go to its topics, and what it decided comes from its topics."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from streams import topics
from streams.cli.event_feed import EventFeed
from streams.settings import Settings
from streams.shell.connection import librdkafka
from streams.shell.watermarks import watermarks
from streams.simulation import events
from streams.simulation.agenda import Dated
from streams.simulation.loop import Decided
from streams.views.consume import OutputReader

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01
_ANSWER_SECONDS = 10.0
# The embedded broker lets a request without news wait for a third of this, even when news comes meanwhile.
_FETCH_WAIT_MS = 60


class WorkerStalled(Exception):  # noqa: N818  it names a state, and is caught by that name
    """The worker runs but does not commit what it was sent."""


class WorkerEngine:
    """Sends a batch, waits until the worker has committed it, and reads what it decided.

    A committed record is one whose outputs were acknowledged before, so after the wait all of them lie in the output
    topics. People's answers to them then come at the right simulated time, however fast the simulation runs.
    """

    def __init__(self, settings: Settings, partitions: int, check: Callable[[], None]) -> None:
        self.feed = EventFeed(settings)
        self._settings = settings
        self._partitions = partitions
        self._check = check
        self._reader = OutputReader(settings, fetch_wait_ms=_FETCH_WAIT_MS)
        self._reader.open()
        self._read: dict[tuple[str, int], int] = {}
        # Never subscribes: it only asks how far the worker's group is.
        self._group = Consumer(
            {
                **librdkafka(settings),
                "group.id": settings.app_id,
                "enable.auto.commit": False,
                "log_level": 0,
                "log.connection.close": False,
            }
        )

    def process(self, batch: list[Dated]) -> list[Decided]:
        """Sends events and returns what the worker decided since the last call.

        Raises FeedError, WorkerStalled, and what the check raises when the worker is gone.
        """
        self.feed.send(batch)
        return self._settle()

    def finish(self, until: int) -> list[Decided]:
        """Sends one tick a partition, so that everything due by `until` fires."""
        self.feed.send_control(events.tick(until), self._partitions)
        return self._settle()

    def close(self) -> None:
        """Leaves the broker."""
        self.feed.close()
        self._reader.close()
        self._group.close()

    def _settle(self) -> list[Decided]:
        self.feed.flush()
        decided: list[Decided] = []
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._committed():
            self._check()
            if time.monotonic() > deadline:
                raise WorkerStalled(f"the worker has not committed what it was sent {_PATIENCE_SECONDS:.0f} s ago")
            decided += self._poll()
        ends = self._output_ends()
        while any(self._read.get(place, 0) < end for place, end in ends.items()):
            if time.monotonic() > deadline:
                raise WorkerStalled("what the worker wrote cannot be read")
            decided += self._poll()
        return decided

    def _poll(self) -> list[Decided]:
        decided = []
        for found in self._reader.poll(_POLL_SECONDS):
            self._read[found.topic, found.partition] = found.offset + 1
            if found.record is not None:
                decided.append(Decided(found.topic, found.account_id, found.record))
        return decided

    def _committed(self) -> bool:
        """True when the worker's group has committed everything that was sent."""
        places = [TopicPartition(self._settings.topic(name), number) for name, number in self.feed.ends]
        found = self._group.committed(places, timeout=_ANSWER_SECONDS)
        done = {(place.topic, place.partition): place.offset for place in found}
        return all(
            done.get((self._settings.topic(name), number), -1) >= end for (name, number), end in self.feed.ends.items()
        )

    def _output_ends(self) -> dict[tuple[str, int], int]:
        """Ends of `interventions`, which people answer; the other outputs may be read a little later."""
        name = self._settings.topic(topics.INTERVENTIONS)
        ends = {}
        for number in range(self._partitions):
            _, end = watermarks(self._group, TopicPartition(name, number), _ANSWER_SECONDS)
            ends[topics.INTERVENTIONS, number] = end
        return ends
