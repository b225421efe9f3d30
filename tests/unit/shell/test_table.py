"""The account table: applying, dead-lettering, and what is left alone."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from streams import topics
from streams.domain.account import AccountState
from streams.domain.time import HOUR
from streams.partition import PartitionFold
from streams.shell.codec import Codec
from streams.shell.lanes import Slice
from streams.shell.table import TIMERS, AccountTable, Owned
from tests.support.shell import START, piece, record, settings, table, usage


async def test_slice_is_applied_to_its_accounts() -> None:
    made = table(0)
    await made.apply_slice(piece(usage(0), usage(1, account="b")))
    fold = made.owned[0].fold
    assert set(fold.accounts) == fold.dirty == {"a", "b"}
    assert fold.state.applied == {topics.USAGE: 1}


async def test_record_applied_before_changes_nothing() -> None:
    made = table(0)
    await made.apply_slice(piece(usage(0)))
    made.owned[0].fold.dirty.clear()
    await made.apply_slice(piece(usage(0)))
    assert not made.owned[0].fold.dirty


async def test_slice_of_an_older_assignment_is_not_applied() -> None:
    made = table(0)
    made.turn = 2
    await made.apply_slice(piece(usage(0), turn=1))
    assert not made.owned[0].fold.accounts


async def test_slice_of_a_foreign_partition_is_not_applied() -> None:
    made = table(0)
    await made.apply_slice(Slice(5, 1, [usage(0)]))
    assert not made.owned[0].fold.accounts


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (None, b"a", "empty"),
        (b"\x07garbage", b"a", "wrong_magic"),
        (b"\xc3\x01" + b"12345678", b"a", "unknown_schema"),
        ("good", None, "null_key"),
        ("good", b"other", "key_mismatch"),
        ("truncated", b"a", "truncated"),
        ("trailing", b"a", "trailing_bytes"),
    ],
)
async def test_bad_record_is_dead_lettered_and_its_neighbours_are_applied(
    value: bytes | str | None, key: bytes | None, reason: str
) -> None:
    good = usage(1).value
    assert good is not None
    value = {"good": good, "truncated": good[:-3], "trailing": good + b"!"}[value] if isinstance(value, str) else value
    made = table(0)
    await made.apply_slice(piece(usage(0), record(topics.USAGE, 1, value, key), usage(2)))
    fold = made.owned[0].fold
    [letter] = fold.state.outbox
    assert (letter.key, letter.value) == (key, value)
    assert letter.headers["backontrack.reason"] == reason.encode()
    assert [(header.name, header.value) for header in letter.original] == [("h", b"1")], "the original's own"
    assert letter.headers["__streams.errors.topic"] == b"x-usage-events"
    assert letter.headers["__streams.errors.offset"] == b"1"
    assert fold.state.applied == {topics.USAGE: 2}
    assert set(fold.accounts) == {"a"}


async def test_absurd_record_time_does_not_move_stream_time() -> None:
    made = table(0)
    await made.apply_slice(piece(usage(0), usage(1, at=1 << 55)))
    assert made.owned[0].fold.state.stream_time == START
    assert len(made.owned[0].fold.state.outbox) == 1


async def test_dead_letter_is_the_same_bytes_in_every_run() -> None:
    letters = []
    for _ in range(2):
        made = table(0)
        await made.apply_slice(piece(record(topics.USAGE, 0, b"?")))
        letters.append(made.owned[0].fold.state.outbox)
    assert letters[0] == letters[1]


async def test_control_record_is_applied() -> None:
    made = table(0)
    tick = Codec(settings()).encode(topics.CONTROL, {"kind": "tick", "at": START + 5})
    await made.apply_slice(piece(record(topics.CONTROL, 0, tick, b"control", START + 5)))
    assert made.owned[0].fold.state.stream_time == START + 5


async def test_dead_letters_beyond_the_limit_wait_for_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also inside one slice: the partition's outbox has to fit a record of the changelog."""
    monkeypatch.setattr("streams.shell.table._LETTERS_LIMIT", 400)
    made = table(0)
    owned = made.owned[0]
    sizes: list[int] = []

    async def make_room() -> None:
        sizes.append(owned.letter_bytes)
        owned.fold.state.outbox.clear()
        owned.letter_bytes = 0

    made.make_room = make_room
    await made.apply_slice(piece(*(record(topics.USAGE, offset, b"?" * 6) for offset in range(5)), usage(5)))
    assert len(sizes) == 2
    assert 400 < sizes[0] < 800, "headers count as well: 100,000 empty records would not fit"
    assert len(owned.fold.state.outbox) == 1
    assert owned.fold.state.applied == {topics.USAGE: 5}
    assert set(owned.fold.accounts) == {"a"}


