"""The dead letters as an operator meets them: to be listed, looked into, and put back once their cause is mended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from streams import topics
from streams.domain.partitioner import partition_of
from streams.settings import Settings
from streams.shell.admin import Admin
from streams.shell.codec import Codec
from streams.shell.dead_letter_replay import REPLAYED, Advance, Done, Letter, Replayer, Result
from streams.shell.dead_letters import PREFIX, REASON
from streams.shell.frames import BadRecord
from streams.shell.log_reader import LogReader

_TOPIC_S = 10.0
_AGAIN_S = 0.3


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
    def origin(self) -> str:
        """Place of the original record: `topic/partition/offset`."""
        return f"{self.origin_topic}/{self.origin_partition}/{self.origin_offset}"

    @property
    def original_headers(self) -> list[tuple[str, bytes | None]]:
        """Headers of the original record, without those of the error and of an earlier way back."""
        return [
            (name, value)
            for name, value in self.headers
            if not name.startswith(PREFIX) and name not in {REASON, REPLAYED}
        ]


class Progress:
    """Told how far a replay is; this one shows nothing."""

    def begin(self, what: str, total: int) -> Advance:
        """A step of `total` records begins; the result is called with how many more of them are done."""
        del what, total
        return lambda _: None


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
        starts = {number: self._reader.bounds(self._name, number)[0] for number in range(self._count())}
        for message in self._reader.read(self._name, starts):
            yield _dead_letter(message)

    def _count(self) -> int:
        """Number of partitions of the dead letters. Raises KafkaException.

        A topic that has no leader for a moment is waited for: it must not be taken for one without letters.
        """
        admin = Admin(self._settings)
        deadline = time.monotonic() + _TOPIC_S
        while True:
            found = admin.partitions([self._name])
            if self._name in found:
                return found[self._name][0]
            if time.monotonic() > deadline:
                reason = f"topic {self._name} is not there, or no broker leads it"
                raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, reason))
            time.sleep(_AGAIN_S)

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

    def replay(
        self,
        chosen: Callable[[DeadLetter], bool],
        corrected: Callable[[DeadLetter], tuple[bytes | None, bytes | None]] | None = None,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Iterator[Result]:
        """Puts the chosen letters back, as they are or with another key and value; what became of each.

        Reads the dead letters twice and each target partition once, and keeps none of them in memory. A letter that
        cannot be put back does not keep the others from it. Raises ReplayStopped.
        """
        shown = progress or Progress()
        replayer = Replayer(self._settings, dry_run=dry_run)
        try:
            partitions = {name: found[0] for name, found in Admin(self._settings).partitions().items()}
            ends: dict[int, int] = {}
            starts: dict[tuple[str, int], int] = {}
            count = 0
            for letter in self._chosen(chosen, ends, first=True):
                made = self._letter(letter, corrected, partitions)
                if isinstance(made, Letter):
                    place = (made.topic, made.partition)
                    # It can only stand behind the original; another partition says nothing of that.
                    first = letter.origin_offset + 1 if made.partition == letter.origin_partition else 0
                    starts[place] = min(first, starts.get(place, first))
                count += 1
            low = {place: self._reader.bounds(*place) for place in starts}
            starts = {place: max(start, low[place][0]) for place, start in starts.items()}
            behind = sum(max(0, low[place][1] - start) for place, start in starts.items())
            replayer.look(starts, shown.begin("looking for what is back already", behind))
            advance = shown.begin("putting back", count)
            for result in self._put(replayer, self._chosen(chosen, ends, first=False), corrected, partitions):
                advance(1)
                yield result
        finally:
            replayer.close()

    def _chosen(
        self, chosen: Callable[[DeadLetter], bool], ends: dict[int, int], *, first: bool
    ) -> Iterator[DeadLetter]:
        """The chosen letters; the first time up to where they end now, which is noted, then up to there again."""
        for letter in self.all():
            if first:
                ends[letter.partition] = letter.offset
            elif letter.offset > ends.get(letter.partition, -1):
                continue
            if chosen(letter):
                yield letter

    def _put(
        self,
        replayer: Replayer,
        letters: Iterable[DeadLetter],
        corrected: Callable[[DeadLetter], tuple[bytes | None, bytes | None]] | None,
        partitions: Mapping[str, int],
    ) -> Iterator[Result]:
        refused: list[Result] = []

        def fit() -> Iterator[Letter]:
            for letter in letters:
                made = self._letter(letter, corrected, partitions)
                if isinstance(made, Letter):
                    yield made
                else:
                    refused.append(Result(letter.id, Done.REFUSED, letter.origin_topic, letter.origin_partition, made))

        for result in replayer.put(fit()):
            yield from refused
            refused.clear()
            yield result
        yield from refused

    def _letter(
        self,
        letter: DeadLetter,
        corrected: Callable[[DeadLetter], tuple[bytes | None, bytes | None]] | None,
        partitions: Mapping[str, int],
    ) -> Letter | str:
        """What is to be sent for a letter, or why nothing can be."""
        if letter.origin_offset < 0 or letter.origin_partition < 0 or not letter.origin_topic:
            return "it does not say where it came from"
        count = partitions.get(letter.origin_topic)
        if count is None:
            return f"there is no topic {letter.origin_topic}"
        try:
            key, value = corrected(letter) if corrected else (letter.key, letter.value)
        except ReplayRefused as error:
            return str(error)
        partition = letter.origin_partition if key is None or key == letter.key else partition_of(key, count)
        if partition >= count:
            return f"{letter.origin_topic} has no partition {partition} any more"
        headers = tuple(letter.original_headers)
        return Letter(letter.id, letter.origin, letter.origin_topic, partition, letter.at, key, value, headers)

    def close(self) -> None:
        """Ends the connections."""
        self._reader.close()
        self._codec.close()

    def _logical(self, letter: DeadLetter) -> str:
        return letter.origin_topic.removeprefix(self._settings.topic_prefix)


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
