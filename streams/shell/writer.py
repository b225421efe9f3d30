"""One idempotent producer with acks=all, used from the event loop without blocking it, that can be replaced.

The first record of a producer for a partition goes alone. Brokers up to 4.3 take any first number of a producer that
they do not know in a partition (KAFKA-15591): one that just becomes its leader may refuse a batch and take the next one
on its way. The client then takes the refused one for stored, and acknowledges what is nowhere. So a writer knows the
places where all its records up to now are acknowledged, and its user waits for that at each new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.settings import Settings
from streams.shell import rotation
from streams.shell.admin import LARGEST_RECORD
from streams.shell.connection import producing
from streams.shell.outgoing import Outgoing, Place, Refused
from streams.shell.watermarks import learn_leaders

_LOOK_S = 0.5
"""Longest wait in the client at a time, so that giving up takes effect soon."""
_REFRESH_S = 5.0
_QUEUED_KIB = 262_144


class Writer:
    """A producer, made when it is first used, and those that take its place.

    Args:
        settings: Brokers and sizes.
        name: Told to the brokers.
        extra: Configuration beyond what all writers have, in the client's names.
        waiter: Threads to wait in.
        on_refusal: Told, in one of those threads, of every place where a record was not taken.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        extra: dict[str, Any],
        waiter: Executor,
        on_refusal: Callable[[Place], None],
    ) -> None:
        self._settings = settings
        self._name = name
        self._extra = extra
        self._waiter = waiter
        self._on_refusal = on_refusal
        self._made: Producer | None = None
        self._known: set[Place] = set()
        self._first: set[Place] = set()
        self.retiring = False
        """True while a producer that was replaced still tells what it could not send."""
        self.fatal: KafkaError | None = None
        """Why the producer will never send again."""

    @property
    def waiting(self) -> int:
        """Records that are not acknowledged yet."""
        return len(self._producer)

    # Not made before the checks of the start: it would fill the log about a broker that is away.
    @property
    def _producer(self) -> Producer:
        if self._made is None:
            self._made = Producer(self.config())
            rotation.keep_fresh(self._settings, self._made)
        return self._made

    def open(self) -> None:
        """Makes the producer now. It takes half a second until it has its number from the brokers, and may send."""
        _ = self._producer

    def config(self) -> dict[str, Any]:
        """The client's configuration. Raises SettingsError for files that cannot be used."""
        return {
            **producing(self._settings),
            "client.id": f"{self._settings.app_id}-{self._name}",
            # What is handed over at once makes batches already, and every emit and checkpoint waits several times.
            "linger.ms": 1,
            # As the changelog and the dead letters take: a partition state holds the dead letters that wait in it.
            "message.max.bytes": max(LARGEST_RECORD, self._settings.max_record_bytes + 65_536),
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": _QUEUED_KIB,
            # A connection that is cut off without a word is given up then, and made anew.
            "socket.timeout.ms": self._settings.delivery_timeout,
            "request.timeout.ms": self._settings.delivery_timeout,
            "reconnect.backoff.max.ms": 2_000,
            # Records for a topic that is not there are kept by the client for so long, then by whoever sends them.
            "topic.metadata.propagation.max.ms": 5_000,
            # Success is known from an empty queue after a flush; a report for each record would cost more than
            # sending it.
            "delivery.report.only.error": True,
            # An outage is told by the hold; the client would tell it for every broker and attempt.
            "log_level": 2,
            **self._extra,
        }

    def knows(self, place: Place) -> bool:
        """True when something of this producer was acknowledged there, and nothing refused since."""
        return place in self._known

    def begins(self, place: Place) -> bool:
        """True while the producer's first record for a place is on its way: another one has to wait."""
        return place in self._first

    def forget(self, place: Place) -> None:
        """The next record for a place is a first one."""
        self._first.discard(place)
        self._known.discard(place)

    def produce(self, record: Outgoing, refused: list[Refused]) -> bool:
        """Hands one record over. False when the queue is full.

        One that is not taken, at once or later, is added to `refused`.
        """
        produce: Any = self._producer.produce  # its stubs take a dict of wider values only
        topic, key, value, partition, headers, timestamp = record
        place = topic, partition
        if place not in self._known:
            self._first.add(place)
        try:
            report = partial(self._report, refused, record)
            produce(topic, value, key, partition, report, timestamp=timestamp, headers=headers)
        except BufferError:
            self._first.discard(place)
            return False
        except KafkaException as error:
            self._first.discard(place)
            refused.append(Refused(record, error.args[0]))
        return True

    async def wait(self) -> int:
        """Waits a moment for acknowledgements; returns how many are missing."""
        producer, first = self._producer, set(self._first)
        left = await asyncio.get_running_loop().run_in_executor(self._waiter, self._serve, producer)
        if not left and producer is self._made:
            # Those that were refused or dropped meanwhile are not among the first any more.
            self._known |= first & self._first
            self._first -= first
        return left

    async def refresh(self, names: set[str]) -> None:
        """Makes the client ask for topics that it takes for unknown."""
        ask = partial(learn_leaders, self._producer, sorted(names), _REFRESH_S * len(names))
        await asyncio.get_running_loop().run_in_executor(self._waiter, ask)

    async def replace(self) -> None:
        """A new producer takes over; what the old one could not send is reported as refused."""
        old = self._retire()
        if not old:
            return
        self.retiring = True
        loop = asyncio.get_running_loop()
        try:
            while await loop.run_in_executor(self._waiter, self._serve, old[0]):
                pass
            self.fatal = None
        finally:
            self.retiring = False
            self._waiter.submit(_end, old)

    def drop(self) -> None:
        """Forgets what is queued or on its way; what follows goes through a new producer."""
        self.fatal = None
        old = self._retire()
        if old:
            self._waiter.submit(_end, old)

    def _retire(self) -> list[Producer]:
        """Takes the producer, if there is one, out of service; the list holds the only reference to it."""
        self._known.clear()
        self._first.clear()
        if self._made is None:
            return []
        old = [self._made]
        self._made = None
        rotation.let_go(self._settings, old[0])
        old[0].purge()
        return old

    def _serve(self, producer: Producer) -> int:
        # Not by `flush`, which raises the client's failure in the midst of reports, and so loses some of them.
        until = time.monotonic() + _LOOK_S
        pause = 0.001
        while len(producer) and time.monotonic() < until:
            try:
                producer.poll(pause)
            except KafkaException as error:
                self.fatal = error.args[0]
            pause = min(2 * pause, 0.016)
        return len(producer)

    def _report(self, refused: list[Refused], record: Outgoing, error: KafkaError | None, _message: Message) -> None:
        # Called in the threads of `_waiter`. The report's message is no record to be sent again: it has neither headers
        # nor time.
        if error is not None:
            self._on_refusal(record.place)
            refused.append(Refused(record, error))


def _end(last: list[Producer]) -> None:
    """Ends a producer, given as the only reference to it: that waits for the client's own threads."""
    with contextlib.suppress(KafkaException):
        last[0].flush(0)
    last.clear()
