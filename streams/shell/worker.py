"""One worker, put together: what starts, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Coroutine, Mapping
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
from streams.shell import failpoints
from streams.shell.app import create_app
from streams.shell.census import Census
from streams.shell.checkpoint import Checkpointer
from streams.shell.codec import Codec
from streams.shell.consumer import MergedConsumer
from streams.shell.failure import FailStop
from streams.shell.lanes import PartitionLanes
from streams.shell.ownership import Ownership, copartitioned
from streams.shell.preflight import ends, preflight
from streams.shell.producer import Sender
from streams.shell.server import ProbeServer
from streams.shell.status import Status
from streams.shell.table import AccountTable
from streams.shell.ticks import Ticker

log = structlog.stdlib.get_logger(__name__)

_LOOK_S = 0.1
# The collector walks over all accounts again and again, and finds nothing: states hold no cycles. With its default
# thresholds it took half the time of a worker with 50,000 accounts.
_COLLECT_AFTER = (100_000, 50, 100)


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
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        metrics.expect_playbooks(playbook.name for playbook in policy.playbooks)
        codec = Codec(settings)
        self.fail = FailStop()
        self.sender = Sender(settings)
        self.table = AccountTable(settings, codec, metrics)
        self.checkpointer = Checkpointer(settings, self.table, self.sender, codec, metrics, self._commit)
        self.ownership = Ownership(settings, policy, self.table, self.sender, codec, metrics, scorer)
        self.status = Status(settings, self.table, self.ownership, self.checkpointer)
        self.census = Census(settings, self.table, self.checkpointer, self.status)
        StateCollector(registry, self.census.snapshot)
        self.server = ProbeServer(registry, self.status.not_live, self.status.not_ready)
        self.ticker = Ticker(settings, self.table, self.sender, codec)
        self.app = create_app(settings, self)
        topology.wire(self.app, settings, self.table, self.fail)
        self.app.on_partitions_revoked.connect(self._on_revoked)
        self.app.on_rebalance_complete.connect(self._on_assigned)
        self.app.on_before_shutdown.connect(self._on_shutdown)

    # What the consumer asks and tells.

    def next_offset(self, topic: str, partition: int) -> int | None:
        """Next offset by the recovered state; None when it knows nothing of the topic."""
        applied = self.table.owned[partition].fold.state.applied.get(self._names[topic])
        return None if applied is None else applied + 1

    def stream_time(self, partition: int) -> int:
        """Stream time of a recovered partition, ms."""
        return self.table.owned[partition].fold.state.stream_time

    def on_positions(self, turn: int, lanes: Mapping[int, PartitionLanes]) -> None:
        """A new assignment begins to flow."""
        self.table.turn = turn
        self.status.on_assigned(lanes)

    # The life of the worker.

    def run(self) -> int:
        """Runs until it is told to stop, has caught up, or fails; returns the exit code."""
        gc.set_threshold(*_COLLECT_AFTER)
        partitions = preflight(self._settings)
        self._targets = ends(self._settings, partitions)
        loop = asyncio.get_event_loop()
        loop.run_until_complete(self.server.start(self._settings.metrics_host, self._settings.metrics_port))
        log.info(
            "worker starts",
            app=self._settings.app_id,
            brokers=self._settings.bootstrap_servers,
            clock=self._settings.clock,
            scorer=self._scorer,
            probes=f"http://{self._settings.metrics_host}:{self.server.port}",
        )
        self._spawn(self.checkpointer.emit_forever(), loop)
        self._spawn(self.checkpointer.checkpoint_forever(), loop)
        self._spawn(self.census.run(), loop)
        if self._settings.clock == "wall":
            self._spawn(self.ticker.run(), loop)
        worker = faust.Worker(
            self.app, loop=loop, quiet=True, loglevel="WARN", redirect_stdouts=False, override_logging=False
        )
        worker.spinner = None
        if self._until_caught_up:
            self._spawn(self._stop_when_caught_up(worker), loop)
        try:
            worker.execute_from_commandline()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(bool(end.code))
        finally:
            self.sender.close()

    def _spawn(self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001  nothing may be stored or committed past it
                if not self._stopping:
                    self.fail(error)

        self._tasks.append(loop.create_task(guarded()))

    async def _stop_when_caught_up(self, worker: faust.Worker) -> None:
        while not self.status.caught_up(self._targets):  # noqa: ASYNC110  depends on many things that change
            await asyncio.sleep(_LOOK_S)
        log.info("caught up")
        if not await self.checkpointer.checkpoint():
            # A rebalance is under way. Its end brings the partitions back, or to somebody else who is as far.
            await self._stop_when_caught_up(worker)
            return
        asyncio.get_running_loop().create_task(worker.stop())

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await cast("MergedConsumer", self.app.consumer).commit_applied(offsets)

    # Faust's signals. An exception in them would be Faust's to handle, so each handles its own.

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        try:
            assigned = {(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
            partitions = copartitioned(self.ranks, assigned)
            await self.ownership.take(partitions, self.app.consumer_generation_id)
            gc.freeze()
        except Exception as error:  # noqa: BLE001  no record may flow into a partition that is not recovered
            self.fail(error)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        await self._give_back()

    async def _on_shutdown(self, *_: Any, **__: Any) -> None:
        self._stopping = True
        await self._give_back()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            await self.server.stop()
        log.info("worker stopped", reason="asked to")

    async def _give_back(self) -> None:
        failpoints.hit("rebalance")
        self.ownership.cancel()
        # Slices under way end at their next step; what they applied is stored with the rest.
        self.table.turn = -1
        try:
            if await self.checkpointer.owns(0.0):
                await self.checkpointer.checkpoint()
            else:
                log.warning("partitions given up without a checkpoint: the group has moved on")
        except Exception as error:  # noqa: BLE001  as above
            self.fail(error)
        self.table.drop()
        self.checkpointer.forget()
