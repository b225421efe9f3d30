"""The thread in which aiokafka reads, commits and keeps the membership of the group."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.shell import rotation
from streams.shell.backoff import growing
from streams.shell.group import commit, committed, knows_coordinator, look_after, member_id
from streams.shell.holds import BROKER
from streams.shell.host import Hosted

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

FETCH_RECORDS = 4_000
"""Most records of one fetch, over all topics."""
FETCH_BYTES = 8 << 20
"""Most bytes of their keys and values, about: a compressed batch of 1 MB may hold hundreds."""
_PORTION = 64
GROUP = "group"
"""Part of the holds that the membership is under."""
_FETCH_WAIT_S = 0.1
# Faust fixes this at 1.5 s. A request covers all partitions of a broker and waits as long as none has news, so a
# partition that joins it late would wait with it.
_BROKER_WAIT_MS = 100
_LEAVE_S = 5.0
"""Longest wait for the group to be left."""
_AGAIN_S = 0.2
_LONGEST_S = 2.0


class Fetched(NamedTuple):
    """What a fetch brought: records, and position and known end of every assigned topic partition."""

    records: Mapping[TP, list[ConsumerRecord[bytes, bytes]]]
    marks: Mapping[TP, tuple[int, int | None]]
    answered: float
    """When a broker last answered a fetch of any of them; wall clock, s. 0 before it ever did."""


class MergedConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread in which aiokafka fetches, sends heartbeats and commits."""

    mundane_level = "debug"

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _BROKER_WAIT_MS  # noqa: SLF001  no public way
        rotation.keep_fresh(cast("Hosted", self.app).settings, consumer._client)  # noqa: SLF001  as above
        return consumer

    async def on_start(self) -> None:
        """Connects, however long no broker answers."""
        hosted, again = cast("Hosted", self.app), pauses()
        while not self.should_stop:
            try:
                await super().on_start()
            except (KafkaError, OSError) as error:
                hosted.host.holds.on(BROKER, f"no broker answers: {error}", GROUP)
                if self._consumer is not None:
                    rotation.let_go(hosted.settings, self._consumer._client)  # noqa: SLF001  as above
                    await self._consumer.stop()
                await asyncio.sleep(next(again))
            else:
                break
        hosted.host.holds.off(BROKER, GROUP)

    async def on_thread_stop(self) -> None:
        """Leaves the group and ends the connections, but does not wait for brokers that are away."""
        # Not the driver's own: aiokafka ends with CancelledError when a request of its own had failed, and waits for
        # answers as long as it always does; the thread would be left behind, and the worker waits for it.
        await super(driver.AIOKafkaConsumerThread, self).on_thread_stop()
        if self._consumer is None:
            return
        stopping = asyncio.ensure_future(self._consumer.stop())
        done, _ = await asyncio.wait([stopping], timeout=_LEAVE_S)
        if not done:
            stopping.cancel()
        elif not stopping.cancelled() and stopping.exception() is not None:
            log.debug("the client did not stop in order", reason=repr(stopping.exception()))

    async def run(self, call: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Runs a coroutine in the thread's loop. Raises TimeoutError, also when the thread has ended."""
        if self.thread_loop.is_closed():
            call.close()
            raise TimeoutError
        future = asyncio.run_coroutine_threadsafe(call, self.thread_loop)
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)

    async def fetch(self, wanted: set[TP]) -> Fetched:
        """Records of the wanted topic partitions; waits a moment when there are none."""
        consumer = self._ensure_consumer()
        records = await self._fetch_records(consumer, wanted, timeout=_FETCH_WAIT_S, max_records=_PORTION)
        found = {TP(*tp): batch for tp, batch in records.items()}
        if found:
            _take_more(consumer._fetcher, wanted, found)  # noqa: SLF001  the public call knows no size
        marks: dict[TP, tuple[int, int | None]] = {}
        answered = 0
        subscription = consumer._subscription.subscription  # noqa: SLF001  the public calls are one a partition
        if subscription is not None and subscription.assignment is not None:
            for tp in subscription.assignment.tps:
                state = subscription.assignment.state_value(tp)
                answered = max(answered, state.timestamp or 0)
                if state.has_valid_position:
                    marks[TP(*tp)] = (state.position, state.highwater)
        return Fetched(found, marks, answered / 1000)

    async def bounds(self, tps: list[TP]) -> dict[TP, tuple[int | None, int, int]]:
        """Committed offset, first offset and end of the log of each topic partition."""
        consumer = self._ensure_consumer()
        plain = [TopicPartition(*tp) for tp in tps]
        first, end = await consumer.beginning_offsets(plain), await consumer.end_offsets(plain)
        done = await committed(consumer, plain)
        return {TP(*tp): (done.get(tp), first[tp], end[tp]) for tp in plain}

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Moves every topic partition to where it is to be read from."""
        consumer = self._ensure_consumer()
        for tp, offset in positions.items():
            consumer.seek(TopicPartition(*tp), offset)

    async def is_member(self, generation: int) -> bool | None:
        """Whether the group still counts this worker in, in this generation; None when nobody answers."""
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  no public way to send a heartbeat
        if coordinator.generation != generation:
            return False
        if coordinator.coordinator_id is not None and await coordinator._do_heartbeat():  # noqa: SLF001
            return True
        return None if coordinator.generation == generation else False

    async def commit_offsets(self, offsets: Mapping[TP, int], generation: int) -> None:
        """Commits, in one attempt. Raises Moved when the group has moved on, KafkaError for everything else."""
        await commit(
            self._ensure_consumer(), {TopicPartition(*tp): offset for tp, offset in offsets.items()}, generation
        )

    async def look_after(self) -> tuple[BaseException | None, bool, str]:
        """What aiokafka's background work stumbled over, whether a broker leads the group, and this member's id."""
        consumer = self._ensure_consumer()
        return look_after(consumer), knows_coordinator(consumer), member_id(consumer)


def pauses() -> Iterator[float]:
    """Between attempts to reach the brokers."""
    return growing(_AGAIN_S, _LONGEST_S)


def _take_more(fetcher: Any, wanted: Iterable[TP], found: dict[TP, list[ConsumerRecord[bytes, bytes]]]) -> None:
    """Adds records that are fetched already, in portions, until there are many or they are large; never waits."""
    count = sum(map(len, found.values()))
    size = sum(_size(record) for batch in found.values() for record in batch)
    for tp in wanted:
        while count < FETCH_RECORDS and size < FETCH_BYTES:
            result = fetcher._records.get(tp)  # noqa: SLF001  as the caller
            if not isinstance(result, FetchResult):
                break  # nothing, or an error, which is for the next fetch to raise
            try:
                batch = result.getall(_PORTION)
            except Exception:  # noqa: BLE001  the next fetch meets it again; what is taken must not be lost for it
                return
            if not result.has_more():
                del fetcher._records[tp]  # noqa: SLF001  as the public call does
                fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001  as above
            if not batch:
                break
            found.setdefault(tp, []).extend(batch)
            count += len(batch)
            size += sum(map(_size, batch))


def _size(record: ConsumerRecord[bytes, bytes]) -> int:
    size: int = record.serialized_value_size + record.serialized_key_size
    return size
