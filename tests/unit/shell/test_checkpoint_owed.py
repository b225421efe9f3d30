"""What is not written stays owed: steps that fail, end in an outage, or are given up with the partitions."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from streams import topics
from streams.shell import trace
from streams.shell.checkpoint import Checkpointer
from streams.shell.failure import Abandoned, Unrecoverable
from streams.shell.outgoing import Outgoing
from streams.shell.state_codec import decode_account
from tests.support.shell import RecordingSender, piece, record, usage
from tests.unit.shell.test_checkpoint import CHANGELOG, Bench

CALLS = 8
"""One more than the calls of `flush` and `lease` in the checkpoint of `_bench`."""


class Breaking(RecordingSender):
    """Fails, or never answers, at the nth of its waits; what was handed over before it is not acknowledged."""

    def __init__(self, at: int, error: BaseException | None) -> None:
        super().__init__()
        self.at = at
        self.error = error
        self.waits = 0
        self.reached = asyncio.Event()
        self.purged = False

    async def _wait(self) -> None:
        self.waits += 1
        if self.waits == self.at:
            self.reached.set()
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()

    async def flush(self) -> None:
        await self._wait()
        await super().flush()

    async def lease(self, rows: Iterable[Outgoing]) -> set[bytes]:
        await self._wait()
        return await super().lease(rows)

    def purge(self) -> None:
        self.purged = True


class Expiring(RecordingSender):
    """The first `times` leases end without an acknowledgement of account b's row."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def lease(self, rows: Iterable[Outgoing]) -> set[bytes]:
        rows = list(rows)
        if rows and self.times:
            self.times -= 1
            await super().lease(row for row in rows if row.key != b"b")
            return {b"b"} & {row.key or b"" for row in rows}
        return await super().lease(rows)


async def _bench(sender: Any) -> Bench:
    """Two accounts, one with an output, and a dead letter."""
    bench = Bench()
    await bench.table.apply_slice(piece(usage(0), usage(1, account="b"), record(topics.USAGE, 2, b"?")))
    bench.decide("a")
    _use(bench, sender)
    return bench


def _use(bench: Bench, sender: Any) -> None:
    bench.sender = sender
    bench.checkpointer._sender = sender


def _stored(sender: RecordingSender) -> dict[bytes, bytes]:
    return {item.key: item.value for step in sender.steps for item in step if item.topic == CHANGELOG}


def _sent(sender: RecordingSender, topic: str) -> list[bytes]:
    return [item.key or b"" for step in sender.steps for item in step if item.topic == "x-" + topic]


async def _is_whole(bench: Bench) -> None:
    """A further checkpoint, on brokers that answer, writes everything."""
    before, sender = bench.sender, RecordingSender()
    _use(bench, sender)
    assert await bench.checkpointer.checkpoint()
    await bench.checkpointer.checkpoint()
    stored = _stored(sender)
    assert set(stored) >= {b"a", b"b", b"\x00partition"}
    assert not decode_account(stored[b"a"]).outbox
    assert set(_sent(before, topics.HEALTH) + _sent(sender, topics.HEALTH)) == {b"a", b"b"}
    assert bench.commits.made[-1]


async def test_number_of_waits_is_the_one_that_these_tests_go_through() -> None:
    sender = Breaking(0, None)
    bench = await _bench(sender)
    await bench.checkpointer.checkpoint()
    assert sender.waits == CALLS - 1


@pytest.mark.parametrize("at", range(1, 4))
async def test_output_is_owed_until_it_is_acknowledged(at: int) -> None:
    bench = await _bench(Breaking(at, Unrecoverable("no")))
    with pytest.raises(Unrecoverable):
        await bench.checkpointer.checkpoint()
    assert bench.table.owned[0].waiting == {"a"}
    assert [output.value for output in bench.fold.accounts["a"].outbox] == [b"output"]
    await _is_whole(bench)


@pytest.mark.parametrize("at", range(4, CALLS))
async def test_state_is_owed_until_its_checkpoint_is_complete(at: int) -> None:
    bench = await _bench(Breaking(at, Unrecoverable("no")))
    with pytest.raises(Unrecoverable):
        await bench.checkpointer.checkpoint()
    assert bench.fold.dirty == {"a", "b"}
    assert bench.table.owned[0].changed
    assert len(bench.fold.state.outbox) == 1, "the dead letter has not left"
    assert bench.commits.made == []
    sender = RecordingSender()
    _use(bench, sender)
    await bench.checkpointer.checkpoint()
    assert set(_stored(sender)) == {b"a", b"b", b"\x00partition"}
    assert len(_sent(sender, topics.DEAD_LETTERS)) == 1


@pytest.mark.parametrize("at", range(1, CALLS))
async def test_row_is_owed_until_it_is_acknowledged(at: int) -> None:
    breaking = Breaking(at, Unrecoverable("no"))
    bench = await _bench(breaking)
    with pytest.raises(Unrecoverable):
        await bench.checkpointer.checkpoint()
    owed = {key.encode() for key in bench.fold.health_changed}
    acknowledged = {row.key for step in breaking.steps[:-1] for row in step if row.topic == "x-account-health"}
    # In an emit a row can be acknowledged before the output beside it; it is then in the step that never ended.
    acknowledged |= {row.key for row in breaking.steps[-1] if row.topic == "x-account-health"}
    assert owed | acknowledged == {b"a", b"b"}


