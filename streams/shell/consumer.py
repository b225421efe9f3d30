"""Faust's consumer, reading all account topics of a partition as one merged log.

What Faust does record by record is replaced as a whole: the drain loop hands one slice of merged records at a time to
the agent, offsets are never acknowledged to Faust, and only `commit_applied` commits. `tests/unit/shell/
test_faust_hooks.py` holds every overridden method to the version that was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import CommitFailedError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.shell.failure import Unrecoverable
from streams.shell.host import Host, Hosted
from streams.shell.lanes import PartitionLanes, Slice

T = TypeVar("T")

FETCH_RECORDS = 4_000
"""Most records of one fetch, over all topics."""
_FETCH_WAIT_S = 0.1
# Faust fixes this at 1.5 s. A request covers all partitions of a broker and waits as long as none has news, so a
# partition that joins it late would wait with it.
_BROKER_WAIT_MS = 100


class Fetched(NamedTuple):
    """What a fetch brought: records, and position and known end of every assigned topic partition."""

    records: Mapping[TP, list[ConsumerRecord[bytes, bytes]]]
    marks: Mapping[TP, tuple[int, int | None]]


class MergedConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread in which aiokafka fetches, sends heartbeats and commits."""

    mundane_level = "debug"

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _BROKER_WAIT_MS  # noqa: SLF001  no public way
        return consumer

    async def run(self, call: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Runs a coroutine in the thread's loop. Raises TimeoutError."""
        future = asyncio.run_coroutine_threadsafe(call, self.thread_loop)
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)

    async def fetch(self, wanted: set[TP]) -> Fetched:
        """Records of the wanted topic partitions; waits a moment when there are none."""
        consumer = self._ensure_consumer()
        records = await self._fetch_records(consumer, wanted, timeout=_FETCH_WAIT_S, max_records=FETCH_RECORDS)
        marks: dict[TP, tuple[int, int | None]] = {}
        subscription = consumer._subscription.subscription  # noqa: SLF001  the public calls are one a partition
        if subscription is not None and subscription.assignment is not None:
            for tp in subscription.assignment.tps:
                state = subscription.assignment.state_value(tp)
                if state.has_valid_position:
                    marks[TP(*tp)] = (state.position, state.highwater)
        return Fetched({TP(*tp): batch for tp, batch in records.items()}, marks)

    async def bounds(self, tps: list[TP]) -> dict[TP, tuple[int | None, int, int]]:
        """Committed offset, first offset and end of the log of each topic partition."""
        consumer = self._ensure_consumer()
        plain = [TopicPartition(*tp) for tp in tps]
        first, end = await consumer.beginning_offsets(plain), await consumer.end_offsets(plain)
        committed = [await consumer.committed(tp) for tp in plain]
        return {TP(*tp): (done, first[tp], end[tp]) for tp, done in zip(plain, committed, strict=True)}

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Moves every topic partition to where it is to be read from."""
        consumer = self._ensure_consumer()
        for tp, offset in positions.items():
            consumer.seek(TopicPartition(*tp), offset)

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> None:
        """Commits. Raises CommitFailedError when the group has moved on, KafkaError for everything else."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        await consumer.commit(
            {
                TopicPartition(*tp): OffsetAndMetadata(offset, "")
                for tp, offset in offsets.items()
                if TopicPartition(*tp) in assigned
            }
        )


