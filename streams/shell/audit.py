"""Finds what others have written into the changelog of a partition that this worker owns, and stores its own again.

A worker that was paused or cut off may write after it has lost a partition. Recovery ignores such records, but
compaction keeps the newest record of a key, whoever wrote it. So the owner compares where the log ends with what it
has written itself, long before compaction is allowed to look at it (`min.compaction.lag.ms`).
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams import topics
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell.checkpoint import Checkpointer
from streams.shell.failure import Unrecoverable
from streams.shell.group import IsMember
from streams.shell.producer import Sender
from streams.shell.recovery import ChangelogReader, reader
from streams.shell.replica import Replica
from streams.shell.stale import make_up
from streams.shell.table import AccountTable, Owned
from streams.shell.watermarks import watermarks

log = structlog.stdlib.get_logger(__name__)

EVERY_S = 10.0
"""Time between two looks at the ends of the changelog."""
_ANSWER_S = 3.0


class _Seen(NamedTuple):
    owned: Owned
    position: int
    """All foreign records before it are dealt with."""


class Audit:
    """Looks at the changelog of the owned partitions again and again.

    Args:
        settings: Where to read.
        table: What is owned; keys that were overwritten become due in it.
        sender: What this worker has written.
        checkpointer: Keeps quiet meanwhile.
        metrics: Counts what is repaired.
        member: Asks the group.
    """

    def __init__(
        self,
        settings: Settings,
        table: AccountTable,
        sender: Sender,
        checkpointer: Checkpointer,
        metrics: Metrics,
        member: IsMember,
    ) -> None:
        self._settings = settings
        self._table = table
        self._sender = sender
        self._checkpointer = checkpointer
        self._metrics = metrics
        self._member = member
        self._changelog = topics.changelog(settings.app_id)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._seen: dict[int, _Seen] = {}

    @cached_property
    def _consumer(self) -> Consumer:
        return reader(self._settings, eof=False)

    async def run(self) -> None:
        """Looks every few seconds, until cancelled. Raises Unrecoverable."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._checkpointer.between(self.look)

    async def look(self) -> None:
        """Compares once, and repairs. Nothing may be written meanwhile. Raises Unrecoverable."""
        ends = await self.ends()
        for partition, end in ends.items():
            owned = self._table.owned.get(partition)
            if owned is None:
                continue
            foreign = end - self.expected(partition, owned)
            if foreign < 0:
                raise Unrecoverable(
                    f"{self._changelog}/{partition}: ends at {end}, but this worker alone has written up to "
                    f"{end - foreign}: the topic was recreated, or the brokers lost records. Nothing further is "
                    "written; start again to see what is left of it"
                )
            seen = self._seen.get(partition)
            begin = seen.position if seen is not None and seen.owned is owned else owned.since
            if foreign:
                await self._repair(partition, owned, begin, foreign)
            self._seen[partition] = _Seen(owned, end)

    async def ends(self) -> dict[int, int]:
        """Where the changelog of the owned partitions ends, with all that was sent; none while nobody answers."""
        partitions = sorted(self._table.owned)
        if not partitions:
            return {}
        await self._sender.flush()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, partitions)

    def expected(self, partition: int, owned: Owned) -> int:
        """Where the changelog ends when nobody else has written."""
        return owned.before + self._sender.written[partition]

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self, partitions: list[int]) -> dict[int, int]:
        try:
            return {
                partition: watermarks(self._consumer, TopicPartition(self._changelog, partition), _ANSWER_S)[1]
                for partition in partitions
            }
        except KafkaException as error:
            log.debug("ends of the changelog are not known", reason=str(error))
            return {}

    async def _repair(self, partition: int, owned: Owned, begin: int, count: int) -> None:
        replica = await self._read(partition, owned.epoch, begin)
        if replica.epoch > owned.epoch:
            await self._overtaken(partition)
            return
        owned.before += count
        if not replica.stale:
            return  # records of its own that the client has sent twice
        await self._sender.send(make_up(self._changelog, owned, replica.stale, self._metrics))
        self._table.checkpoint_due.set()

    async def _read(self, partition: int, epoch: int, begin: int) -> Replica:
        """What stands on the changelog from an offset on, seen as the owner with this number."""
        cancelled = threading.Event()

        def read() -> Replica:
            start = Replica(f"{self._changelog}/{partition}", partition)
            start.position, start.epoch = begin, epoch
            found = ChangelogReader(self._settings, self._changelog, partition, cancelled, replica=start)
            try:
                found.read_to_end()
            finally:
                found.close()
            return found.replica

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, read)
        finally:
            cancelled.set()

    async def _overtaken(self, partition: int) -> None:
        """The changelog has a newer owner: this worker is the one that has lost the partition."""
        if await self._member():
            raise Unrecoverable(
                f"{self._changelog}/{partition}: another worker writes it although the group has given the partition "
                "to this one. Is another application running under the same BACKONTRACK_APP_ID?"
            )
        log.warning("partition has a newer owner; nothing further of it is written", partition=partition)
        self._table.owned.pop(partition, None)
