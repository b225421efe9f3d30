"""Stored state comes back as it was, in this release and the ones beside it."""

import io
from dataclasses import dataclass, field, make_dataclass
from enum import StrEnum
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.account import AccountState
from streams.domain.floats import floats
from streams.domain.outputs import OutboxRecord
from streams.domain.partition import PartitionState
from streams.shell.avro_writer import writer
from streams.shell.dataclass_avro import field_hints, generic, is_enum, schema_of, to_record
from streams.shell.state_codec import (
    StateCodec,
    UnreadableState,
    decode_account,
    decode_partition,
    encode_account,
    encode_partition,
)

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    bytes: st.binary(max_size=12),
    bool: st.booleans(),
    int: NUMBERS | st.integers(-300, 300) | st.integers(1_700_000_000_000, 1_700_000_100_000),
    float: st.floats(allow_nan=False),
}


def instances(hint: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911  one return a kind of type
    """Values of a type that state may hold."""
    if hint in PLAIN:
        return PLAIN[hint]
    if is_enum(hint):
        return st.sampled_from(hint)
    if hasattr(hint, "__dataclass_fields__"):
        return st.builds(hint, **{each.name: instances(inner) for each, inner in field_hints(hint)})
    kind, inner = generic(hint)
    if kind == "optional":
        return st.none() | instances(inner)
    if kind == "map":
        return st.dictionaries(st.text(max_size=6), instances(inner), max_size=2)
    if kind == "floats":
        return st.lists(st.floats(allow_nan=False, width=32), max_size=3).map(floats)
    return st.lists(instances(inner), max_size=3)


@settings(max_examples=60, deadline=None)
@given(instances(AccountState))
def test_an_account_state_survives(state: AccountState) -> None:
    """Every field, whatever it holds."""
    assert decode_account(encode_account(state)) == state


@settings(max_examples=60, deadline=None)
@given(instances(AccountState))
def test_the_bytes_are_those_of_fastavro(state: AccountState) -> None:
    """The compiled writer is a faster way to the same end."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema_of(AccountState)), to_record(AccountState)(state))
    assert encode_account(state)[10:] == buffer.getvalue()


@settings(max_examples=60, deadline=None)
@given(instances(PartitionState))
def test_a_partition_state_survives(state: PartitionState) -> None:
    """With its outbox and sources."""
    assert decode_partition(encode_partition(state)) == state


def test_a_dead_letter_without_key_or_value_survives() -> None:
    """Null is what it was, and what it is put back as."""
    state = PartitionState(2, outbox=[OutboxRecord("dead-letters", None, None, {"a": b""}, 5)])
    assert decode_partition(encode_partition(state)) == state


class Color(StrEnum):
    """For the classes below."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Part:
    """A part."""

    size: float
    names: list[str] = field(default_factory=list)


@dataclass
class Old:
    """What an older release stored."""

    name: str
    gone: int = 0
    part: Part = field(default_factory=lambda: Part(1.0))


@dataclass
class New:
    """What this release stores."""

    name: str
    part: Part = field(default_factory=lambda: Part(1.0))
    other: Part | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    color: Color = Color.BLUE
    shape: tuple[int, ...] = (1, 2)


# Across releases a class keeps its name.
OLD = make_dataclass("New", [(each.name, hint, each) for each, hint in field_hints(Old)])


@given(instances(New))
def test_enums_tuples_and_nested_classes_survive(state: New) -> None:
    """All types that state may use."""
    state.shape = tuple(state.shape)
    codec = StateCodec(New, "new")
    assert codec.decode(codec.encode(state)) == state


def test_an_older_record_gets_defaults_and_loses_what_is_gone() -> None:
    """An upgrade."""
    old = StateCodec(OLD, "new")
    new = StateCodec(New, "new", (old.source,))
    state = new.decode(old.encode(OLD("a", 7, Part(2.0, ["x"]))))
    assert state == New("a", Part(2.0, ["x"]))


def test_a_newer_record_is_read_by_the_older_release() -> None:
    """A rollback."""
    new = StateCodec(New, "new")
    old = StateCodec(OLD, "new", (new.source,))
    assert old.decode(new.encode(New("a", Part(3.0), color=Color.RED))) == OLD("a", 0, Part(3.0))


def test_a_class_is_defined_once_and_then_named() -> None:
    """As Avro demands."""
    fields = {each["name"]: each["type"] for each in schema_of(New)["fields"]}
    assert fields["part"]["name"] == "Part"
    assert fields["other"] == ["null", "backontrack.state.Part"]
    assert fields["parts"] == {"type": "map", "values": "backontrack.state.Part"}


def test_defaults_stand_in_the_schema() -> None:
    """What an older record reads as."""
    defaults = {each["name"]: each.get("default", "none") for each in schema_of(New)["fields"]}
    assert defaults == {
        "name": "none",
        "part": {"size": 1.0, "names": []},
        "other": None,
        "parts": {},
        "color": "blue",
        "shape": [1, 2],
    }


@pytest.mark.parametrize("hint", [dict[int, str], set[str], int | str, complex, tuple[int, str]])
def test_a_type_that_cannot_be_stored_is_refused_at_once(hint: Any) -> None:
    """Not when the first record is written."""
    cls = make_dataclass("Odd", [("field", hint)])
    with pytest.raises(TypeError, match="no Avro type"):
        schema_of(cls)


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_a_number_beyond_64_bits_is_refused(value: int) -> None:
    """Rather than stored as another one."""
    with pytest.raises(OverflowError):
        writer(OLD)(OLD("a", value))


def test_a_record_of_an_unknown_release_says_what_to_do() -> None:
    """State is never silently dropped."""
    other = make_dataclass("AccountState", [("account_id", str), ("x", int)])
    with pytest.raises(UnreadableState, match="another release"):
        decode_account(StateCodec(other, "account-state").encode(other("a", 1)))


@pytest.mark.parametrize(
    "damage", [lambda v: v[:-1], lambda v: v + b"\0", lambda _: b"", lambda _: b"{}", lambda v: v[:10]]
)
def test_a_damaged_record_says_what_to_do(damage: Any) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(UnreadableState, match="BACKONTRACK_APP_ID"):
        decode_account(damage(encode_account(AccountState("acme"))))
