"""Faust's consumer, reading all account topics of a partition as one merged log.

What Faust does record by record is replaced as a whole: the drain loop hands one slice of merged records at a time to
the agent, offsets are never acknowledged to Faust, and only `commit_applied` commits. `tests/unit/shell/
test_faust_hooks.py` holds every overridden method to the version that was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any, cast

import structlog
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from streams.shell.consumer_thread import GROUP, Fetched, MergedConsumerThread, pauses
from streams.shell.failure import Cure, Unrecoverable
from streams.shell.group import Moved, cure, fenced
from streams.shell.holds import BROKER, COMMITTING, DENIED, PATIENCE_S
from streams.shell.host import Host, Hosted
from streams.shell.lanes import PartitionLanes, Slice
from streams.shell.namesake import Namesakes, namesake
from streams.shell.positions import out_of_range, start_position

log = structlog.stdlib.get_logger(__name__)

_LOOK_S = 0.5
"""Between two looks at what aiokafka does in the background."""
_TELL_AGAIN_S = 30.0
_PAUSE_S = 0.2
_FETCH, _POSITIONS = "fetch", "positions"


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
        self._unplaced = False
        self._denied_at = 0.0

    @property
    def _host(self) -> Host:
        return cast("Hosted", self.app).host

    def _new_consumer_thread(self) -> MergedConsumerThread:
        return MergedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: TP) -> None:
        """Nothing: Faust has no offsets of its own to commit."""

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """The group has made an assignment, which is recovered next."""
        self._host.on_assignment()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Lets the drain loop find where each partition continues.

        Called by Faust when an assignment is complete and recovered. It would take a call that waits for the brokers
        longer than it is patient itself for the end of the worker, and never resume.
        """
        self.turn += 1
        self.lanes = {}
        self._starts = None
        self._unplaced = True

    async def is_member(self, generation: int) -> bool | None:
        """Whether the group still counts this worker in, in this generation; None when nobody answers."""
        try:
            return await self._thread.run(self._thread.is_member(generation), self._host.timeout_s)
        except (KafkaError, TimeoutError):
            return None

    async def commit_applied(self, offsets: Mapping[TP, int], generation: int) -> bool:
        """Commits next offsets of what was taken over in a generation, however long the brokers are away.

        False when the group is rebalancing or has moved on: the state on the changelog covers for it. Raises
        Unrecoverable when the commit can never succeed.
        """
        host = self._host
        count = host.metrics.commits.labels
        again = pauses()
        try:
            with host.holds.after(PATIENCE_S, BROKER, "offsets cannot be committed", COMMITTING):
                while not self.should_stop:
                    try:
                        await self._thread.run(self._thread.commit_offsets(offsets, generation), host.timeout_s)
                    except Moved:
                        count("rebalancing").inc()
                        return False
                    except (KafkaError, TimeoutError) as error:
                        count("retried").inc()
                        self._judge(error, "offsets cannot be committed", COMMITTING)
                        await asyncio.sleep(next(again))
                    else:
                        count("committed").inc()
                        return True
                return False
        finally:
            host.holds.off(DENIED, COMMITTING)

    def _judge(self, error: BaseException, what: str, part: str) -> None:
        """Begins a hold when somebody has to grant a right. Raises Unrecoverable when nothing heals the error."""
        healed_by = cure(error)
        text = f"{what}: {type(error).__name__} {error}"
        if healed_by is Cure.RIGHT:
            self._host.holds.on(DENIED, text, part)
        elif fenced(error):
            raise namesake(cast("Hosted", self.app).settings.group_instance_id) from error
        elif healed_by is Cure.NONE:
            raise Unrecoverable(
                f"{text}. What was applied is stored; check the broker and the rights of the group, then start again"
            ) from error

    @Service.task
    async def _look_after_group(self) -> None:
        """Nobody else asks aiokafka how its background work fares; an error that is not asked for stops it."""
        unknown_since: float | None = None
        told = 0.0
        holds = self._host.holds
        namesakes = Namesakes(cast("Hosted", self.app).settings.group_instance_id)
        while not self.should_stop:
            await asyncio.sleep(_LOOK_S)
            with contextlib.suppress(TimeoutError, ConsumerNotStarted):
                trouble, known, member = await self._thread.run(self._thread.look_after(), self._host.timeout_s)
                now = time.monotonic()
                unknown_since = None if known else unknown_since or now
                if trouble is not None and now - told > _TELL_AGAIN_S:
                    told = now
                    log.warning("group membership failed and is tried again", error=f"{trouble!r}")
                try:
                    namesakes.look(member, now)
                    if trouble is not None:
                        self._judge(trouble, "the group cannot be joined", GROUP)
                except Unrecoverable as error:
                    self._host.fail(error)
                if trouble is None and known:
                    holds.off(DENIED, GROUP)
                if unknown_since is not None and now - unknown_since > PATIENCE_S:
                    holds.on(BROKER, "no broker leads the group", GROUP)
                elif known:
                    holds.off(BROKER, GROUP)

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
        elif self._unplaced:
            await self._place()
        elif self._host.holds.reading_waits:
            await self.sleep(_PAUSE_S)
        elif not await self._hand_on():
            await self._fetch()

    async def _place(self) -> None:
        """Finds where each partition continues, and lets its records flow from there.

        Positions come from the recovered state, and where there is none from the log's start.
        """
        turn, host = self.turn, self._host
        ranks = host.ranks
        # A worker that the group no longer counts in has recovered nothing; its next assignment is on the way.
        assigned = [tp for tp in self.assignment() if tp.topic in ranks and host.owns(tp.partition)]
        bounds = await self._bounds(turn, assigned)
        if bounds is None or self.turn != turn or not self.flow_active:
            return
        if not all(host.owns(tp.partition) for tp in assigned):
            return  # given back meanwhile, before Faust stopped the flow
        starts: dict[TP, int] = {}
        lanes: dict[int, PartitionLanes] = {}
        for partition in sorted({tp.partition for tp in assigned}):
            found: dict[str, tuple[int, int]] = {}
            for topic in ranks:
                tp = TP(topic, partition)
                done, first, end = bounds[tp]
                position = start_position(tp, host.next_offset(topic, partition), done, first, end)
                starts[tp] = position
                found[topic] = (position, end)
            lanes[partition] = PartitionLanes(partition, ranks, found, host.stream_time(partition))
        self.lanes = lanes
        self._starts = starts
        self._unplaced = False
        host.on_positions(turn, lanes)

    async def _bounds(self, turn: int, assigned: list[TP]) -> dict[TP, tuple[int | None, int, int]] | None:
        """As soon as the brokers tell; None when the assignment is over before."""
        host = self._host
        again = pauses()
        what = "the positions of the input topics are not known"
        try:
            with host.holds.after(PATIENCE_S, BROKER, what, _POSITIONS):
                while self.turn == turn and self.flow_active and not self.should_stop:
                    try:
                        return await self._thread.run(self._thread.bounds(assigned), host.timeout_s)
                    except (KafkaError, TimeoutError) as error:
                        self._judge(error, what, _POSITIONS)
                        await self.sleep(next(again))
            return None
        finally:
            host.holds.off(DENIED, _POSITIONS)

    async def _fetch(self) -> None:
        turn = self.turn
        await self._seek_starts()
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
        except TimeoutError:
            return  # aiokafka waits for an assignment, which an outage can delay for as long as it lasts
        except KafkaError as error:
            self._judge(error, "the input topics cannot be read", _FETCH)
            self._denied_at = time.monotonic()
            await self.sleep(_LOOK_S)
            return
        self._hear(fetched)
        if self.turn != turn or not self.flow_active:
            return  # positions were set anew meanwhile, or will be
        for tp, records in fetched.records.items():
            self.lanes[tp.partition].push(tp.topic, records)
        for tp, (position, highwater) in fetched.marks.items():
            if tp.partition in self.lanes and tp.topic in self._host.ranks:
                self.lanes[tp.partition].seen(tp.topic, position, highwater)

    async def _seek_starts(self) -> None:
        if self._starts is not None:
            starts, self._starts = self._starts, None
            await self._thread.run(self._thread.seek_all(starts), self._host.timeout_s)

    def _hear(self, fetched: Fetched) -> None:
        """Tells an outage from quiet topics: brokers answer a fetch within moments, also when there is no record."""
        holds = self._host.holds
        if not fetched.records and fetched.answered and time.time() - fetched.answered > PATIENCE_S:
            holds.on(BROKER, "no broker answers", _FETCH)
        else:
            holds.off(BROKER, _FETCH)
        if time.monotonic() - self._denied_at > PATIENCE_S:
            holds.off(DENIED, _FETCH)

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
