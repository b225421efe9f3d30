"""Fail-stop, agents, ticks, co-partitioning, epochs."""

import time
from collections.abc import AsyncIterator
from typing import cast

import pytest

from streams import topics
from streams.shell import agents
from streams.shell.changelog import epoch_of, state_record
from streams.shell.codec import Codec
from streams.shell.failure import FailStop, Unrecoverable
from streams.shell.lanes import Slice
from streams.shell.ownership import copartitioned
from streams.shell.producer import Sender
from streams.shell.table import AccountTable
from streams.shell.ticks import Ticker
from tests.support.shell import START, RecordingSender, piece, settings, table, usage


def test_fail_stop_leaves_once_with_code_one() -> None:
    codes: list[int] = []
    fail = FailStop(codes.append)
    fail(Unrecoverable("first"))
    fail(Unrecoverable("second"))
    assert codes == [1]
    assert fail.reason == "first"


async def test_agent_stops_the_worker_when_the_fold_fails() -> None:
    """Faust would acknowledge the record and restart the agent behind it."""

    class Broken(AccountTable):
        async def apply_slice(self, piece: Slice) -> None:
            raise ArithmeticError(piece.partition)

    made = settings()
    from prometheus_client import CollectorRegistry  # noqa: PLC0415  only here

    from streams.metrics import Metrics  # noqa: PLC0415  only here

    codes: list[int] = []
    agent = agents.accounts(Broken(made, Codec(made), Metrics(CollectorRegistry())), FailStop(codes.append))

    async def slices() -> AsyncIterator[Slice]:
        yield piece(usage(0))

    await agent(slices())
    assert codes == [1]


def test_partitions_are_those_with_all_their_topics() -> None:
    assert copartitioned(["u", "t"], [("u", 1), ("t", 1), ("other", 4)]) == {1}


def test_partition_without_one_of_its_topics_is_refused() -> None:
    with pytest.raises(Unrecoverable, match="partition 2 is assigned without t"):
        copartitioned(["u", "t"], [("u", 1), ("t", 1), ("u", 2)])


def test_epoch_is_read_back_from_the_record() -> None:
    made = state_record("c", 0, b"a", b"v", 41)
    assert epoch_of(made.headers) == 41
    assert epoch_of(list((made.headers or {}).items())) == 41
    assert epoch_of(None) == 0


class Quiet:
    """A ticker over one partition that was last applied to at 100 s."""

    def __init__(self) -> None:
        self.table = table(0)
        self.table.owned[0].applied_at = 100.0
        self.table.owned[0].fold.state.stream_time = START
        self.sender = RecordingSender()
        made = settings()
        self.ticker = Ticker(made, self.table, cast("Sender", self.sender), Codec(made))


async def test_quiet_partition_gets_a_tick_at_the_time_of_the_clock() -> None:
    quiet = Quiet()
    assert await quiet.ticker.tick(101.0, START + 5_000) == 1
    [tick] = quiet.sender.steps[0]
    assert (tick.topic, tick.partition, tick.timestamp) == ("x-partition-control", 0, START + 5_000)
    assert tick.value is not None
    event = Codec(settings()).decode(topics.CONTROL, tick.value)
    assert (event["kind"], event["at"]) == ("tick", START + 5_000)


@pytest.mark.parametrize(("clock", "now"), [(100.5, START + 5_000), (101.0, START)])
async def test_no_tick_while_records_flow_or_time_stands(clock: float, now: int) -> None:
    assert await Quiet().ticker.tick(clock, now) == 0


async def test_at_most_one_tick_a_second() -> None:
    quiet = Quiet()
    ticks = [await quiet.ticker.tick(101.0 + step / 4, START + 5_000) for step in range(8)]
    assert sum(ticks) == 2


async def test_monotonic_clock_of_new_partitions_is_now() -> None:
    """A partition that was just taken over gets its first tick after a second, not at once."""
    assert time.monotonic() - table(0).owned[0].applied_at < 5
