"""Why a record has to wait before it can be applied or dead-lettered, and how its partition waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from confluent_kafka import KafkaException

from streams.settings import PREFIX, Settings
from streams.shell.backoff import growing
from streams.shell.codec import Codec
from streams.shell.frames import BadRecord
from streams.shell.holds import BROKER, RATIO, REGISTRY, Holds
from streams.shell.letter_limit import PastRecord
from streams.shell.registry import RegistryUnavailable
from streams.shell.schema_lookup import SchemaLookup, SchemaWanted

History = Callable[[Settings, str, int, int], tuple[int, list[PastRecord]]]
"""`records_before`: first offset of a topic partition, and its records before an offset."""

_RETRY_S = 1.0
_LONGEST_RETRY_S = 30.0
_LOOK_AGAIN_S = 5.0
_MOST_IDS = 200
"""Schemas that are asked for to judge earlier records; more than enough to see that they are too many."""


@dataclass(frozen=True, slots=True)
class HistoryWanted:
    """The first record of a topic that cannot be read: how many before it were no better is not known yet."""

    topic: str
    offset: int


@dataclass(frozen=True, slots=True)
class RegistryWanted:
    """The schema registry has to be asked."""

    error: RegistryUnavailable


class OverLimit:
    """Too many of the newest records cannot be read. Equal to another one for the same record.

    Args:
        topic: Logical name.
        partition: Its number.
        error: Of the newest record.
        letters: Letters in the window, with this one.
        records: Records in it.
    """

    def __init__(self, topic: str, partition: int, error: BadRecord, letters: int, records: int) -> None:
        self.topic = topic
        self.partition = partition
        self.error = error
        self.letters = letters
        self.records = records

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OverLimit) and self.part == other.part

    def __hash__(self) -> int:
        return hash(self.part)

    @property
    def part(self) -> str:
        """Names the hold."""
        return f"{self.topic}/{self.partition}"

    def message(self, ratio: float) -> str:
        """What happened and what to do."""
        return (
            f"{self.letters} of the newest {self.records} records of {self.part} cannot be applied, more than the "
            f"share of {ratio:g} that may become dead letters. The newest: {self.error.reason} ({self.error.message}). "
            f"Nothing further of partition {self.partition} is applied, nothing is dropped. Fix the deploy that writes "
            f"or reads them, or raise {PREFIX}MAX_DEAD_LETTER_RATIO (1 = no limit) and restart"
        )


Pause = HistoryWanted | RegistryWanted | OverLimit


class Pauses:
    """Waits for what a record needs.

    Args:
        settings: The limit.
        holds: Told meanwhile.
        lookup: Schemas of the registry, when there is one.
        history: Reads earlier records; None when they cannot be read.
    """

    def __init__(
        self, settings: Settings, holds: Holds, lookup: SchemaLookup | None = None, history: History | None = None
    ) -> None:
        self._settings = settings
        self._holds = holds
        self._lookup = lookup
        self._history = history
        self._threads: ThreadPoolExecutor | None = None

    @property
    def knows_history(self) -> bool:
        """True when earlier records can be read."""
        return self._history is not None

    async def wait(self, pause: RegistryWanted | OverLimit) -> None:
        """Returns when it is worth another look at the record."""
        if isinstance(pause, OverLimit):
            self._holds.on(RATIO, pause.message(self._settings.max_dead_letter_ratio), pause.part)
            await asyncio.sleep(_LOOK_AGAIN_S)
        elif self._lookup is not None and isinstance(pause.error, SchemaWanted):
            await self._lookup.learn(pause.error.schema_id)
        else:
            with self._holds.during(REGISTRY, str(pause.error)):
                await asyncio.sleep(_RETRY_S)

    async def before(self, topic: str, partition: int, offset: int) -> tuple[int, list[PastRecord]]:
        """First offset of a topic partition, and its newest records before `offset`; waits for the brokers."""
        if self._history is None:
            return offset, []
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="earlier-records")
        loop = asyncio.get_running_loop()
        pauses = growing(_RETRY_S, _LONGEST_RETRY_S)
        part = f"earlier records of {topic}/{partition}"
        try:
            while True:
                try:
                    return await loop.run_in_executor(
                        self._threads, self._history, self._settings, self._settings.topic(topic), partition, offset
                    )
                except KafkaException as error:
                    self._holds.on(BROKER, f"{part} cannot be read: {error.args[0].str()}", part)
                await asyncio.sleep(next(pauses))
        finally:
            self._holds.off(BROKER, part)

    async def learn_all(self, topic: str, records: Iterable[PastRecord], codec: Codec) -> None:
        """Asks the registry once for each schema that these records need and that is not known."""
        if self._lookup is None:
            return
        wanted: set[int] = set()
        for record in records:
            try:
                codec.decode(topic, record.value)
            except SchemaWanted as error:
                wanted.add(error.schema_id)
            except (BadRecord, RegistryUnavailable):
                continue
        for schema_id in sorted(wanted)[:_MOST_IDS]:
            await self._lookup.ask(schema_id)

    def close(self) -> None:
        """Ends the thread."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
