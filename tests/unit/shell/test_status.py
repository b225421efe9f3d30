"""Progress, not existence: what is stuck is not live; what is recovered, flows and holds for nothing is ready."""

import time
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams import topics
from streams.shell import holds as hold
from streams.shell.census import Census
from streams.shell.holds import Holds
from streams.shell.lanes import PartitionLanes
from streams.shell.progress import Offsets, Reached, Stall
from streams.shell.status import Status
from tests.support.shell import piece, settings, table, usage


class Bench:
    """Partition 0 with two usage events on the broker."""

    def __init__(self) -> None:
        self.table = table(0)
        self.ownership = SimpleNamespace(recovered=True)
        self.checkpointer = SimpleNamespace(committed_at=time.monotonic(), began=None, written=0)
        self.holds = Holds()
        parts: Any = (self.table, self.ownership, self.checkpointer, self.holds)
        self.status = Status(settings(), *parts)
        made = settings()
        ranks = {made.topic(name): rank for name, rank in topics.RANKS.items()}
        starts = {name: (0, 2 if name == made.topic(topics.USAGE) else 0) for name in ranks}
        self.lanes = PartitionLanes(0, ranks, starts, 0)
        self.status.on_assigned({0: self.lanes})
        self.census = Census(made, self.table, parts[2], self.status, self.holds)

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


async def test_lag_grows_while_nothing_is_fetched() -> None:
    """A partition that waits has full lanes; the fetcher does not learn where its log ends by now."""
    bench = Bench()
    await bench.apply(0, 1)
    place = TP(settings().topic(topics.USAGE), 0)
    bench.status.on_offsets({place: Offsets(2, 50)})
    assert bench.status.lag()[topics.USAGE, 0] == 48


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


def test_what_the_watchdog_finds_is_not_live() -> None:
    bench = Bench()
    assert bench.status.not_live() is None
    bench.status.stall = Stall("commit", "2 records wait")
    assert bench.status.not_live() == "stuck (commit): 2 records wait"
    assert bench.census.snapshot().stuck == {("commit",): 1.0}


def test_a_worker_that_holds_is_live_and_not_ready() -> None:
    bench = Bench()
    assert bench.status.not_ready() is None
    with bench.holds.during(hold.BROKER, "no broker answers"), bench.holds.during(hold.RATIO, "too many", "0"):
        assert bench.status.not_live() is None
        assert bench.status.not_ready() == "holds (broker): no broker answers\nholds (dead_letter_ratio): too many"
        assert bench.census.snapshot().holds == {(hold.BROKER,): 1.0, (hold.RATIO,): 1.0}
    assert bench.status.not_ready() is None


async def test_the_watchdog_sees_how_far_each_topic_is() -> None:
    bench = Bench()
    bench.lanes.push(settings().topic(topics.USAGE), [usage(0), usage(1)])
    bench.lanes.seen(settings().topic(topics.USAGE), 2, None)
    seen = bench.status.view().reached
    assert seen[TP(settings().topic(topics.USAGE), 0)] == Reached(2, -1, empty=False, applied=-1)
    assert seen[TP(settings().topic(topics.TICKETS), 0)] == Reached(0, -1, empty=True, applied=-1)


def test_partitions_without_lanes_are_not_hidden_from_the_watchdog() -> None:
    bench = Bench()
    bench.status.on_assigned({})
    assert bench.status.view().reached[TP(settings().topic(topics.USAGE), 0)].position == -1


async def test_gauges_count_the_owned_accounts() -> None:
    bench = Bench()
    await bench.apply(0, 1)
    await bench.census.count()
    snapshot = bench.census.snapshot()
    assert sum(snapshot.accounts.values()) == 1
    assert snapshot.consumer_lag[topics.USAGE, "0"] == 0
    assert snapshot.dirty_accounts == 1
    assert list(snapshot.policy.values()) == [1]
