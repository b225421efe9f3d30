"""One worker, put together: what starts, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, cast

import faust
import structlog
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams import topics, topology
from streams.metrics import Metrics, StateCollector
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer
from streams.settings import Settings
from streams.shell import failpoints, schema_lookup
from streams.shell.app import create_app
from streams.shell.audit import Audit
from streams.shell.census import Census
from streams.shell.checkpoint import Checkpointer
from streams.shell.codec import Codec
from streams.shell.consumer import MergedConsumer
from streams.shell.failure import FailStop
from streams.shell.holds import Holds
from streams.shell.in_thread import in_thread
from streams.shell.lanes import PartitionLanes
from streams.shell.letter_limit import records_before
from streams.shell.memory import Heap
from streams.shell.ownership import Ownership, copartitioned
from streams.shell.pauses import Pauses
from streams.shell.preflight import ends, patient_preflight, preflight
from streams.shell.producer import Sender
from streams.shell.progress import Offsets, Stall
from streams.shell.server import ProbeServer
from streams.shell.status import Status
from streams.shell.table import AccountTable
from streams.shell.ticks import Ticker
from streams.shell.watchdog import Watchdog, answer_timeout_s, last_resort_s
from streams.shell.yardstick import Yardstick

log = structlog.stdlib.get_logger(__name__)

_LOOK_S = 0.1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOP_S = 25.0
"""Longest time that a stop waits for the last checkpoint; it blocks no rebalance."""
# The collector walks over all accounts again and again, and finds nothing: states hold no cycles. With its default
# thresholds it took half the time of a worker with 50,000 accounts.
_COLLECT_AFTER = (100_000, 50, 100)


class _Worker(faust.Worker):
    """Tells when it begins to stop: Faust's own signal comes after steps that could wait for ever.

    Args:
        stopping: Called then.
        app: What it runs.
    """

    def __init__(self, stopping: Callable[[], None], app: faust.App, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._told = stopping

    async def stop(self) -> None:
        """Gives the partitions back, leaves the group and ends everything."""
        self._told()
        await super().stop()


class StreamWorker:
    """A worker's parts, and the hooks by which Faust moves them.

    Args:
        settings: All settings.
        policy: The policy file.
        scorer: Scores raw text.
        until_caught_up: End, with success, when all that lay in the topics at the start is applied and committed.
    """

    def __init__(self, settings: Settings, policy: Policy, scorer: Scorer | None, *, until_caught_up: bool) -> None:
        self.ranks: Mapping[str, int] = {settings.topic(name): rank for name, rank in topics.RANKS.items()}
        self.timeout_s = settings.delivery_timeout / 1000
        self._settings = settings
        self._names = {settings.topic(name): name for name in topics.RANKS}
        self._scorer = scorer.name if scorer is not None else "none"
        self._until_caught_up = until_caught_up
        self._targets: dict[TP, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        registry = CollectorRegistry()
        metrics = self.metrics = Metrics(registry)
        metrics.expect_playbooks(playbook.name for playbook in policy.playbooks)
        self.fail = FailStop()
        self.holds = Holds()
        lookup = self._lookup = schema_lookup.lookup(settings, self.holds)
        codec = Codec(settings, lookup)
        self.sender = Sender(settings, self.holds)
        pauses = Pauses(settings, self.holds, lookup, records_before)
        self.table = AccountTable(settings, codec, metrics, self.holds, pauses, self.fail)
        self.checkpointer = Checkpointer(
            settings, self.table, self.sender, codec, metrics, self._commit, self._is_member
        )
        self.ownership = Ownership(
            settings, policy, self.table, self.sender, codec, metrics, scorer, self.holds, self._is_member
        )
        self.audit = Audit(settings, self.table, self.sender, self.checkpointer, metrics, self._is_member)
        self.status = Status(settings, self.table, self.ownership, self.checkpointer, self.holds)
        self.census = Census(settings, self.table, self.checkpointer, self.status, self.holds)
        StateCollector(registry, self.census.snapshot)
        self.server = ProbeServer(registry, self.status.not_live, self.status.not_ready, self.status.holds)
        self.ticker = Ticker(settings, self.table, self.sender, codec)
        self.app = create_app(settings, self)
        self._assigned = False
        self._heap = Heap()
        self._yardstick = Yardstick(settings, answer_timeout_s(settings))
        self.watchdog = Watchdog(
            settings,
            self.holds,
            self.status.view,
            self._offsets,
            self.fail,
            self._loops,
            self._found,
            metrics.count_held,
            settle_s=self.app.conf.broker_rebalance_timeout,
            last_resort_s=last_resort_s(settings),
        )
        topology.wire(self.app, settings, self.table, self.fail)
        self.app.on_partitions_revoked.connect(self._on_revoked)
        self.app.on_rebalance_complete.connect(self._on_assigned)
        self.app.on_before_shutdown.connect(self._on_shutdown)

    # What the consumer asks and tells.

    def owns(self, partition: int) -> bool:
        """True when the partition is recovered and this worker's."""
        return partition in self.table.owned

    def next_offset(self, topic: str, partition: int) -> int | None:
        """Next offset by the recovered state; None when it knows nothing of the topic."""
        applied = self.table.owned[partition].fold.state.applied.get(self._names[topic])
        return None if applied is None else applied + 1

    def stream_time(self, partition: int) -> int:
        """Stream time of a recovered partition, ms."""
        return self.table.owned[partition].fold.state.stream_time

    def on_assignment(self) -> None:
        """The group has made an assignment; until it is revoked, it may be recovered."""
        self._assigned = True

    def on_positions(self, turn: int, lanes: Mapping[int, PartitionLanes]) -> None:
        """A new assignment begins to flow."""
        self.table.turn = turn
        self.table.lanes = lanes
        self.status.on_assigned(lanes)

    # The life of the worker.

    def run(self) -> int:
        """Runs until it is told to stop, has caught up, or fails; returns the exit code."""
        gc.set_threshold(*_COLLECT_AFTER)
        loop = self._loop = asyncio.get_event_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._asked.set)
        # Whoever waits for its end is told at once that it cannot begin.
        if self._until_caught_up and not loop.run_until_complete(
            self._unless_asked(in_thread(self._find_targets, "preflight"))
        ):
            return 0
        loop.run_until_complete(self.server.start(self._settings.metrics_host, self._settings.metrics_port))
        log.info(
            "worker starts",
            app=self._settings.app_id,
            brokers=self._settings.bootstrap_servers,
            clock=self._settings.clock,
            scorer=self._scorer,
            probes=f"http://{self._settings.metrics_host}:{self.server.port}",
        )
        if not self._until_caught_up and not loop.run_until_complete(self._unless_asked(self._begin())):
            return 0
        if not loop.run_until_complete(self._unless_asked(schema_lookup.prepare(self._settings, self._lookup))):
            return 0
        self.sender.open()  # connected by the time that the group gives out partitions
        self._spawn(self.checkpointer.emit_forever(), loop)
        self._spawn(self.checkpointer.checkpoint_forever(), loop)
        self._spawn(self.census.run(), loop)
        self._spawn(self.audit.run(), loop)
        if self._settings.clock == "wall":
            self._spawn(self.ticker.run(), loop)
        worker = _Worker(
            self.watchdog.stopping,
            self.app,
            loop=loop,
            quiet=True,
            loglevel="WARN",
            redirect_stdouts=False,
            override_logging=False,
        )
        worker.spinner = None
        self._spawn(self._stop_when_asked(worker), loop)
        if self._until_caught_up:
            self._spawn(self._stop_when_caught_up(worker), loop)
        self.watchdog.start()
        try:
            worker.execute_from_commandline()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(bool(end.code))
        finally:
            # Closed with the loop, its handlers are gone; whoever asks again gets no other answer.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self.ownership.standbys.stop()
            self.audit.close()
            self.sender.close()
            self.watchdog.stop()

    def _find_targets(self) -> None:
        """Checks what must be true, and where the logs end. Blocks; raises Unrecoverable."""
        self._targets = ends(self._settings, preflight(self._settings))

    async def _begin(self) -> None:
        """Checks what must be true, once the brokers answer. Raises Unrecoverable."""
        cancelled = threading.Event()
        try:
            await in_thread(partial(patient_preflight, self._settings, self.holds, cancelled), "preflight")
        finally:
            cancelled.set()

    async def _unless_asked(self, work: Coroutine[Any, Any, None]) -> bool:
        """Waits for work before the start; False when the worker is asked to stop meanwhile."""
        loop = asyncio.get_running_loop()
        working, asked = loop.create_task(work), loop.create_task(self._asked.wait())
        try:
            await asyncio.wait((working, asked), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                log.info("worker stopped", reason="asked to")
                return False
            working.result()
            return True
        finally:
            working.cancel()
            asked.cancel()

    async def _stop_when_asked(self, worker: faust.Worker) -> None:
        """For the moments between the checks and Faust, which takes the signals over."""
        await self._asked.wait()
        _stop(worker)

    def _spawn(self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001  nothing may be stored or committed past it
                if not self._stopping:
                    self.fail(error)

        self._tasks.append(loop.create_task(guarded(), name=getattr(work, "__qualname__", None)))

    def _loops(self) -> list[asyncio.AbstractEventLoop]:
        """The worker's event loop, and the one in which aiokafka fetches and commits, when it is there."""
        thread = getattr(self.app.consumer, "_thread", None) if self.app.started else None
        loops = (self._loop, getattr(thread, "thread_loop", None))
        return [loop for loop in loops if loop is not None and not loop.is_closed()]

    def _found(self, stall: Stall | None) -> None:
        self.status.stall = stall

    async def _stop_when_caught_up(self, worker: faust.Worker) -> None:
        while not self.status.caught_up(self._targets):  # noqa: ASYNC110  depends on many things that change
            await asyncio.sleep(_LOOK_S)
        log.info("caught up")
        if not await self.checkpointer.checkpoint():
            # A rebalance is under way. Its end brings the partitions back, or to somebody else who is as far.
            await self._stop_when_caught_up(worker)
            return
        _stop(worker)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await cast("MergedConsumer", self.app.consumer).commit_applied(offsets, self.ownership.generation)

    def _offsets(self, places: Iterable[TP]) -> dict[TP, Offsets]:
        found = self._yardstick.ask(places)
        self.status.on_offsets(found)
        return found

    async def _is_member(self) -> bool | None:
        return await cast("MergedConsumer", self.app.consumer).is_member(self.ownership.generation)

    # Faust's signals. An exception in them would be Faust's to handle, so each handles its own.

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        # Faust may tell that an assignment is complete when it was revoked meanwhile, or tell it twice.
        if not self._assigned:
            log.info("an assignment was revoked before it was recovered")
            return
        try:
            if self.table.owned:
                await self._give_back(self._settings.rebalance_timeout / 1000, park=True)
            assigned = {(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
            partitions = copartitioned(self.ranks, assigned)
            self.status.on_ownership(recovering=True)
            await self.ownership.take(partitions, self.app.consumer_generation_id, self._standbys())
            self.status.on_ownership(recovering=False)
            self._heap.settle()
        except Exception as error:  # noqa: BLE001  no record may flow into a partition that is not recovered
            self.fail(error)

    def _standbys(self) -> set[int]:
        """Partitions of others of which this worker keeps a warm copy."""
        if not self._settings.standby_replicas:
            return set()
        return {tp.partition for tp in self.app.assignor.assigned_standbys() if tp.topic in self.ranks}

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        self._assigned = False
        await self._give_back(self._settings.rebalance_timeout / 1000, park=True)

    async def _on_shutdown(self, *_: Any, **__: Any) -> None:
        self._stopping, self._assigned = True, False
        await self._give_back(max(_STOP_S, self._settings.rebalance_timeout / 1000), park=False)
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            await self.server.stop()
        log.info("worker stopped", reason="asked to")

    async def _give_back(self, within_s: float, *, park: bool) -> None:
        """Ends the work on all partitions: their last checkpoint is completed, or abandoned after `within_s`.

        Abandoned means that nothing further is written; what was stored before is complete.
        """
        failpoints.hit("rebalance")
        began, partitions = time.monotonic(), sorted(self.table.owned)
        self.ownership.cancel()
        self.status.on_ownership(recovering=False)
        # Slices under way end at their next step; what they applied is stored with the rest.
        self.table.turn = -1
        stored = False
        try:
            async with asyncio.timeout(within_s):
                stored = await self._store_and_park(park=park)
        except TimeoutError:
            log.warning("partitions given up: their last checkpoint took too long", seconds=within_s)
        except Exception as error:  # noqa: BLE001  as above
            self.fail(error)
        if not stored:
            await self.checkpointer.abandon()
        self.table.drop()
        self.checkpointer.forget()
        log.info(
            "partitions given back",
            partitions=partitions,
            stored=stored,
            seconds=round(time.monotonic() - began, 3),
        )

    async def _store_and_park(self, *, park: bool) -> bool:
        """False when anything that was applied is not stored or not committed."""
        if not await self.checkpointer.owns(0.0):
            log.warning("partitions given up without a checkpoint: the group has moved on")
            return False
        # The second one stores that the dead letters of the first have left.
        stored = await self.checkpointer.checkpoint() and await self.checkpointer.checkpoint()
        if stored and park:
            # Nobody can have claimed a partition before the ends were asked when the group counts us in after it.
            ends = await self.audit.ends()
            if await self._is_member():
                self.ownership.park(ends)
        return stored


def _stop(worker: faust.Worker) -> None:
    """As a signal does: Faust waits for a stop that it has begun itself, and cancels any other in the midst."""
    worker._schedule_shutdown(signal.SIGTERM)  # noqa: SLF001  no public way
