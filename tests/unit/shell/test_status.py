"""Progress, not existence: lag without commits is not live; a recovered, flowing worker is ready."""

import time
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams import topics
from streams.shell.census import Census
from streams.shell.lanes import PartitionLanes
from streams.shell.status import Status
from tests.support.shell import piece, settings, table, usage


class Bench:
    """Partition 0 with two usage events on the broker."""

    def __init__(self) -> None:
        self.table = table(0)
        self.ownership = SimpleNamespace(recovered=True)
        self.checkpointer = SimpleNamespace(committed_at=time.monotonic())
        parts: Any = (self.table, self.ownership, self.checkpointer)
        self.status = Status(settings(), *parts)
        made = settings()
        ranks = {made.topic(name): rank for name, rank in topics.RANKS.items()}
        starts = {name: (0, 2 if name == made.topic(topics.USAGE) else 0) for name in ranks}
        self.lanes = PartitionLanes(0, ranks, starts, 0)
        self.status.on_assigned({0: self.lanes})
        self.census = Census(made, self.table, parts[2], self.status)

    async def apply(self, *offsets: int) -> None:
        records = [usage(offset) for offset in offsets]
        self.lanes.push(records[0].topic, records)
        self.lanes.seen(records[0].topic, offsets[-1] + 1, None)
        self.lanes.take()
        await self.table.apply_slice(piece(*records))


async def test_lag_is_what_is_not_applied() -> None:
    bench = Bench()
    await bench.apply(0)
    assert bench.status.lag()[topics.USAGE, 0] == 1
    assert sum(bench.status.lag().values()) == 1


async def test_caught_up_when_all_before_the_targets_is_applied() -> None:
    bench = Bench()
    targets = {TP(settings().topic(topics.USAGE), 0): 2}
    await bench.apply(0)
    assert not bench.status.caught_up(targets)
    await bench.apply(1)
    assert bench.status.caught_up(targets)


def test_not_caught_up_before_recovery() -> None:
    bench = Bench()
    bench.ownership.recovered = False
    assert not bench.status.caught_up({})
    assert bench.status.not_ready()


def test_lag_without_commits_is_not_live() -> None:
    bench = Bench()
    assert bench.status.not_live() is None
    bench.checkpointer.committed_at -= 3_600
    bench.status._idle_at -= 3_600
    assert "2 records wait" in (bench.status.not_live() or "")


async def test_nothing_to_do_is_live_for_ever() -> None:
    bench = Bench()
    await bench.apply(0, 1)
    bench.checkpointer.committed_at -= 3_600
    bench.status._idle_at -= 3_600
    assert bench.status.not_live() is None


async def test_gauges_count_the_owned_accounts() -> None:
    bench = Bench()
    await bench.apply(0, 1)
    await bench.census.count()
    snapshot = bench.census.snapshot()
    assert sum(snapshot.accounts.values()) == 1
    assert snapshot.consumer_lag[topics.USAGE, "0"] == 0
    assert snapshot.dirty_accounts == 1
    assert list(snapshot.policy.values()) == [1]
