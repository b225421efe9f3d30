"""Workers keep no state of their own to be damaged: all of it is on the changelog. There, a damaged record is told.

`bytes`: flipped on the broker's disk, so that the batch no longer fits its checksum. The others are whole batches with
a value that is none: cut off, of another account, of another partition, of a release that nobody knows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer

from streams.shell.changelog import ACCOUNTS, EPOCH, PARTITION_KEY, SINCE
from tests.faults.case import Case, CaseFailed, Row, Tier
from tests.faults.watch import at_rest
from tests.support.stored import Stored, read_topic

LIMIT_S = 60.0
_BATCH_HEADER = 61


def run(case: Case) -> None:
    """The next worker stops and says what to do; when the record is right again, all goes on as if nothing had been."""
    at_rest(case)
    case.fault(f"the changelog is damaged: {case.variant}")
    mend = _on_disk(case) if case.variant == "bytes" else _on_topic(case)
    worker = case.worker("w2", "--until-caught-up")
    worker.may_exit.add(1)
    if worker.wait(LIMIT_S * case.patience) != 1:
        raise CaseFailed(f"the worker does not stop:\n{worker.output[-2000:]}")
    if "BACKONTRACK_APP_ID" not in worker.output or case.changelog not in worker.output:
        raise CaseFailed(f"the worker does not say where, and what to do:\n{worker.output[-2000:]}")
    case.fault("the changelog is as it was")
    mend()
    before = _newest(case)
    again = case.worker("w3", "--until-caught-up")
    if again.wait(LIMIT_S * case.patience) != 0:
        raise CaseFailed(f"the worker does not go on:\n{again.output[-2000:]}")
    after = _newest(case)
    if {place: record.value for place, record in before.items()} != {
        place: record.value for place, record in after.items()
    }:
        raise CaseFailed("other states than before")
    if case.variant == "bytes":
        case.verify(hollow_ok=True)


def _on_disk(case: Case) -> Callable[[], None]:
    """Flips one byte inside the last batch with accounts of a partition; gives back how to flip it again."""
    data = Path(case.broker.directory) / "data"
    segments = [path for path in data.glob(f"{case.changelog}-*/*.log") if path.stat().st_size]
    segment = case.rng.choice(sorted(segments))
    content = segment.read_bytes()
    batches, at = [], 0
    while at + _BATCH_HEADER < len(content):
        (length,) = struct.unpack_from(">i", content, at + 8)
        if length + 12 > _BATCH_HEADER + 200:
            batches.append((at, length + 12))
        at += length + 12
    begin, size = case.rng.choice(batches)
    place = begin + case.rng.randrange(_BATCH_HEADER + 100, size)

    def flip() -> None:
        with segment.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 4]))

    flip()
    return flip


def _on_topic(case: Case) -> Callable[[], None]:
    """Writes a record over that of an account; gives back how to put the right one there again."""
    newest = _newest(case)
    accounts = sorted((place for place in newest if not place[1].startswith(b"\0")), key=repr)
    place = case.rng.choice(accounts)
    right = newest[place]
    partition, key = place
    value = right.value or b""
    if case.variant == "cut":
        wrong = value[: case.rng.randrange(11, len(value))]
    elif case.variant == "unknown":
        wrong = value[:2] + b"\xee" * 8 + value[10:]
    elif case.variant == "owner":
        key = PARTITION_KEY
        right = newest[partition, PARTITION_KEY]
        wrong = newest[(partition + 1) % case.partitions, PARTITION_KEY].value or b""
    else:
        wrong = next(newest[other].value or b"" for other in accounts if other[1] != key)
    _write(case, partition, key, wrong, right)
    return lambda: _write(case, partition, key, right.value, right)


def _newest(case: Case) -> dict[tuple[int, bytes], Stored]:
    """Newest record of each key."""
    records = read_topic(case.bootstrap, case.changelog)
    return {(record.partition, record.key or b""): record for record in records}


def _write(case: Case, partition: int, key: bytes, value: bytes | None, like: Stored) -> None:
    producer = Producer({"bootstrap.servers": case.bootstrap, "log_level": 0})
    # The number of the newest owner: whoever tried to take over has claimed the partition, and older ones are ignored.
    records = read_topic(case.bootstrap, case.changelog)
    epoch = max(int(record.header(EPOCH) or 0) for record in records if record.partition == partition)
    kept = [(name, found) for name, found in like.headers if name in {ACCOUNTS, SINCE}]
    headers: list[tuple[str, str | bytes | None]] = [(EPOCH, b"%d" % epoch), *kept]
    producer.produce(case.changelog, value, key, partition, headers=headers)
    if producer.flush(30):
        raise CaseFailed("the brokers do not take the record")


ROW = Row(
    number=18,
    title="changelog damaged",
    tier=Tier.ONE,
    run=run,
    own_broker=True,
    variants=("bytes", "cut", "unknown", "account", "owner"),
    limits={"start_s": 120},
)
