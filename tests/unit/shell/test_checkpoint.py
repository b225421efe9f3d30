"""Emit and checkpoint: what is acknowledged before what, and what stays when a step does not happen."""

import asyncio
import time
from collections.abc import Mapping
from typing import cast

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams import topics
from streams.domain.outputs import OutboxRecord
from streams.metrics import Metrics
from streams.shell.changelog import PARTITION_KEY, epoch_of
from streams.shell.checkpoint import Checkpointer
from streams.shell.codec import Codec
from streams.shell.dead_letters import size
from streams.shell.failure import Unrecoverable
from streams.shell.producer import Sender
from streams.shell.state_codec import decode_account, decode_partition
from streams.shell.table import AccountTable
from tests.support.shell import START, RecordingSender, piece, record, settings, table, usage

CHANGELOG = topics.changelog("app")


class Commits:
    """Keeps what is committed; refuses while `rebalancing`."""

    def __init__(self) -> None:
        self.made: list[dict[TP, int]] = []
        self.rebalancing = False

    async def __call__(self, offsets: Mapping[TP, int]) -> bool:
        if not self.rebalancing:
            self.made.append(dict(offsets))
        return not self.rebalancing


class Bench:
    """A table with one partition, and its checkpointer."""

    def __init__(self, made: AccountTable | None = None) -> None:
        self.table = made or table(0)
        self.sender = RecordingSender()
        self.commits = Commits()
        self.answers: list[bool | None] = []
        chosen = settings()
        self.checkpointer = Checkpointer(
            chosen,
            self.table,
            cast("Sender", self.sender),
            Codec(chosen),
            Metrics(CollectorRegistry()),
            self.commits,
            self.asked,
        )

    async def asked(self) -> bool | None:
        """What the group says of the membership, from the last answer to the first; then that all is well."""
        return self.answers.pop() if self.answers else True

    @property
    def fold(self):  # type: ignore[no-untyped-def]  # noqa: ANN201  tests are not type-checked
        return self.table.owned[0].fold

    def decide(self, account: str, value: bytes = b"output") -> None:
        """As if a step had decided an output."""
        self.fold.accounts[account].outbox.append(
            OutboxRecord(topics.INTERVENTIONS, account.encode(), value, {}, START)
        )
        self.table.owned[0].waiting.add(account)


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.table.apply_slice(piece(usage(0), usage(1, account="b")))
    return made


async def test_emit_stores_the_state_with_its_outbox_before_it_sends_it(bench: Bench) -> None:
    bench.decide("a")
    await bench.checkpointer.emit()
    assert bench.sender.topics()[0] == {CHANGELOG}
    [stored] = bench.sender.steps[0]
    assert [output.value for output in decode_account(stored.value).outbox] == [b"output"]
    assert "x-interventions" in bench.sender.topics()[1]
    assert bench.fold.accounts["a"].outbox == []
    assert "a" in bench.fold.dirty, "the cleared outbox is not stored yet"


@pytest.mark.parametrize("what", ["emit", "checkpoint"])
async def test_nothing_is_stored_in_the_midst_of_a_record(bench: Bench, what: str) -> None:
    bench.decide("a")
    bench.fold.advancing = True
    writing = asyncio.ensure_future(getattr(bench.checkpointer, what)())
    await asyncio.sleep(0.05)
    assert bench.sender.topics() == []
    bench.fold.advancing = False
    await bench.table.apply_slice(piece(usage(2)))
    await asyncio.wait_for(writing, 5)
    assert bench.sender.topics()[0] == {CHANGELOG}


async def test_output_decided_while_an_emit_is_under_way_stays(bench: Bench) -> None:
    bench.decide("a", b"first")
    original = bench.sender.flush

    async def flush() -> None:
        await original()
        if not bench.table.owned[0].waiting:
            bench.decide("a", b"second")

    bench.sender.flush = flush  # type: ignore[method-assign]
    await bench.checkpointer.emit()
    assert [output.value for output in bench.fold.accounts["a"].outbox] == [b"second"]
    assert bench.table.owned[0].waiting == {"a"}


async def test_checkpoint_goes_rows_accounts_partition_letters_offsets(bench: Bench) -> None:
    await bench.table.apply_slice(piece(record(topics.USAGE, 2, b"?")))
    assert bench.fold.health_changed
    await bench.checkpointer.checkpoint()
    assert bench.sender.topics() == [{"x-account-health"}, {CHANGELOG}, {CHANGELOG}, {"x-dead-letters"}]
    _, accounts, partition, _, *_ = bench.sender.steps
    assert [stored.key for stored in accounts] == [b"a", b"b"]
    assert [stored.key for stored in partition] == [PARTITION_KEY]
    state = decode_partition(partition[0].value)
    assert state.applied == {topics.USAGE: 2}
    assert len(state.outbox) == 1, "a letter is stored before it is sent"
    assert bench.commits.made == [{TP("x-usage-events", 0): 3}]


async def test_everything_on_the_changelog_carries_the_owners_number(bench: Bench) -> None:
    await bench.checkpointer.checkpoint()
    stored = [item for step in bench.sender.steps for item in step if item.topic == CHANGELOG]
    assert {epoch_of(item.headers) for item in stored} == {7}