class MergedConsumer(driver.Consumer):
    """Yields slices of merged records; commits what it is told and nothing else."""

    mundane_level = "debug"
    _thread: MergedConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lanes: dict[int, PartitionLanes] = {}
        """Lanes of the assigned partitions."""
        self.turn = 0
        """Number of assignments so far."""
        self._starts: dict[TP, int] | None = None

    @property
    def _host(self) -> Host:
        return cast("Hosted", self.app).host

    def _new_consumer_thread(self) -> MergedConsumerThread:
        return MergedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: TP) -> None:
        """Nothing: Faust has no offsets of its own to commit."""

    async def perform_seek(self) -> None:
        """Finds where each partition continues; called by Faust when an assignment is complete and recovered.

        Positions come from the recovered state, and where there is none from the log's start. They are taken up by the
        drain loop, so that nothing which was fetched before can be counted as read.
        """
        ranks = self._host.ranks
        assigned = [tp for tp in self.assignment() if tp.topic in ranks]
        bounds = await self._thread.run(self._thread.bounds(assigned), self._host.timeout_s)
        starts: dict[TP, int] = {}
        lanes: dict[int, PartitionLanes] = {}
        for partition in sorted({tp.partition for tp in assigned}):
            found: dict[str, tuple[int, int]] = {}
            for topic in ranks:
                tp = TP(topic, partition)
                committed, first, end = bounds[tp]
                position = start_position(tp, self._host.next_offset(topic, partition), committed, first, end)
                starts[tp] = position
                found[topic] = (position, end)
            lanes[partition] = PartitionLanes(partition, ranks, found, self._host.stream_time(partition))
        self.turn += 1
        self.lanes = lanes
        self._starts = starts
        self._host.on_positions(self.turn, lanes)

    async def commit_applied(self, offsets: Mapping[TP, int]) -> bool:
        """Commits next offsets. False when the group is rebalancing: the state on the changelog covers for it.

        Raises Unrecoverable when the commit fails otherwise.
        """
        try:
            await self._thread.run(self._thread.commit_offsets(offsets), self._host.timeout_s)
        except CommitFailedError:
            return False
        except (KafkaError, TimeoutError) as error:
            raise Unrecoverable(
                f"offsets could not be committed: {type(error).__name__} {error}. The state is stored; "
                "check the broker and the rights of the group, then start again"
            ) from error
        return True

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._turn_over()
        except asyncio.CancelledError:
            # As upstream: a cancelled fetcher takes itself for crashed when a rebalance is under way.
            if not self.app.should_stop:
                raise
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except OffsetOutOfRangeError as error:
            self._host.fail(Unrecoverable(out_of_range(error)))
        except Exception as error:  # noqa: BLE001  whatever it is, records must not be passed over
            if not self.app.should_stop:
                self._host.fail(error)

    async def _turn_over(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        elif not await self._hand_on():
            await self._fetch()

    async def _fetch(self) -> None:
        turn = self.turn
        if self._starts is not None:
            starts, self._starts = self._starts, None
            await self._thread.run(self._thread.seek_all(starts), self._host.timeout_s)
        wanted = {TP(topic, partition) for partition, lanes in self.lanes.items() for topic in lanes.wanted()}
        if not wanted:
            # Every lane is full, so every partition can hand on: only an assignment without partitions comes here.
            await self.sleep(0.05)
            return
        try:
            fetched = await self._thread.run(self._thread.fetch(wanted), self._host.timeout_s)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            # Before this assignment's positions are set, aiokafka tries the committed ones, or finds none.
            if isinstance(error, OffsetOutOfRangeError) and self.turn == turn and self.flow_active:
                raise
            return
        if self.turn != turn or not self.flow_active:
            return  # positions were set anew meanwhile, or will be
        for tp, records in fetched.records.items():
            self.lanes[tp.partition].push(tp.topic, records)
        for tp, (position, highwater) in fetched.marks.items():
            if tp.partition in self.lanes and tp.topic in self._host.ranks:
                self.lanes[tp.partition].seen(tp.topic, position, highwater)

    async def _hand_on(self) -> bool:
        """Hands on what can be ordered; False when that was nothing. Waits while the agent's queue is full."""
        any_records = False
        turn = self.turn
        if self._starts is not None:
            return False
        for partition, lanes in self.lanes.items():
            records = lanes.take()
            if not records:
                continue
            any_records = True
            last = records[-1]
            tp = TP(last.topic, partition)
            message = ConsumerMessage(
                tp.topic,
                partition,
                last.offset,
                last.timestamp / 1000,
                0,
                None,
                b"",
                cast("bytes", Slice(partition, turn, records)),
                None,
                0,
                0,
                tp,
                generation_id=self.app.consumer_generation_id,
            )
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
            if not self.flow_active or self.turn != turn:
                break
        return any_records


def start_position(tp: TP, known: int | None, committed: int | None, first: int, end: int) -> int:
    """The offset from which a topic partition is read.

    Args:
        tp: For messages.
        known: Next offset by the recovered state; None when the state knows nothing of the topic.
        committed: The group's committed offset, if any.
        first: First offset that the broker still has.
        end: Next offset that the broker will give.

    Raises Unrecoverable when records between were deleted, or the log was replaced.
    """
    if known is None:
        if committed is not None and committed > first:
            raise Unrecoverable(
                f"{tp.topic}/{tp.partition}: the group has committed offset {committed}, but the changelog has no "
                "state for it: the changelog topic was deleted or recreated. Start under another BACKONTRACK_APP_ID to "
                "fold the log from its beginning"
            )
        return first
    position = known
    if position < first:
        raise Unrecoverable(
            f"{tp.topic}/{tp.partition}: records {position} to {first - 1} were deleted before they were applied. Set "
            "retention.ms=-1 on the input topics; to go on without them, start under another BACKONTRACK_APP_ID"
        )
    if position > end:
        raise Unrecoverable(
            f"{tp.topic}/{tp.partition}: applied up to {position - 1}, but the log ends at {end - 1}: the topic was "
            "deleted or lost records. Start under another BACKONTRACK_APP_ID to fold the new log from its beginning"
        )
    return position


def out_of_range(error: OffsetOutOfRangeError) -> str:
    """What to do when the broker no longer has an offset that is to be read."""
    places = ", ".join(f"{tp.topic}/{tp.partition} at {offset}" for tp, offset in dict(error.args[0]).items())
    return (
        f"offset out of range: {places}. The broker has deleted records that were not applied yet, or the topic was "
        "recreated. Check retention.ms with `backontrack topics check`; nothing was passed over"
    )
