"""Mutated records: the verdict of the reference, the same values, a whole fold, and states that can be stored."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import random
from typing import Any

import fastavro
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.domain.validate import check
from streams.settings import Settings
from streams.shell import schemas
from streams.shell.codec import Codec
from streams.shell.frames import BadRecord, confluent_header
from streams.shell.registry import Registry
from streams.shell.schema_safety import SchemaRefused
from streams.shell.state_codec import UnreadableState, account_codec, partition_codec
from streams.topics import BY_NAME, DEAD_LETTERS, USAGE
from tests.fuzz import values
from tests.fuzz.mutate import Frame, datum, frames, good, poison
from tests.fuzz.reference import FIT, sources, verdict
from tests.fuzz.run import traced_growth
from tests.fuzz.target import Target
from tests.fuzz.wrong import place_wrong, stretched, varint

CODEC = Codec(Settings())


@given(st.integers(0, 1 << 32))
def test_mutated_frames_are_judged_as_the_reference_judges_them(seed: int) -> None:
    """And what passes is folded and stored; nothing raises, nothing is slow."""
    target = Target()
    for frame in itertools.islice(frames(seed, accounts=5), 20):
        target.take(frame)
    target.store()
    assert not [found for found in target.findings if found.what != "slow"]


def test_a_long_run_breaks_nothing() -> None:
    """Months of stream time on the same accounts."""
    target = Target()
    for frame in itertools.islice(frames(11, accounts=20), 6_000):
        target.take(frame)
    target.store()
    assert not [found for found in target.findings if found.what != "slow"]
    assert target.outputs[topics.INTERVENTIONS]


def test_frames_are_the_same_for_a_seed() -> None:
    """So that a finding can be had again."""
    assert list(itertools.islice(frames(3), 200)) == list(itertools.islice(frames(3), 200))


def test_poison_and_good_records_are_what_they_are_called() -> None:
    """Nothing fit among the first, nothing unfit among the second."""
    assert not any(frame.fit for frame in itertools.islice(poison(1), 300))
    assert all(frame.fit for frame in itertools.islice(good(1), 300))


def test_the_same_frames_again_take_no_more_memory() -> None:
    """After the first rounds, in which caches fill."""
    _, before, *_, after = traced_growth(5, 300)
    assert after - before < 100_000


def _usage(**changes: Any) -> bytes:
    event = {**values.event(random.Random(1), USAGE, "acme", 1_700_000_000_000), "unit": "", "source": "", **changes}
    return CODEC.encode(USAGE, {**event, "event_id": "e", "cohort": None})


@pytest.mark.parametrize("size", [11, 12, 40])
def test_a_number_of_more_than_ten_bytes_is_refused(size: int) -> None:
    """Fastavro reads it as some other number, and the record as a plausible one."""
    value = _usage()
    assert value[10:12] == b"\x02e"
    longer = value[:10] + stretched(1, size) + value[11:]
    with pytest.raises(BadRecord) as refused:
        CODEC.decode(USAGE, longer)
    assert refused.value.reason == "undecodable"
    assert CODEC.decode(USAGE, value[:10] + stretched(1, 10) + value[11:])["event_id"] == "e"


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    """Ten bytes hold seventy."""
    value = _usage()
    assert verdict(USAGE, b"acme", 1_700_000_000_000, value[:10] + b"\xff" * 9 + b"\x7f" + value[11:]) != FIT
    with pytest.raises(BadRecord):
        CODEC.decode(USAGE, value[:10] + b"\xff" * 9 + b"\x7f" + value[11:])


@pytest.mark.parametrize("size", [0, 1, -1, 7])
def test_the_least_of_all_counts_is_refused_at_once(size: int) -> None:
    """Fastavro in C takes it for none, in Python for all of them: the record would be read, or never end."""
    event = values.event(random.Random(1), topics.ACCOUNTS, "acme", 1_700_000_000_000) | {"goals": [], "source": "x"}
    value = CODEC.encode(topics.ACCOUNTS, event)
    place = value.rindex(b"\x00\x02x")
    wrong = value[:place] + varint(-(1 << 63)) + varint(size) + value[place:]
    assert verdict(topics.ACCOUNTS, b"acme", 1_700_000_000_000, value) == FIT
    with pytest.raises(BadRecord):
        CODEC.decode(topics.ACCOUNTS, wrong)


def test_text_in_any_script_is_no_long_number() -> None:
    """Its bytes are high ones, too."""
    value = _usage(source="顧客の健康状態が悪化しています" * 20)
    assert CODEC.decode(USAGE, value)["source"].startswith("顧客")


@pytest.mark.parametrize("branch", [-1, -2, -(1 << 40), -(1 << 63), 2, 1 << 40])
def test_a_branch_that_is_none_is_refused(branch: int) -> None:
    """Fastavro alone counts negative ones from the end."""
    value = _usage(traceparent=None)
    assert value[-1:] == b"\0"
    with pytest.raises(BadRecord) as refused:
        CODEC.decode(USAGE, value[:-1] + varint(branch))
    assert refused.value.reason == "undecodable"


@pytest.mark.parametrize("account", ["\0partition", "\0schema:0011223344556677", "a\0b"])
def test_an_account_is_no_key_of_the_changelog_s_own(account: str) -> None:
    """Its state would be stored over that of the partition."""
    event = CODEC.decode(USAGE, _usage(account_id=account))
    assert check(USAGE, account.encode(), event, 1_700_000_000_000, Target().fold.policy.time) == "bad_id"


def test_long_names_do_not_outgrow_a_record_of_the_changelog() -> None:
    """As many of everything as is kept, all as long as they may be."""
    target, start = Target(), 1_700_000_000_000
    rng = random.Random(4)
    for number in range(400):
        for topic in (topics.TICKETS, topics.SENTIMENT, topics.USAGE, topics.ACCOUNTS):
            event = values.event(rng, topic, "a", start + number * 600_000)
            event |= {
                name: f"{number}".ljust(256, "💥") for name in event if event[name].__class__ is str and name in _FREE
            }
            at = start + number * 600_000
            event |= {"occurred_at": at, "event_id": f"{number}{topic}".ljust(256, "x")}
            value = CODEC.encode(topic, event)
            target.take(Frame(topic, b"a", at, value, verdict(topic, b"a", at, value), "long names"))
    target.store()
    assert not [found for found in target.findings if found.what != "slow"]
    assert target.verdicts[FIT] == 1600
    assert target.largest < 900_000


_FREE = ("metric", "channel", "interaction_id", "ticket_id", "theme", "owner", "segment", "stage", "tier")


def test_a_leap_of_decades_is_folded_in_a_moment() -> None:
    """Of each account some timers are due, not one for every six hours of the years."""
    target, start, day = Target(), 1_700_000_000_000, 86_400_000
    rng = random.Random(4)

    def use(account: str, at: int) -> None:
        event = values.event(rng, USAGE, account, at) | {"occurred_at": at, "metric": "logins", "value": 5.0}
        value = CODEC.encode(USAGE, event)
        target.take(Frame(USAGE, account.encode(), at, value, verdict(USAGE, account.encode(), at, value), "leap"))

    for number in range(40):
        for account in range(20):
            use(f"a{account}", start + number * day + account)
    target.slowest_timers = 0.0
    use("a0", start + 60 * 365 * day)
    assert not [found for found in target.findings if found.what != "slow"]
    assert target.slowest_timers < 2.0


_OTHERS = [name for name in BY_NAME if name not in (*topics.RANKS, DEAD_LETTERS)]


@given(st.sampled_from(_OTHERS), st.integers(0, 1 << 32))
def test_records_of_the_other_topics_are_read_or_refused(topic: str, seed: int) -> None:
    """What the board reads, and what is published for other systems."""
    rng = random.Random(seed)
    source = sources(topic)[-1]
    value = values.drawn(rng, source)
    header = schemas.newest(topic).crc
    assert repr(CODEC.decode(topic, b"\xc3\x01" + header + datum(source, value))) is not None
    wrong = bytearray(place_wrong(rng, source, value)[0])
    for _ in range(rng.randrange(3)):
        if wrong:
            wrong[rng.randrange(len(wrong))] = rng.randrange(256)
    with contextlib.suppress(BadRecord):
        CODEC.decode(topic, b"\xc3\x01" + header + bytes(wrong))


@given(st.integers(0, 1 << 32))
def test_damaged_states_are_told_or_read(seed: int) -> None:
    """A worker stops with UnreadableState, whatever the bytes are."""
    rng = random.Random(seed)
    codec: Any = rng.choice([account_codec(), partition_codec()])
    value = bytearray(codec.encode(_STATES[codec.name]))
    for _ in range(rng.choice([0, 1, 3])):
        value[rng.randrange(len(value))] = rng.randrange(256)
    if rng.random() < 0.3:
        del value[rng.randrange(len(value)) :]
    with contextlib.suppress(UnreadableState):
        assert type(codec.decode(bytes(value))) is type(_STATES[codec.name])


def _states() -> dict[str, Any]:
    target = Target()
    for frame in itertools.islice(frames(2, accounts=2), 1_500):
        target.take(frame)
    largest = max(target.fold.accounts.values(), key=lambda account: len(account.signals.metrics))
    return {"account-state": largest, "partition-state": target.fold.state}


_STATES = _states()


# --- schemas of a registry ---


def _codec(source: Any) -> Codec:
    text = source if isinstance(source, str) else json.dumps(source)
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json={"schema": text}))
    return Codec(Settings(), Registry("http://registry.test", answer))


@given(st.integers(0, 1 << 32))
def test_mutated_schemas_of_a_registry_are_read_with_or_refused(seed: int) -> None:
    """Others decide what stands there."""
    rng = random.Random(seed)
    source = json.loads(json.dumps(sources(USAGE)[-1]))
    for _ in range(rng.randrange(1, 4)):
        _spoil(rng, source)
    event = values.event(rng, USAGE, "a", 1_700_000_000_000)
    data = datum(sources(USAGE)[-1], event)
    try:
        read = _codec(source).decode(USAGE, confluent_header(7) + data)
    except BadRecord:
        return
    assert set(read) == set(event)


def _spoil(rng: random.Random, part: Any) -> None:
    places: list[tuple[Any, Any]] = []

    def collect(inner: Any) -> None:
        for key in list(inner) if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], (dict, list)):
                collect(inner[key])

    collect(part)
    if not places:
        return
    holder, key = rng.choice(places)
    if rng.random() < 0.3:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(rng.choice(_JUNK))  # else it may come to hold itself


_JUNK: tuple[Any, ...] = (
    *(None, 0, -1, True, "", "null", "int", "long", "string", "bytes", "double", "float", "record", "array", "map"),
    *(
        "UsageEvent",
        "backontrack.UsageEvent",
        [],
        {},
        [[]],
        ["null"],
        ["null", "null"],
        ["null", ["int"]],
        {"type": "x"},
    ),
    *({"type": "array", "items": "null"}, {"type": "map", "values": "UsageEvent"}, {"type": "enum", "name": "E"}),
    *({"type": "fixed", "name": "F", "size": -1}, {"type": "fixed", "name": "F", "size": 10**12}, {"type": ["null"]}),
    *({"type": "enum", "name": "E", "symbols": []}, {"type": "long", "logicalType": "decimal", "precision": -1}),
    {"type": "record", "name": "UsageEvent", "fields": []},
)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"type":' * 900 + '"int"' + "}" * 900, "7", '"nothing"', "null", '"\\ud800"']
)
def test_what_is_no_schema_is_refused(text: str) -> None:
    """With a reason, not with an error of the parser."""
    with pytest.raises(BadRecord) as refused:
        _codec(text).decode(USAGE, confluent_header(7) + b"\0")
    assert refused.value.reason == "unknown_schema"


def test_records_that_hold_each_other_twice_are_refused() -> None:
    """Forty levels would be a trillion values of no byte."""
    made: Any = {"type": "record", "name": "L0", "fields": []}
    for level in range(1, 40):
        fields = [{"name": "a", "type": made}, {"name": "b", "type": f"L{level - 1}"}]
        made = {"type": "record", "name": f"L{level}", "fields": fields}
    with pytest.raises(SchemaRefused):
        schemas.schema(USAGE, 0, made)
    assert fastavro.parse_schema(made), "the library alone takes it"