def _sleeping(made: AccountTable, accounts: int, hours: int = 1) -> Owned:
    """Partition 0 with accounts that all have a timer in some hours."""
    before = made.owned[0].fold
    names = [f"a{number}" for number in range(accounts)]
    sleepers = {name: AccountState(name, timers={"guard": START + hours * HOUR}) for name in names}
    state = replace(before.state, stream_time=START)
    made.owned[0] = Owned(PartitionFold(state, sleepers, before.policy, before._load), epoch=7)
    return made.owned[0]


def _tick() -> Slice:
    at = START + 2 * HOUR
    value = Codec(settings()).encode(topics.CONTROL, {"kind": "tick", "at": at})
    return piece(record(topics.CONTROL, 0, value, b"control", at))


def _poison() -> Slice:
    return piece(record(topics.CONTROL, 0, b"poison", b"control", START + 2 * HOUR))


@pytest.mark.parametrize(("made_of", "letters"), [(_tick, 0), (_poison, 1)], ids=["tick", "dead letter"])
async def test_record_that_fires_many_timers_gives_the_event_loop_its_turns(
    made_of: Callable[[], Slice], letters: int
) -> None:
    """At the end of a day all accounts have one; a rebalance must not wait for them all."""
    made = table(0)
    owned = _sleeping(made, 10 * TIMERS)
    applying = asyncio.ensure_future(made.apply_slice(made_of()))
    turns = 0
    while not applying.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 9
    assert owned.fold.state.applied == {topics.CONTROL: 0}
    assert len(owned.fold.state.outbox) == letters
    assert not any(account.timers.get("guard") == START + HOUR for account in owned.fold.accounts.values())


async def test_all_timers_that_are_due_at_a_record_fire_before_it() -> None:
    """Many accounts have one at the same midnight, and so have the records of a daily feed."""
    made = table(0)
    owned = _sleeping(made, 3 * TIMERS, hours=2)
    await made.apply_slice(_tick())
    assert not owned.fold.advancing
    assert not any(account.timers.get("guard") == START + 2 * HOUR for account in owned.fold.accounts.values())


async def test_record_under_way_is_applied_to_its_end_when_partitions_are_given_back() -> None:
    """What is stored then is not in its midst; the next record is left to the next owner."""
    made = table(0)
    owned = _sleeping(made, 3 * TIMERS)
    tick = _tick()
    applying = asyncio.ensure_future(made.apply_slice(Slice(0, 1, [*tick.records, usage(0, START + 2 * HOUR)])))
    await asyncio.sleep(0)
    assert owned.fold.advancing
    made.turn = -1
    await made.between_records(owned)
    await applying
    assert owned.fold.state.applied == {topics.CONTROL: 0}


async def test_record_under_way_is_left_when_partitions_are_dropped() -> None:
    made = table(0)
    owned = _sleeping(made, 3 * TIMERS)
    applying = asyncio.ensure_future(made.apply_slice(_tick()))
    await asyncio.sleep(0)
    assert owned.fold.advancing
    made.drop()
    await applying
    assert owned.fold.state.applied == {}
