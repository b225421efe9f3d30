"""Clocks that are wrong: those of events, of producers, and of the machine of a worker."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, Producer

from streams import topics
from streams.domain.time import DAY, HOUR, MINUTE
from streams.settings import Settings
from streams.shell.changelog import PARTITION_KEY
from streams.shell.codec import Codec
from streams.shell.state_codec import decode_partition
from streams.simulation.events import usage
from tests.faults.case import Case, CaseFailed, Row, Sent, Tier, Worker
from tests.faults.generator import History
from tests.faults.load import Load
from tests.faults.watch import alive, recovered, steady, takeovers, until
from tests.support import faketime

YEAR = 365 * DAY
WRONG = {
    "an hour ahead": (HOUR, ""),
    "ten years ahead": (10 * YEAR, "absurd_time"),
    "at the epoch": (None, "absurd_time"),
    "before the epoch": (-1, "absurd_time"),
}
"""Time of the event relative to its record, and why it becomes a dead letter; None: 0 ms."""


def run(case: Case) -> None:
    """Each clock is a run of its own."""
    {"events": events, "records": records, "ahead": ahead, "behind": behind}[case.variant](case)


def events(case: Case) -> None:
    """Events whose own time is wrong are counted: a little ahead is applied, absurd is a dead letter."""
    load = case.load(rate=100, accounts=60).start()
    workers = [case.worker("w1"), case.worker("w2")]
    steady(case)
    codec = Codec(Settings())
    for number in range(200):
        how = case.rng.choice(sorted(WRONG))
        shift, reason = WRONG[how]
        account, at = f"account-{case.rng.randrange(60):05d}", load.history.now
        occurred = 0 if shift is None else -1 if shift < 0 else at + shift
        event = usage(account, f"wrong-{number}", occurred, "active_users", 5.0, "users")
        load.send([Sent(topics.USAGE, account.encode(), codec.encode(topics.USAGE, event), at, reason)])
        if number % 20 == 0:
            case.fault(f"event {how}")
            time.sleep(0.5)
    load.flush()
    recovered(case, 60 * case.patience)
    alive(workers)
    case.finish(dup_bound=0)
    _time_stood(case, load.history.now + 21 * DAY)


def records(case: Case) -> None:
    """A producer whose clock is ten years ahead is refused by the broker; one at the epoch makes dead letters."""
    load = case.load(rate=100, accounts=60).start()
    workers = [case.worker("w1")]
    steady(case)
    codec = Codec(Settings())
    now = int(time.time() * 1000)
    refused: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": case.bootstrap, "log_level": 0})
    event = usage("account-00001", "ahead", now, "active_users", 5.0, "users")
    value = codec.encode(topics.USAGE, event)
    case.fault("a record ten years ahead")
    producer.produce(
        case.topic(topics.USAGE),
        value,
        b"account-00001",
        timestamp=now + 10 * YEAR,
        on_delivery=lambda error, _: refused.append(error) if error else None,
    )
    producer.flush(30)
    if not refused or refused[0].code() != KafkaError.INVALID_TIMESTAMP:
        raise CaseFailed("the broker took a record ten years ahead: time of its partition is over")
    case.fault("records at the epoch")
    for number in range(50):
        account = f"account-{case.rng.randrange(60):05d}"
        event = usage(account, f"epoch-{number}", 1, "active_users", 5.0, "users")
        load.send([Sent(topics.USAGE, account.encode(), codec.encode(topics.USAGE, event), 1, "absurd_time")])
    load.flush()
    recovered(case, 60 * case.patience)
    alive(workers)
    case.finish(dup_bound=0)
    _time_stood(case, load.history.now + 21 * DAY)


def ahead(case: Case) -> None:
    """The clock of one worker is two hours ahead: the broker refuses all that it writes, and it ends and says why."""
    clock, load, (wrong, right) = _on_the_wall(case)
    wrong.may_exit = {1}
    case.fault("clock +2 h")
    clock.move(2 * HOUR / 1000)
    _live(case, load, 20)
    until(lambda: not wrong.alive, "the worker that can write nothing ends", 60 * case.patience)
    case.fault("restarted with the wrong clock")
    again = case.restart(wrong)
    again.may_exit = {1}
    until(lambda: not again.alive, "it ends again", 60 * case.patience)
    for worker in (wrong, again):
        if "clock of this machine" not in worker.output:
            raise CaseFailed(f"{worker.log.name} does not name the clock:\n{worker.output[-2000:]}")
    case.fault("clock set right")
    clock.move(0)
    case.restart(wrong)
    _live(case, load, 10)
    alive([right])
    _end(case)


def behind(case: Case) -> None:
    """Two hours behind, while it runs and when it starts: it works as if nothing was wrong."""
    clock, load, workers = _on_the_wall(case)
    case.fault("clock -2 h")
    clock.move(-2 * HOUR / 1000)
    _live(case, load, 20)
    alive(workers)
    case.fault("restarted with the wrong clock")
    if workers[0].stop() != 0:
        raise CaseFailed("the worker with the wrong clock did not stop in order")
    workers[0] = case.restart(workers[0])
    _live(case, load, 20)
    alive(workers)
    _end(case)


def _on_the_wall(case: Case) -> tuple[faketime.WrongClock, Load, list[Worker]]:
    """Two workers with the wall clock, one of which can be set wrong."""
    # A history that ends now, because ticks carry the time of the day.
    begin = int(time.time() * 1000) // DAY * DAY - 40 * DAY
    load = case.load(accounts=60, warm_days=0)
    load.history = History(case.seed, 60, None, case.partitions, start=begin)
    load.send(load.history.days(40))
    load.flush()
    clock = faketime.WrongClock(0, case.directory)
    workers = [
        case.worker("wrong", env=clock.environment, clock="wall"),
        case.worker("right", clock="wall"),
    ]
    case.progress(timeout=120)
    until(lambda: all(takeovers(worker) for worker in workers), "both own partitions", 60 * case.patience)
    _live(case, load, 10)
    return clock, load, workers


def _end(case: Case) -> None:
    recovered(case, 60 * case.patience)
    case.finish(tick_days=0)
    _time_stood(case, int(time.time() * 1000) + MINUTE)


def _live(case: Case, load: Load, seconds: float) -> None:
    """Events as they happen, with pauses in which partitions are quiet."""
    codec = Codec(Settings())
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        now = int(time.time() * 1000)
        account = f"account-{case.rng.randrange(60):05d}"
        event = usage(account, f"live-{now}", now, "active_users", 5.0, "users")
        load.send([Sent(topics.USAGE, account.encode(), codec.encode(topics.USAGE, event), now)])
        load.flush()
        case.pause(case.rng.uniform(0.05, 1.5))


def _time_stood(case: Case, latest: int) -> None:
    """No partition's time went beyond what right clocks said."""
    if case.logs is None:
        raise CaseFailed("nothing was read")
    for record in case.logs.changelog:
        if record.key == PARTITION_KEY and record.value:
            reached = decode_partition(record.value).stream_time
            if reached > latest:
                raise CaseFailed(f"time of partition {record.partition} is {(reached - latest) / HOUR:.1f} h ahead")


ROWS = [
    Row(number=24, title="wrong times of events", tier=(Tier.EMBEDDED, Tier.ONE), run=run, variants=("events",)),
    Row(
        number=24,
        title="wrong clocks of producers and workers",
        tier=Tier.ONE,
        run=run,
        variants=("records", "ahead", "behind"),
        unavailable=lambda variant: None if variant == "records" else faketime.unavailable_reason(),
    ),
]
