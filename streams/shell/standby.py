"""Warm copies: a worker that may have to take a partition over reads its changelog all along, in the background.

Taking over then means reading what was written since, instead of everything. Decoding goes on in a thread with a
bounded share of the processor; what it has not come to yet is decoded at the take-over.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streams.settings import Settings
from streams.shell import rotation
from streams.shell.failure import Unrecoverable
from streams.shell.recovery import reader
from streams.shell.replica import Replica
from streams.shell.state_codec import UnreadableState

log = structlog.stdlib.get_logger(__name__)

_RECORDS = 500
_WAIT_S = 0.5
_SLICE_S = 0.005
"""Longest decoding at a time: the event loop waits as long."""
_SHARE = 4
"""The thread works at most one part of so many."""
_OUT_OF_RANGE = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}  # noqa: SLF001  the client's own name


class Standbys:
    """Copies of the partitions for which this worker stands by.

    Args:
        settings: Where to read.
        changelog: Name of the changelog on the broker.
    """

    def __init__(self, settings: Settings, changelog: str) -> None:
        self._settings = settings
        self._changelog = changelog
        self._lock = threading.Lock()
        self._replicas: dict[int, Replica] = {}
        self._moved = threading.Event()
        self._stopped = threading.Event()
        self._may_work = threading.Event()
        self._may_work.set()
        self._thread: threading.Thread | None = None

    def assign(self, partitions: Iterable[int], warm: Mapping[int, Replica] | None = None) -> None:
        """Stands by for these partitions and no others; `warm` are copies that are known already."""
        wanted = set(partitions)
        with self._lock:
            before = set(self._replicas)
            for partition in before - wanted:
                del self._replicas[partition]
            for partition in wanted - before:
                made = (warm or {}).get(partition)
                self._replicas[partition] = made or Replica(f"{self._changelog}/{partition}", partition)
            if before != wanted:
                self._moved.set()
        if wanted and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
            self._thread.start()

    def release(self, partition: int) -> Replica | None:
        """The copy of a partition, to be taken over; it is read no further here."""
        with self._lock:
            self._moved.set()
            return self._replicas.pop(partition, None)

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Nothing is read and decoded for the time of a block: the worker's own partitions come first."""
        self._may_work.clear()
        try:
            yield
        finally:
            self._may_work.set()

    @property
    def partitions(self) -> dict[int, int | None]:
        """Next offset to read, by partition."""
        with self._lock:
            return {partition: replica.position for partition, replica in self._replicas.items()}

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()

    def _run(self) -> None:
        consumer = reader(self._settings, eof=False)
        try:
            while not self._stopped.is_set():
                if not self._may_work.wait(_WAIT_S):
                    continue
                with contextlib.suppress(KafkaException):  # of an outage; reading goes on by itself
                    self._turn(consumer)
        finally:
            rotation.let_go(self._settings, consumer)
            consumer.close()

    def _turn(self, consumer: Consumer) -> None:
        if self._moved.is_set():
            self._moved.clear()
            with self._lock:
                places = [
                    TopicPartition(
                        self._changelog, partition, OFFSET_BEGINNING if replica.position is None else replica.position
                    )
                    for partition, replica in self._replicas.items()
                ]
            consumer.assign(places)
        messages = consumer.consume(_RECORDS, _WAIT_S)
        began = time.thread_time()
        with self._lock:
            for message in messages:
                self._feed(message)
        self._rest(began)
        while self._decode():
            self._rest(began)
            if self._moved.is_set() or self._stopped.is_set() or not self._may_work.is_set():
                return
            began = time.thread_time()

    def _feed(self, message: object) -> None:
        found: Any = message
        partition = found.partition()
        replica = self._replicas.get(partition)
        if replica is None:
            return
        error = found.error()
        if error is not None:
            if error.code() in _OUT_OF_RANGE:
                self._replicas[partition] = Replica(replica.place, partition)
                self._moved.set()
            return
        if found.offset() < (replica.position or 0):
            return
        try:
            replica.feed(found.offset(), found.key(), found.value(), found.headers())
        except (Unrecoverable, UnreadableState) as failure:
            self._give_up(partition, failure)

    def _decode(self) -> bool:
        """Decodes for a moment; True when something is left."""
        with self._lock:
            left = next((replica for replica in self._replicas.values() if replica.waiting), None)
            if left is None:
                return False
            try:
                left.decode(_SLICE_S)
            except (Unrecoverable, UnreadableState) as failure:
                self._give_up(left.partition, failure)
            return True

    def _give_up(self, partition: int, failure: Exception) -> None:
        # Whoever takes the partition over reads it from its beginning, and says what is to be done.
        log.warning("no warm copy can be kept", partition=partition, reason=str(failure))
        del self._replicas[partition]
        self._moved.set()

    def _rest(self, began: float) -> None:
        self._stopped.wait((_SHARE - 1) * (time.thread_time() - began))
