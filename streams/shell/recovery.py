"""Reading a partition back from the changelog: the newest record of every key, up to where this worker takes over."""

from __future__ import annotations

import threading
import time

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.settings import Settings
from streams.shell.changelog import PARTITION_KEY, epoch_of
from streams.shell.connection import librdkafka
from streams.shell.failure import Unrecoverable
from streams.shell.state_codec import decode_account, decode_partition
from streams.shell.watermarks import watermarks

log = structlog.stdlib.get_logger(__name__)

_BATCH = 10_000
# A call returns when the batch is full or the time is up, even when the end was reached long before.
_WAIT_S = 0.05
_PROGRESS_S = 5.0
_STALL_S = 60.0


class Cancelled(Exception):  # noqa: N818  no error: the partition was taken away meanwhile
    """The partition is no longer this worker's to read."""


class ChangelogReader:
    """Reads one partition of the changelog; blocking, for a thread of its own.

    Records of an older owner that come after those of a newer one are ignored: they were written by a worker that had
    lost the partition and did not know it yet.

    Args:
        settings: Where to read.
        topic: Name of the changelog on the broker.
        partition: Its partition.
        cancelled: Set when the partition is taken away.
    """

    def __init__(self, settings: Settings, topic: str, partition: int, cancelled: threading.Event) -> None:
        self._place = f"{topic}/{partition}"
        self._cancelled = cancelled
        self._timeout_s = settings.delivery_timeout / 1000
        self._consumer = Consumer(
            {
                **librdkafka(settings),
                "group.id": f"{settings.app_id}-recovery",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "log_level": 4,
            }
        )
        self._assigned = TopicPartition(topic, partition)
        self._position: int | None = None
        self.newest: dict[bytes, bytes] = {}
        """Newest value by key."""
        self.epoch = 0
        """Largest owner's number seen."""
        self.records = 0
        """Records read."""

    def read_to_end(self) -> None:
        """Reads on to where the log ends now. Raises Cancelled and Unrecoverable."""
        try:
            low, end = watermarks(self._consumer, self._assigned, self._timeout_s)
        except KafkaException as error:
            raise Unrecoverable(f"{self._place}: the end of the changelog is not known: {error}") from error
        if self._position is None:
            self._position = low
            self._consumer.assign([TopicPartition(self._assigned.topic, self._assigned.partition, low)])
        told = moved = time.monotonic()
        while self._position < end:
            if self._cancelled.is_set():
                raise Cancelled
            before = self._position
            self._take(end)
            now = time.monotonic()
            if self._position > before:
                moved = now
            elif now - moved > max(_STALL_S, self._timeout_s):
                raise Unrecoverable(f"{self._place}: no record for {now - moved:.0f} s at {before} of {end}")
            if now - told > _PROGRESS_S:
                told = now
                log.info("recovering", changelog=self._place, position=self._position, end=end)

    def _take(self, end: int) -> None:
        for message in self._consumer.consume(_BATCH, _WAIT_S):
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the client's own name for it
                    self._position = max(self._position or 0, end)
                    continue
                raise Unrecoverable(f"{self._place}: the changelog cannot be read: {error.str()}")
            offset = message.offset()
            self._position = (offset if offset is not None else end) + 1
            self.records += 1
            epoch = epoch_of(message.headers())
            if epoch < self.epoch:
                continue
            self.epoch = epoch
            key, value = message.key(), message.value()
            if not isinstance(key, bytes):
                raise Unrecoverable(f"{self._place}: record {offset} has no key; it was not written by a worker")
            if value is None:
                self.newest.pop(key, None)
            else:
                self.newest[key] = value if isinstance(value, bytes) else value.encode()

    def states(self, partition: int) -> tuple[PartitionState | None, dict[str, AccountState]]:
        """What was read, decoded. Raises UnreadableState."""
        state: PartitionState | None = None
        accounts: dict[str, AccountState] = {}
        for count, (key, value) in enumerate(self.newest.items()):
            if count % _BATCH == 0 and self._cancelled.is_set():
                raise Cancelled
            if key == PARTITION_KEY:
                state = decode_partition(value)
            else:
                account = decode_account(value)
                accounts[account.account_id] = account
        if state is not None and state.partition != partition:
            raise Unrecoverable(f"{self._place}: holds the state of partition {state.partition}")
        if state is None and accounts:
            raise Unrecoverable(
                f"{self._place}: holds accounts but no partition state: records were deleted. Set "
                "cleanup.policy=compact on it and start under another BACKONTRACK_APP_ID to fold the log again"
            )
        return state, accounts

    def close(self) -> None:
        """Ends the connection."""
        self._consumer.close()
