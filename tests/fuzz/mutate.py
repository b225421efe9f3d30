"""Mutated frames by seed: records that are wrong, nearly wrong, or right and strange.

    from tests.fuzz.mutate import frames
    for frame in itertools.islice(frames(seed=3), 100_000): ...

`frames(seed)` never ends and is the same for a seed on every machine. Each `Frame` has `topic` (logical input topic),
`key`, `time` (record timestamp, ms, slowly rising from `START`; `in_time=True` keeps the absurd ones out, which brokers
refuse or which would end time for their partition), `value` and `verdict`: `fit`, or the reason code of its dead letter
under the shipped policy, the default size limit and no registry. The verdict is told by `tests/fuzz/reference.py`,
which shares no code with the product. `poison(seed)` gives only frames that must become dead letters, `good(seed)` only
records that nobody has touched. A frame with value None is a tombstone; its `how` says what was done to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from streams import topics
from streams.domain.time import MINUTE
from tests.fuzz import values
from tests.fuzz.reference import FIT, sources, verdict
from tests.fuzz.wrong import WrongWriter, place_wrong, varint
from tests.support.log import START

INPUTS = values.INPUTS
_MARKER = b"\xc3\x01"
_TIMES = (-1, 0, 1, 631_151_999_999, 4_102_444_800_000, 1 << 53, (1 << 63) - 1)
_STRINGS = (
    "",
    "\0",
    "\0partition",
    "\0schema:00",
    "x" * 256,
    "x" * 257,
    "x" * 4097,
    "x" * 300_000,
    "😀" * 64,
    "a\r\nb",
)
_STRINGS += ("\u202e", "e\u0301", "tickets:support", "__proto__", "{}", "../../etc/passwd", "%s%n", "\ufffe", "default")
_DOUBLES = (float("nan"), float("inf"), float("-inf"), 1e100, -1e100, 1.01e100, 1.7e308, 5e-324, -0.0, -1.0, 1e15)
_BYTES = (0, 1, 2, 3, 7, 127, 128, 129, 254, 255)


class Frame(NamedTuple):
    """A record to be read, and what must become of it."""

    topic: str
    key: bytes | None
    time: int
    value: bytes | None
    verdict: str
    how: str

    @property
    def fit(self) -> bool:
        """True when the fold must see it."""
        return self.verdict == FIT


class Base(NamedTuple):
    """A right record, before it is changed."""

    topic: str
    schema: Any
    header: bytes
    event: Mapping[str, Any]
    time: int


def frames(
    seed: int,
    only: Sequence[str] = INPUTS,
    *,
    accounts: int = 300,
    in_time: bool = False,
    step: int = 10 * MINUTE,
    mutated: float = 1.0,
) -> Iterator[Frame]:
    """Frames for ever; of each, `mutated` is the chance that it was changed. `step` is the mean rise of time in ms."""
    rng = random.Random(seed)
    time = START
    before = b""
    while True:
        time += rng.randrange(2 * step)
        base = _base(rng, rng.choice(only), accounts, time)
        if rng.random() >= mutated:
            yield _untouched(base)
            continue
        key, at, value, how = _mutated(rng, base, before)
        if in_time:
            at = time
        if rng.random() < 0.02:
            before = value[:4096] if value else b""
        yield Frame(base.topic, key, at, value, verdict(base.topic, key, at, value), how)


def poison(seed: int, only: Sequence[str] = INPUTS, **more: Any) -> Iterator[Frame]:
    """The frames that must become dead letters."""
    return (frame for frame in frames(seed, only, **more) if not frame.fit)


def good(seed: int, only: Sequence[str] = INPUTS, **more: Any) -> Iterator[Frame]:
    """Right records, untouched."""
    return frames(seed, only, mutated=0.0, **more)


def headers_of(topic: str) -> list[bytes]:
    """The single-object headers of all versions of a topic."""
    import fastavro  # noqa: PLC0415  only here
    from fastavro.schema import fingerprint, to_parsing_canonical_form  # noqa: PLC0415

    made = []
    for source in sources(topic):
        crc = fingerprint(to_parsing_canonical_form(fastavro.parse_schema(source)), "CRC-64-AVRO")
        made.append(_MARKER + bytes.fromhex(crc))
    return made


_HEADERS = {topic.name: headers_of(topic.name) for topic in topics.TOPICS if topic.name != topics.DEAD_LETTERS}
_ALL_HEADERS = [header for found in _HEADERS.values() for header in found]


def _base(rng: random.Random, topic: str, accounts: int, time: int) -> Base:
    version = rng.randrange(len(_HEADERS[topic]))
    event = values.event(rng, topic, f"account-{rng.randrange(accounts)}", time)
    return Base(topic, sources(topic)[version], _HEADERS[topic][version], event, time)


def key_of(topic: str, event: Mapping[str, Any]) -> bytes:
    """The key that belongs to an event."""
    return b"control" if topic == topics.CONTROL else event["account_id"].encode("utf-8", "surrogatepass")


def _untouched(base: Base) -> Frame:
    key, value = key_of(base.topic, base.event), base.header + datum(base.schema, base.event)
    return Frame(base.topic, key, base.time, value, verdict(base.topic, key, base.time, value), "untouched")


def datum(schema: Any, value: Any) -> bytes:
    """The Avro datum of a value, without a frame."""
    return WrongWriter(random.Random(0), schema).write(value)


# --- mutations ---

Mutated = tuple[bytes | None, int, bytes | None, str]


def _mutated(rng: random.Random, base: Base, before: bytes) -> Mutated:
    key, at = key_of(base.topic, base.event), base.time
    kind = rng.choices(_KINDS, _WEIGHTS)[0]
    return kind(rng, base, key, at, before)


def _strange_value(rng: random.Random, base: Base, key: bytes, at: int, _before: bytes) -> Mutated:
    """A record that Avro takes and the check may not."""
    event = dict(base.event)
    # An enum keeps to its symbols: others cannot be written, and wrong indexes are for `_wrong_place`.
    kinds = {field["name"]: field["type"] for field in base.schema["fields"] if "symbols" not in field["type"]}
    changed = rng.sample(list(kinds), rng.choice([1, 1, 1, 2, 3]))
    for name in changed:
        event[name] = _strange(rng, kinds[name], at)
    if rng.random() < 0.9:
        key = key_of(base.topic, event)
    return key, at, base.header + datum(base.schema, event), f"value of {', '.join(changed)}"


def _strange(rng: random.Random, kind: Any, at: int) -> Any:  # noqa: PLR0911  one return a kind of type
    if isinstance(kind, list):
        return _strange(rng, rng.choice(kind), at)
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return rng.choice([[], ["goal"] * 3, [""] * 5000, ["x" * 5000] * 3, ["\0"]])
        kind = kind["type"]
    if kind == "string":
        return rng.choice(_STRINGS)
    if kind == "double":
        return rng.choice(_DOUBLES)
    if kind == "long":
        return rng.choice([*_TIMES, at + 86_400_000, at + 86_400_001, at - 86_400_000 * 4000])
    if kind == "int":
        return rng.choice([-(1 << 31), -1, (1 << 31) - 1])
    return None if kind == "null" else rng.random() < 0.5


def _wrong_place(rng: random.Random, base: Base, key: bytes, at: int, _before: bytes) -> Mutated:
    data, how = place_wrong(rng, base.schema, base.event)
    return key, at, base.header + data, how


def _bytes_changed(rng: random.Random, base: Base, key: bytes, at: int, before: bytes) -> Mutated:
    value = bytearray(base.header + datum(base.schema, base.event))
    done = []
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        change = rng.choice(_CHANGES)
        # Mostly the datum: the header is short, and soon nothing but an unknown schema.
        least = 0 if rng.random() < 0.1 else min(10, len(value))
        change(rng, value, rng.randrange(least, len(value) + 1), before)
        done.append(change.__name__.strip("_"))
    return key, at, bytes(value), f"bytes: {', '.join(done)}"


def _flip(rng: random.Random, value: bytearray, place: int, _before: bytes) -> None:
    if place < len(value):
        value[place] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, value: bytearray, place: int, _before: bytes) -> None:
    if place < len(value):
        value[place] = rng.choice(_BYTES)


def _insert(rng: random.Random, value: bytearray, place: int, _before: bytes) -> None:
    value[place:place] = rng.choice([rng.randbytes(rng.randrange(1, 9)), varint(rng.choice([1 << 40, -(1 << 40)]))])


def _delete(rng: random.Random, value: bytearray, place: int, _before: bytes) -> None:
    del value[place : place + rng.randrange(1, 9)]


def _cut(_rng: random.Random, value: bytearray, place: int, _before: bytes) -> None:
    del value[place:]


def _repeat(rng: random.Random, value: bytearray, place: int, _before: bytes) -> None:
    value[place:place] = value[place : place + rng.randrange(1, 40)] * rng.choice([1, 2, 100])


def _splice(rng: random.Random, value: bytearray, place: int, before: bytes) -> None:
    value[place:] = before[rng.randrange(len(before) + 1) :]


_CHANGES: tuple[Callable[[random.Random, bytearray, int, bytes], None], ...] = (
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _insert,
    _delete,
    _cut,
    _repeat,
    _splice,
)


def _other_frame(rng: random.Random, base: Base, key: bytes, at: int, _before: bytes) -> Mutated:
    data = datum(base.schema, base.event)
    value = rng.choice(
        [
            None,
            b"",
            rng.choice(_ALL_HEADERS) + data,
            _MARKER + rng.randbytes(8) + data,
            base.header[: rng.randrange(11)],
            b"\x00" + rng.choice([1, 2, 0, (1 << 32) - 1, rng.getrandbits(32)]).to_bytes(4, "big") + data,
            b"\x00" * rng.randrange(1, 6),
            bytes([rng.randrange(256)]) + base.header[1:] + data,
            base.header + base.header + data,
            data,
            base.header + data + rng.randbytes(rng.randrange(1, 4)),
            str(dict(base.event)).encode("utf-8", "surrogatepass"),
            b"\x1f\x8b\x08" + rng.randbytes(40),
            rng.randbytes(rng.randrange(1, 200)),
            base.header + rng.randbytes(rng.randrange(1, 200)),
        ]
    )
    return key, at, value, "frame"


def _other_key(rng: random.Random, base: Base, key: bytes, at: int, _before: bytes) -> Mutated:
    value = base.header + datum(base.schema, base.event)
    other = rng.choice([None, b"", key + b" ", key[:-1], key.upper(), b"\xff\xfe", b"\x00partition", rng.randbytes(9)])
    return other, at, value, "key"


def _other_time(rng: random.Random, base: Base, key: bytes, _at: int, _before: bytes) -> Mutated:
    return key, rng.choice(_TIMES), base.header + datum(base.schema, base.event), "record time"


def _too_large(rng: random.Random, base: Base, key: bytes, at: int, _before: bytes) -> Mutated:
    value = base.header + datum(base.schema, base.event)
    return key, at, value + b"\0" * rng.choice([1 << 20, (1 << 20) - len(value), 2 << 20]), "size"


_KINDS = (_strange_value, _wrong_place, _bytes_changed, _other_frame, _other_key, _other_time, _too_large)
_WEIGHTS = (25, 30, 30, 10, 3, 1, 0.02)
