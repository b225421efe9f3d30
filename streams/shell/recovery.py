"""Reading a partition back from the changelog: the newest record of every key, up to where this worker takes over."""

from __future__ import annotations

import threading
import time

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.settings import Settings
from streams.shell import rotation
from streams.shell.acls import recovery
from streams.shell.connection import librdkafka
from streams.shell.failure import Cure, Unrecoverable, cure
from streams.shell.holds import BROKER, DENIED, PATIENCE_S, Holds
from streams.shell.replica import Replica
from streams.shell.watermarks import watermarks

log = structlog.stdlib.get_logger(__name__)

_BATCH = 1_000
_QUEUED_KIB = 16_384
"""What a reader fetches ahead: a log that is longer than memory is read in pieces, however many are read at once."""
# A call returns when the batch is full or the time is up, even when the end was reached long before.
_WAIT_S = 0.05
_FETCH_WAIT_MS = 50
_PROGRESS_S = 5.0
_ANSWER_S = 3.0
_AGAIN_S = 0.2
_PART = "changelog"


class Cancelled(Exception):  # noqa: N818  no error: the partition was taken away meanwhile
    """The partition is no longer this worker's to read."""


class ChangelogReader:
    """Reads one partition of the changelog; blocking, for a thread of its own.

    Waits while no broker answers, or while the right to read is missing. When they answer, but nothing comes for
    `stall_timeout`, the recovery is stuck.

    Args:
        settings: Where to read.
        topic: Name of the changelog on the broker.
        partition: Its partition.
        cancelled: Set when the partition is taken away.
        holds: Told why reading waits.
        replica: What is known already; read on from where it ends.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        partition: int,
        cancelled: threading.Event,
        holds: Holds | None = None,
        replica: Replica | None = None,
    ) -> None:
        self._place = f"{topic}/{partition}"
        self._settings = settings
        self._cancelled = cancelled
        self._holds = holds or Holds()
        self._patience_s = settings.delivery_timeout / 1000
        self._stall_s = settings.stall_timeout / 1000
        self._part = f"{_PART}/{partition}"
        self._consumer = reader(settings, eof=True)
        self._assigned = TopicPartition(topic, partition)
        self._flows = False
        # Closing waits for a read that is being cancelled.
        self._reading = threading.Lock()
        self.replica = replica or Replica(self._place, partition)

    @property
    def epoch(self) -> int:
        """Largest owner's number seen."""
        return self.replica.epoch

    @property
    def records(self) -> int:
        """Records read, since the replica was empty."""
        return self.replica.records

    def read_to_end(self) -> None:
        """Reads on to where the log ends now. Raises Cancelled, Unrecoverable and UnreadableState."""
        with self._reading:
            try:
                self._read()
            finally:
                self._go_on()

    def _read(self) -> None:
        low, end = self._bounds()
        if not self._flows:
            self._begin(low, end)
        replica = self.replica
        told = moved = asked = time.monotonic()
        while (before := replica.position or 0) < end:
            if self._cancelled.is_set():
                raise Cancelled
            self._take(end)
            now = time.monotonic()
            if (replica.position or 0) > before:
                moved = now
            elif now - max(moved, asked) > _ANSWER_S:
                self._bounds()
                asked = time.monotonic()
                if asked - now > _ANSWER_S:
                    moved = asked  # nobody answered: what comes now has its time again
                elif asked - moved > self._stall_s:
                    raise Unrecoverable(
                        f"{self._place}: the brokers answer, but no record came for {asked - moved:.0f} s at {before} "
                        f"of {end}: the recovery is stuck"
                    )
            if now - told > _PROGRESS_S:
                told = now
                log.info("recovering", changelog=self._place, position=replica.position, end=end)

    def _begin(self, low: int, end: int) -> None:
        replica = self.replica
        if replica.position is not None and not low <= replica.position <= end:
            log.warning(
                "warm copy is not of this changelog; it is read from its beginning",
                changelog=self._place,
                position=replica.position,
                begin=low,
                end=end,
            )
            replica = self.replica = Replica(self._place, self._assigned.partition)
        if replica.position is None:
            replica.position = low
        self._consumer.assign([TopicPartition(self._assigned.topic, self._assigned.partition, replica.position)])
        self._flows = True

    def _bounds(self) -> tuple[int, int]:
        """First offset and end of the log, as soon as the brokers say."""
        began = time.monotonic()
        while not self._cancelled.is_set():
            try:
                low, high = watermarks(self._consumer, self._assigned, _ANSWER_S)
            except KafkaException as error:
                self._wait(error.args[0], time.monotonic() - began)
                time.sleep(_AGAIN_S)
            else:
                self._go_on()
                return low, high
        raise Cancelled

    def _take(self, end: int) -> None:
        replica = self.replica
        for message in self._consumer.consume(_BATCH, _WAIT_S):
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the client's own name for it
                    # Not `end`: it may tell of an end that was reached before what was written since.
                    replica.position = max(replica.position or 0, message.offset() or 0)
                    continue
                self._wait(error, 0.0)
                continue
            offset, key, value = message.offset(), message.key(), message.value()
            replica.feed(
                end if offset is None else offset,
                key.encode() if isinstance(key, str) else key,
                value.encode() if isinstance(value, str) else value,
                message.headers(),
            )

    def _wait(self, error: KafkaError, tried_s: float) -> None:
        """Tells why nothing can be read now. Raises Unrecoverable when waiting helps nothing."""
        healed_by = cure(error)
        if healed_by is Cure.TIME and tried_s < PATIENCE_S:
            pass
        elif healed_by is Cure.TIME:
            self._holds.on(BROKER, f"the changelog cannot be read: {error.str()}", self._part)
        elif healed_by is Cure.RIGHT:
            self._holds.on(DENIED, f"the changelog cannot be read: {error.str()}", self._part)
        elif healed_by is Cure.TOPIC and tried_s < self._patience_s:
            pass  # a topic that was just created has no leader yet
        elif healed_by is Cure.TOPIC:
            raise Unrecoverable(
                f"{self._place}: does not exist. If it was deleted, its states are gone with it: create it with "
                "`backontrack topics create` and start under another BACKONTRACK_APP_ID to fold the log again"
            )
        elif error.code() == KafkaError._BAD_MSG:  # noqa: SLF001  as above
            raise Unrecoverable(
                f"{self._place}: a record is damaged on the broker's disk ({error.str()}). Let the broker take the "
                "partition from a sound replica, or fold the log again under another BACKONTRACK_APP_ID"
            )
        else:
            raise Unrecoverable(f"{self._place}: the changelog cannot be read: {error.str()}")

    def _go_on(self) -> None:
        self._holds.off(BROKER, self._part)
        self._holds.off(DENIED, self._part)

    def states(self) -> tuple[PartitionState | None, dict[str, AccountState]]:
        """What was read, decoded. Raises UnreadableState, Unrecoverable and Cancelled."""
        replica = self.replica
        replica.check()
        while not replica.decode(_PROGRESS_S):
            if self._cancelled.is_set():
                raise Cancelled
        return replica.state, replica.accounts

    def close(self) -> None:
        """Ends the connection."""
        with self._reading:
            rotation.let_go(self._settings, self._consumer)
            self._consumer.close()


def reader(settings: Settings, *, eof: bool) -> Consumer:
    """A consumer that takes no part in a group; with `eof` it tells when the end is reached."""
    made = Consumer(
        {
            **librdkafka(settings),
            "group.id": recovery(settings),
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": eof,
            "queued.max.messages.kbytes": _QUEUED_KIB,
            # Looked at again that soon; the default of a second would be most of the time of a recovery.
            "fetch.queue.backoff.ms": 10,
            # Where the log ends is asked on the same connection, behind a fetch that waits for news.
            "fetch.wait.max.ms": _FETCH_WAIT_MS if eof else 500,
            # A byte that was changed on a disk may still read as a state, with other figures.
            "check.crcs": True,
            # An outage is told by the hold; the client would tell it for every attempt to connect.
            "log_level": 2,
        }
    )
    rotation.keep_fresh(settings, made)
    return made