@pytest.mark.parametrize("at", range(1, CALLS))
async def test_cancelled_checkpoint_leaves_everything_owed(at: int) -> None:
    sender = Breaking(at, None)
    bench = await _bench(sender)
    task = asyncio.ensure_future(bench.checkpointer.checkpoint())
    await sender.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.commits.made == []
    assert bench.table.owned[0].waiting == {"a"} or bench.fold.dirty == {"a", "b"}
    sender = RecordingSender()
    _use(bench, sender)
    assert await bench.checkpointer.checkpoint()
    assert {b"a", b"b", b"\x00partition"} <= set(_stored(sender))
    assert bench.commits.made


@pytest.mark.parametrize("at", range(1, CALLS))
async def test_abandoned_checkpoint_writes_nothing_further(at: int) -> None:
    sender = Breaking(at, None)
    bench = await _bench(sender)
    task = asyncio.ensure_future(bench.checkpointer.checkpoint())
    await sender.reached.wait()
    written = sum(map(len, sender.steps))
    await bench.checkpointer.abandon()
    assert sender.purged
    assert await task is False
    assert await bench.checkpointer.checkpoint() is False, "nothing is written before the partitions are forgotten"
    assert sum(map(len, sender.steps)) == written
    assert bench.commits.made == []


async def test_checkpoint_that_waits_its_turn_is_abandoned_as_well() -> None:
    sender = Breaking(1, None)
    bench = await _bench(sender)
    tasks = [asyncio.ensure_future(bench.checkpointer.checkpoint()) for _ in range(2)]
    await sender.reached.wait()
    await bench.checkpointer.abandon()
    assert await asyncio.gather(*tasks) == [False, False]
    assert sender.waits == 1


async def test_purged_sender_ends_the_checkpoint_without_an_error() -> None:
    bench = await _bench(Breaking(5, Abandoned()))
    assert await bench.checkpointer.checkpoint() is False
    assert bench.fold.dirty == {"a", "b"}


async def test_writing_goes_on_after_partitions_were_forgotten(bench: Bench) -> None:
    await bench.checkpointer.abandon()
    bench.checkpointer.forget()
    assert await bench.checkpointer.checkpoint()
    assert bench.commits.made


async def test_row_that_outlived_its_lease_is_rendered_anew_before_its_state_is_stored(bench: Bench) -> None:
    sender = Expiring(2)
    _use(bench, sender)
    assert await bench.checkpointer.checkpoint()
    order = [(item.topic, item.key) for step in sender.steps for item in step]
    assert order.index(("x-account-health", b"b")) < order.index((CHANGELOG, b"b"))
    assert _sent(sender, topics.HEALTH) == [b"a", b"b"], "the row that was acknowledged is not sent again"
    assert bench.fold.health_changed == set()


async def test_order_that_was_told_by_states_that_were_not_sent_is_told_by_those_that_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "ON", True)
    sender = Expiring(1)
    _use(bench, sender)
    await bench.table.apply_slice(piece(usage(2, account="b")))
    assert await bench.checkpointer.checkpoint()
    states = [item for step in sender.steps for item in step if item.topic == CHANGELOG and item.key in {b"a", b"b"}]
    assert [dict(item.headers or ())[trace.HEADER] for item in states] == [b"1|0|2:2", b"1|1|"]


async def test_row_that_outlived_its_lease_in_an_emit_is_left_to_the_checkpoint(bench: Bench) -> None:
    sender = Expiring(1)
    _use(bench, sender)
    bench.decide("b")
    await bench.checkpointer.emit()
    assert bench.fold.accounts["b"].outbox == []
    assert "b" in bench.fold.health_changed
    await bench.checkpointer.checkpoint()
    assert _sent(sender, topics.HEALTH) == [b"a", b"b"]


async def test_worker_that_lost_the_group_during_a_lease_stores_nothing(bench: Bench) -> None:
    await bench.checkpointer.checkpoint()
    await bench.table.apply_slice(piece(usage(2, account="b")))
    bench.fold.health_changed.add("b")
    sender = Expiring(9)
    _use(bench, sender)
    bench.commits.rebalancing = True
    assert not await bench.checkpointer.checkpoint()
    assert _stored(sender) == {}
    assert bench.fold.dirty == {"b"}
    assert "b" in bench.fold.health_changed


async def test_emit_and_checkpoint_never_overlap(bench: Bench) -> None:
    running = 0
    original = bench.sender.flush

    async def flush() -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        await original()
        running -= 1

    bench.sender.flush = flush  # type: ignore[method-assign]
    bench.decide("a")
    await asyncio.gather(bench.checkpointer.emit(), bench.checkpointer.checkpoint(), bench.checkpointer.emit())


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.table.apply_slice(piece(usage(0), usage(1, account="b")))
    assert isinstance(made.checkpointer, Checkpointer)
    return made