async def test_offsets_are_those_of_the_snapshot(bench: Bench) -> None:
    """What is applied while a checkpoint writes is committed by the next one."""
    original = bench.sender.flush

    async def flush() -> None:
        await original()
        if bench.fold.state.applied[topics.USAGE] < 2:
            await bench.table.apply_slice(piece(usage(2)))

    bench.sender.flush = flush  # type: ignore[method-assign]
    await bench.checkpointer.checkpoint()
    await bench.checkpointer.checkpoint()
    assert bench.commits.made == [{TP("x-usage-events", 0): 2}, {TP("x-usage-events", 0): 3}]


async def test_nothing_changed_writes_nothing(bench: Bench) -> None:
    await bench.checkpointer.checkpoint()
    steps = len(bench.sender.steps)
    assert await bench.checkpointer.checkpoint()
    assert len(bench.sender.steps) == steps
    assert len(bench.commits.made) == 1


async def test_commit_refused_in_a_rebalance_is_made_up_for(bench: Bench) -> None:
    bench.commits.rebalancing = True
    assert not await bench.checkpointer.checkpoint()
    bench.commits.rebalancing = False
    assert await bench.checkpointer.checkpoint()
    assert bench.commits.made == [{TP("x-usage-events", 0): 2}]


async def test_failed_send_commits_nothing(bench: Bench) -> None:
    async def fail() -> None:
        raise Unrecoverable("not acknowledged")

    bench.sender.flush = fail  # type: ignore[method-assign]
    with pytest.raises(Unrecoverable):
        await bench.checkpointer.checkpoint()
    assert bench.commits.made == []


async def test_worker_whose_session_is_over_holds_its_outputs_back(bench: Bench) -> None:
    await bench.checkpointer.checkpoint()
    bench.commits.rebalancing = True
    bench.decide("a")
    bench.checkpointer.owns = lambda _since: bench.commits({})  # type: ignore[method-assign]
    await bench.checkpointer.emit()
    assert "x-interventions" not in {topic for step in bench.sender.topics() for topic in step}
    assert len(bench.fold.accounts["a"].outbox) == 1


async def test_membership_is_asked_for_only_after_long(bench: Bench) -> None:
    await bench.checkpointer.checkpoint()
    bench.commits.rebalancing = True
    assert await bench.checkpointer.owns(time.monotonic())
    assert not await bench.checkpointer.owns(time.monotonic() - 3600)


async def test_membership_of_a_worker_that_has_committed_nothing_is_asked_for_too(bench: Bench) -> None:
    """It was held still before its first checkpoint: what it sends afterwards may not be its own any more."""
    bench.answers = [False, None]
    assert not await bench.checkpointer.owns(time.monotonic() - 3600)
    assert not bench.answers


async def test_outbox_that_was_sent_is_stored_empty_by_the_next_checkpoint(bench: Bench) -> None:
    """Else every recovery would send it again for as long as nothing happens to the account."""
    await bench.checkpointer.checkpoint()
    bench.decide("a")
    await bench.checkpointer.emit()
    assert bench.fold.dirty == {"a"}
    await bench.checkpointer.checkpoint()
    stored = [item for step in bench.sender.steps for item in step if item.topic == CHANGELOG and item.key == b"a"]
    assert [len(decode_account(item.value).outbox) for item in stored] == [0, 1, 0]


async def test_dead_letter_that_comes_during_a_checkpoint_leaves_with_the_next(bench: Bench) -> None:
    """It is stored before it is sent, like every other."""
    await bench.table.apply_slice(piece(record(topics.USAGE, 2, b"first")))
    original = bench.sender.flush

    async def flush() -> None:
        await original()
        if bench.fold.state.applied[topics.USAGE] < 3:
            await bench.table.apply_slice(piece(record(topics.USAGE, 3, b"second")))

    bench.sender.flush = flush  # type: ignore[method-assign]
    await bench.checkpointer.checkpoint()
    assert [letter.value for letter in bench.fold.state.outbox] == [b"second"]
    assert bench.table.owned[0].letter_bytes == sum(size(left) for left in bench.fold.state.outbox)
    await bench.checkpointer.checkpoint()
    sent = [item.value for step in bench.sender.steps for item in step if item.topic == "x-dead-letters"]
    assert sent == [b"first", b"second"]
    assert bench.fold.state.outbox == []
    assert bench.table.owned[0].letter_bytes == 0


async def test_rows_that_were_held_back_are_still_owed(bench: Bench) -> None:
    """A worker that turns out to be a member after all sends them with the next emit."""
    bench.decide("a")
    bench.commits.rebalancing = True
    real, bench.checkpointer.owns = bench.checkpointer.owns, lambda _since: bench.commits({})  # type: ignore[method-assign]
    await bench.checkpointer.emit()
    assert "a" in bench.fold.health_changed
    bench.checkpointer.owns = real  # type: ignore[method-assign]
    await bench.checkpointer.emit()
    assert bench.sender.topics()[-1] == {"x-interventions", "x-account-health"}


async def test_state_is_stored_with_every_row(bench: Bench) -> None:
    """The stored state is never older than a row that was sent, also when only the row was owed."""
    await bench.checkpointer.checkpoint()
    bench.fold.health_changed.add("b")
    before = len(bench.sender.steps) - 1
    await bench.checkpointer.checkpoint()
    written = [(item.topic, item.key) for step in bench.sender.steps[before:] for item in step]
    assert written[:2] == [("x-account-health", b"b"), (CHANGELOG, b"b")]
