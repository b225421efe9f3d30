"""Publishes history to the input topics so that the log looks as if it had been written when it happened.

Record time is event time, the key is the account, and the partition is the one that every Kafka client for Java would
choose. Each record carries the header `backontrack.import` = `<digest of the file>:<row number>`, so what is on a topic
already can be told from its last records alone, exactly, on any machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from streams.domain.partitioner import partition_of
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.connection import ONE_IN_FLIGHT, producing
from streams.shell.log_reader import LogReader
from streams.topics import CONTROL

HEADER = "backontrack.import"
_KEY = b"control"
# Other producers may have written after the import; their records are looked past, up to this many a partition.
_LOOK_BACK = 200
_POLL_EVERY = 1000


class ImportFailed(Exception):  # noqa: N818  says what happened
    """A record was not stored. What was acknowledged stays; the import can be resumed."""


class Importer:
    """Sends events, in order, and knows what was sent before.

    Args:
        settings: The broker and the topic prefix.
        codec: How values are written.
    """

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._error: KafkaError | None = None
        self._producer = Producer(
            {
                **producing(settings),
                **ONE_IN_FLIGHT,
                "client.id": f"{settings.app_id}-import",
                "linger.ms": 50,
                "message.timeout.ms": settings.delivery_timeout,
                "delivery.report.only.error": True,
                "on_delivery": self._report,
                "log_level": 2,
            }
        )

    def sent_before(self, topic: str, digest: str, partitions: int) -> dict[int, int]:
        """The last row of this file on each partition of a logical topic; partitions without one are left out."""
        name = self._settings.topic(topic)
        found: dict[int, int] = {}
        reader = LogReader(self._settings)
        try:
            starts = {}
            for number in range(partitions):
                low, high = reader.bounds(name, number)
                starts[number] = max(low, high - _LOOK_BACK)
            for message in reader.read(name, starts):
                row = _row(message, digest)
                if row is not None:
                    found[message.partition() or 0] = row
        finally:
            reader.close()
        return found

    def send(
        self,
        topic: str,
        digest: str,
        events: Iterable[dict[str, Any]],
        partitions: int,
        before: Mapping[int, int],
        progress: Callable[[int], object] = lambda _: None,
    ) -> int:
        """Sends the events that are not on the topic yet and returns how many; all are acknowledged then.

        `before` is what `sent_before` found; `progress` is told now and then how many events are dealt with. Raises
        ImportFailed.
        """
        name = self._settings.topic(topic)
        encode, produce = self._codec.encode, self._producer.produce
        places: dict[str, tuple[bytes, int]] = {}
        sent = row = 0
        for row, event in enumerate(events):
            account_id = event["account_id"]
            place = places.get(account_id)
            if place is None:
                key = account_id.encode()
                place = places[account_id] = (key, partition_of(key, partitions))
            key, partition = place
            if row <= before.get(partition, -1):
                continue
            headers: list[tuple[str, str | bytes | None]] = [(HEADER, f"{digest}:{row}")]
            value = encode(topic, event)
            while True:
                try:
                    produce(name, value, key, partition, timestamp=event["occurred_at"], headers=headers)
                except BufferError:
                    self._poll(0.5)
                else:
                    break
            sent += 1
            if sent % _POLL_EVERY == 0:
                self._poll(0)
                progress(row + 1 - len(self._producer))
        self.flush()
        progress(row + 1)
        return sent

    def end(self, at: int, partitions: int) -> int:
        """Writes a tick at stream time `at` (ms) to each control partition that does not end with it; how many."""
        value = self._codec.encode(CONTROL, {"kind": "tick", "at": at, "source": "import"})
        name = self._settings.topic(CONTROL)
        digest = f"until-{at}"
        before = self.sent_before(CONTROL, digest, partitions)
        missing = [number for number in range(partitions) if number not in before]
        for number in missing:
            self._producer.produce(name, value, _KEY, number, timestamp=at, headers=[(HEADER, f"{digest}:0")])
        self.flush()
        return len(missing)

    def flush(self) -> None:
        """Waits until everything is acknowledged. Raises ImportFailed."""
        deadline = time.monotonic() + self._settings.delivery_timeout / 1000 + 5
        while len(self._producer) and time.monotonic() < deadline:
            self._producer.flush(1.0)
            self._poll(0)
        self._poll(0)
        if len(self._producer):
            raise ImportFailed(f"{len(self._producer)} records were not acknowledged")

    def _poll(self, timeout: float) -> None:
        self._producer.poll(timeout)
        if self._error is not None:
            raise ImportFailed(f"a record was not stored: {self._error.str()}")

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and self._error is None:
            self._error = error


def _row(message: Message, digest: str) -> int | None:
    header = dict(message.headers() or ()).get(HEADER)
    if not isinstance(header, bytes):
        return None
    found, _, row = header.decode(errors="replace").rpartition(":")
    return int(row) if found == digest and row.isdigit() else None
