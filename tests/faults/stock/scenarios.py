"""The holes of Faust's delivery, each as one scenario that runs against stock Faust and against the worker.

Each is a fault that a broker, a network or a handler has any day, done by the embedded broker. What they are, and where
in Faust: a handler's exception acknowledges its event; a changelog record that the broker refuses is a line in the log;
a changelog record that takes longer than a tenth of a second is not waited for by the commit; a failed commit counts as
one that succeeded; a handler that hangs holds up the whole group; a changelog that was truncated is never read to its
end.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from confluent_kafka import KafkaError

from tests.faults.stock.app import PARTITIONS
from tests.faults.stock.subjects import Subject
from tests.support.embedded import EmbeddedBroker
from tests.support.log import read_all
from tests.support.mock_faults import MockFaults, Request

ACCOUNTS = [f"account-{number}" for number in range(6)]
MANY = 200
REFUSED = 8
SLOW_MS = 2_000
GROUP_LIMIT_S = 50.0
"""Below the minute that a group waits for a member that does not give its partitions back."""


class Result(NamedTuple):
    """What a fault has done."""

    lost: int
    """Events that nobody will read again and that are not in the state."""
    doubled: int = 0
    """Events that are in the state twice."""
    stood_still_s: float = 0.0
    """Seconds in which nothing was committed, by anybody."""


def _faults(subject: Subject) -> MockFaults:
    assert isinstance(subject.broker, EmbeddedBroker)
    return MockFaults(subject.broker)


def handler_exception(subject: Subject) -> Result:
    """The handler raises once; later it would not."""
    process = subject.start(subject.fails)
    subject.ready(process)
    subject.send(ACCOUNTS)
    subject.until(lambda: subject.all_committed() or not process.alive)
    subject.finish()
    return Result(subject.lost(), subject.doubled())


def changelog_send_fails(subject: Subject) -> Result:
    """The right to write is away for a moment; then the process dies."""
    faults = _faults(subject)
    subject.send(ACCOUNTS)
    faults.fail(Request.PRODUCE, *[KafkaError.TOPIC_AUTHORIZATION_FAILED] * REFUSED)
    subject.start()
    subject.until(subject.all_committed, 20.0)
    subject.kill_all()
    faults.clear(Request.PRODUCE)
    subject.finish()
    return Result(subject.lost(), subject.doubled())


def slow_flush(subject: Subject) -> Result:
    """What is written is acknowledged late, so that it piles up; the process dies when everything is committed."""
    faults = _faults(subject)
    subject.send([f"account-{number}" for number in range(MANY)])
    faults.fail_slowly(1, Request.PRODUCE, *[(0, SLOW_MS)] * 12)
    subject.start()
    subject.until(subject.all_committed, 30.0)
    subject.kill_all()
    subject.finish()
    return Result(subject.lost(), subject.doubled())


def failed_commit(subject: Subject) -> Result:
    """The group refuses a commit, because it is being balanced anew."""
    faults = _faults(subject)
    process = subject.start()
    subject.ready(process)
    faults.fail(Request.OFFSET_COMMIT, KafkaError.REBALANCE_IN_PROGRESS)
    subject.send(ACCOUNTS)
    subject.until(lambda: subject.all_committed() or subject.doubled() > 0)
    subject.kill_all()
    if doubled := subject.doubled():
        return Result(0, doubled)
    subject.finish()
    return Result(subject.lost(), subject.doubled())


def hanging_handler(subject: Subject) -> Result:
    """A handler hangs while a second process joins the group."""
    first = subject.start(subject.hangs)
    subject.ready(first)
    subject.send(ACCOUNTS)
    time.sleep(2.0)
    subject.start()
    before = subject.committed()
    began = time.monotonic()
    subject.until(lambda: subject.committed() > before and subject.all_committed(), GROUP_LIMIT_S)
    still = time.monotonic() - began
    subject.finish()
    return Result(subject.lost(), subject.doubled(), still)


def truncated_changelog(subject: Subject) -> Result:
    """What newer records of the changelog have replaced was deleted before a start."""
    faults = _faults(subject)
    process = subject.start()
    subject.ready(process)
    for _ in range(3):
        subject.send(ACCOUNTS)
        subject.until(subject.all_committed)
    process.stop()
    newest: dict[tuple[int, bytes], int] = {}
    for record in read_all(subject.broker.bootstrap, subject.changelog):
        newest[record.partition, record.key] = record.offset
    for partition in range(PARTITIONS):
        kept = [offset for (place, _), offset in newest.items() if place == partition]
        if kept:
            faults.delete_records(subject.changelog, partition, min(kept))
    subject.start()
    subject.send(ACCOUNTS)
    began = time.monotonic()
    subject.until(subject.all_committed, GROUP_LIMIT_S)
    return Result(subject.lost(), subject.doubled(), time.monotonic() - began)
