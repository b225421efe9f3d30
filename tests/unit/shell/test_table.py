"""The account table: applying, dead-lettering, and what is left alone."""

import pytest

from streams import topics
from streams.shell.codec import Codec
from streams.shell.lanes import Slice
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
