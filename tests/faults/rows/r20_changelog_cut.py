"""The changelog loses records: those that newer ones replace, by cutting and compacting, and those that count."""

from __future__ import annotations

import time

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.shell.changelog import EPOCH
from tests.faults.case import Case, CaseFailed, Row, Tier
from tests.faults.watch import at_rest
from tests.support.compaction import EAGER, configure
from tests.support.stored import Stored, read_topic

LIMIT_S = 60.0
_FILLER = b"filler"


def run(case: Case) -> None:
    """What is left of a log that begins late is recovered in time, to the byte; what is missing is named."""
    at_rest(case)
    case.verify(hollow_ok=True)
    before = _newest(case)
    case.fault(f"the changelog is {case.variant}")
    if case.variant == "compacted":
        _compact(case)
    else:
        _cut(case, before, beyond=case.variant == "cut-too-far")
    began = time.monotonic()
    worker = case.worker("w2", "--until-caught-up")
    if case.variant == "cut-too-far":
        worker.may_exit.add(1)
        worker.killed = True
        if worker.wait(LIMIT_S * case.patience) != 1 or "accounts are missing" not in worker.output:
            raise CaseFailed(f"the worker does not say what is missing:\n{worker.output[-2000:]}")
        case.figure("recovery_s", time.monotonic() - began)
        return
    if worker.wait(LIMIT_S * case.patience) != 0:
        raise CaseFailed(f"the worker could not recover:\n{worker.output[-2000:]}")
    case.figure("recovery_s", time.monotonic() - began)
    after = _newest(case)
    for place, record in before.items():
        if after[place].value != record.value:
            raise CaseFailed(f"{place}: another state than before")
    if after.keys() != before.keys():
        raise CaseFailed(f"other keys than before: {sorted(after.keys() ^ before.keys())[:5]}")


def _newest(case: Case) -> dict[tuple[int, bytes], Stored]:
    """Newest record of each key."""
    return {
        (record.partition, record.key or b""): record
        for record in read_topic(case.bootstrap, case.changelog)
        if record.key != _FILLER
    }


def _cut(case: Case, newest: dict[tuple[int, bytes], Stored], *, beyond: bool) -> None:
    """Deletes the beginning of every partition, up to the oldest record that counts or one beyond it."""
    admin = AdminClient({"bootstrap.servers": case.bootstrap, "log_level": 0})
    first: dict[int, int] = {}
    for (partition, key), record in newest.items():
        # A schema is written at the first take-over only; it is the oldest that counts, until it is written again.
        if not key.startswith(b"\x00schema"):
            first[partition] = min(record.offset, first.get(partition, record.offset))
    places = [
        TopicPartition(case.changelog, partition, offset + (1 if beyond else 0)) for partition, offset in first.items()
    ]
    # Brokers delete nothing from a topic that is only compacted.
    configure(case.bootstrap, case.changelog, {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    for answer in admin.delete_records(places).values():
        answer.result(30)
    configure(case.bootstrap, case.changelog, {"cleanup.policy": "compact"})
    case.figure("first_offset", min(first.values()))


def _compact(case: Case) -> None:
    """Lets the brokers keep nothing but the newest record of each key."""
    configure(case.bootstrap, case.changelog, EAGER)
    producer = Producer({"bootstrap.servers": case.bootstrap, "log_level": 0})
    for _ in range(3):
        for partition in range(case.partitions):
            # The newest segment is never compacted, so it must hold nothing else.
            producer.produce(case.changelog, None, _FILLER, partition, headers={EPOCH: b"0"})
        if producer.flush(30):
            raise CaseFailed("the brokers do not take records")
        case.pause(0.5)

    def compacted() -> bool:
        records = read_topic(case.bootstrap, case.changelog)
        return len([record for record in records if record.key != _FILLER]) == len(_newest(case))

    case.wait(compacted, "compaction", 120)


ROW = Row(
    number=20,
    title="changelog cut and compacted",
    tier=Tier.ONE,
    run=run,
    variants=("cut", "cut-too-far", "compacted"),
    limits={"recovery_s": LIMIT_S},
)
