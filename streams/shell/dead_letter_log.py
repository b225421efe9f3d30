"""The dead letters as an operator meets them: to be listed, looked into, and put back once their cause is mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from streams import topics
from streams.domain.partitioner import partition_of
from streams.settings import Settings
from streams.shell.admin import LARGEST_RECORD, Admin
from streams.shell.codec import Codec
from streams.shell.connection import librdkafka
from streams.shell.dead_letters import PREFIX, REASON
from streams.shell.frames import BadRecord
from streams.shell.log_reader import LogReader

REPLAYED = "backontrack.replayed-from"
"""Header of a record that was put back: the dead letter's id."""


class ReplayRefused(Exception):  # noqa: N818  says what happened
    """A dead letter cannot be put back; the message says why."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `at` is the time of the original record in ms; `origin_topic` is its name on the broker."""

    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    origin_topic: str
    origin_partition: int
    origin_offset: int
    reason: str
    message: str

    @property
    def id(self) -> str:
        """Its place among the dead letters: `partition/offset`."""
        return f"{self.partition}/{self.offset}"

    @property
    def original_headers(self) -> list[tuple[str, bytes | None]]:
        """Headers of the original record, without those of the error."""
        return [(name, value) for name, value in self.headers if not name.startswith(PREFIX) and name != REASON]


class DeadLetterLog:
    """Reads the dead letters of an application and puts them back.

    Args:
        settings: The broker and the topic prefix.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.topic(topics.DEAD_LETTERS)
        self._reader = LogReader(settings)
        self._codec = Codec(settings)

    def all(self) -> Iterator[DeadLetter]:
        """Every dead letter, oldest first within its partition."""
        found = Admin(self._settings).partitions([self._name])
        count = found[self._name][0] if self._name in found else 0
        starts = {number: self._reader.bounds(self._name, number)[0] for number in range(count)}
        for message in self._reader.read(self._name, starts):
            yield _dead_letter(message)

    def one(self, letter_id: str) -> DeadLetter | None:
        """The dead letter with this id, `partition/offset`, or `offset` alone for partition 0."""
        partition, _, offset = letter_id.rpartition("/")
        number, place = int(partition or 0), int(offset)
        low, high = self._reader.bounds(self._name, number)
        if not low <= place < high:
            return None
        return next((_dead_letter(message) for message in self._reader.read(self._name, {number: place})), None)

    def decoded(self, letter: DeadLetter) -> dict[str, Any] | str:
        """The record in it when it can be read, else why not."""
        try:
            return self._codec.decode(self._logical(letter), letter.value)
        except (BadRecord, ValueError) as error:
            return str(error)

    def corrected(self, letter: DeadLetter, record: dict[str, Any]) -> tuple[bytes, bytes]:
        """Key and value of a record that replaces the one in the letter. Raises ReplayRefused."""
        topic = self._logical(letter)
        try:
            value = self._codec.encode(topic, record)
        except (ValueError, TypeError, KeyError) as error:
            raise ReplayRefused(f"the record does not fit the schema of {topic}: {error}") from error
        key = "control" if topic == topics.CONTROL else str(record["account_id"])
        return key.encode(), value

    def replayed(self, letter: DeadLetter, key: bytes | None) -> bool:
        """True when the record that replaces the letter is on its topic already."""
        partition = self._partition(letter, key)
        low, _ = self._reader.bounds(letter.origin_topic, partition)
        # It can only stand behind the original; with another key it may be in a partition that says nothing of that.
        start = max(low, letter.origin_offset + 1) if partition == letter.origin_partition else low
        wanted = letter.id.encode()
        return any(
            dict(message.headers() or ()).get(REPLAYED) == wanted
            for message in self._reader.read(letter.origin_topic, {partition: start})
        )

    def replay(self, letter: DeadLetter, key: bytes | None, value: bytes | None) -> None:
        """Puts a record on the letter's topic of origin, with its record time and headers. Raises ReplayRefused."""
        errors: list[str] = []

        def report(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                errors.append(error.str())

        producer = Producer(
            {
                **librdkafka(self._settings),
                "enable.idempotence": True,
                "message.timeout.ms": self._settings.delivery_timeout,
                # A letter of about 1 MB gains a header; the topic's own limit is for the broker to tell.
                "message.max.bytes": LARGEST_RECORD,
                "log_level": 2,
            }
        )
        headers: list[tuple[str, str | bytes | None]] = [*letter.original_headers, (REPLAYED, letter.id)]
        producer.produce(
            letter.origin_topic,
            value,
            key,
            self._partition(letter, key),
            timestamp=letter.at,
            headers=headers,
            on_delivery=report,
        )
        unsent = producer.flush(self._settings.delivery_timeout / 1000 + 1)
        if errors or unsent:
            raise ReplayRefused(f"not stored: {errors[0] if errors else 'no acknowledgement'}")

    def close(self) -> None:
        """Ends the connections."""
        self._reader.close()
        self._codec.close()

    def _logical(self, letter: DeadLetter) -> str:
        return letter.origin_topic.removeprefix(self._settings.topic_prefix)

    def _partition(self, letter: DeadLetter, key: bytes | None) -> int:
        if key is None or key == letter.key:
            return letter.origin_partition
        count = Admin(self._settings).partitions([letter.origin_topic])[letter.origin_topic][0]
        return partition_of(key, count)


def _dead_letter(message: Message) -> DeadLetter:
    found: list[Any] = list(message.headers() or ())
    headers = tuple((name, _optional(value)) for name, value in found)
    said = {name: value.decode(errors="replace") for name, value in headers if value is not None}
    return DeadLetter(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        at=message.timestamp()[1],
        key=_optional(message.key()),
        value=_optional(message.value()),
        headers=headers,
        origin_topic=said.get(PREFIX + "topic", ""),
        origin_partition=_whole(said.get(PREFIX + "partition")),
        origin_offset=_whole(said.get(PREFIX + "offset")),
        reason=said.get(REASON, ""),
        message=said.get(PREFIX + "message", ""),
    )


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _optional(value: str | bytes | None) -> bytes | None:
    return None if value is None else _bytes(value)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else -1
