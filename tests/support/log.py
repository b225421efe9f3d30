"""A small deterministic history on all input topics: to a broker, through the core offline, and back from a broker."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import Producer

from streams import topics
from streams.domain.partitioner import partition_of
from streams.domain.time import DAY, HOUR
from streams.policy.load import default_policy
from streams.policy.model import Policy
from streams.settings import Settings
from streams.shell.changelog import PARTITION_KEY, SCHEMA_PREFIX
from streams.shell.codec import Codec
from streams.shell.envelope import headers, health_headers
from streams.shell.state_codec import encode_account, encode_partition
from tests.support import offline
from tests.support.stored import read_topic

START = 1_700_000_000_000 - 1_700_000_000_000 % DAY
"""A day in November 2023, ms."""
DECISIONS = (topics.INTERVENTIONS, topics.OUTCOMES, topics.SUPPRESSED)
_QUIET = {"log_level": 0, "log.connection.close": False}


class Entry(NamedTuple):
    """One input record. `time` is record and event time in ms."""

    topic: str
    key: str
    time: int
    event: dict[str, Any]


@dataclass
class Answer:
    """What a run leaves behind; `copies` are byte-identical repetitions, `wrong` are repetitions that differ."""

    records: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Bytes by (topic, ce_id)."""
    health: dict[str, bytes] = field(default_factory=dict)
    """Newest row by account."""
    state: dict[bytes, bytes] = field(default_factory=dict)
    """Newest account state by changelog key."""
    copies: int = 0
    wrong: int = 0


def small_log(accounts: int = 40, days: int = 70, seed: int = 1) -> list[Entry]:
    """Profiles, daily usage with drops and recoveries, sentiment and tickets.

    In the order of time, as one producer would write it.
    """
    rng = random.Random(seed)
    log: list[Entry] = []
    number = 0

    def add(topic: str, key: str, at: int, **event: Any) -> None:
        nonlocal number
        number += 1
        base = {"event_id": f"e{number}", "account_id": key, "occurred_at": at, "source": "test"}
        log.append(Entry(topic, key, at, {**base, **event}))

    for index in range(accounts):
        key = f"account-{index:03d}"
        offset = rng.randrange(HOUR)
        add(topics.ACCOUNTS, key, START + offset, change="created", segment="mid", time_zone="Europe/Berlin", value=1e4)
        drop = range(30, 48) if index % 3 == 0 else range(0)
        for day in range(days):
            at = START + day * DAY + 9 * HOUR + offset
            level = 100.0 * (0.2 if day in drop else 1.0) + rng.gauss(0, 4)
            add(topics.USAGE, key, at, metric="active_users", value=round(level, 3), unit="users")
            if day % 5 == index % 5:
                mood = -0.8 if day in drop else 0.4
                add(topics.SENTIMENT, key, at + HOUR, channel="email", interaction_id=f"i{index}-{day}", score=mood)
            if day in drop and day % 6 == 0:
                ticket = {"ticket_id": f"t{index}-{day}", "area": "support", "actor": "customer", "theme": "broken"}
                add(topics.TICKETS, key, at + 2 * HOUR, change="opened", priority="high", **ticket)
                add(topics.TICKETS, key, at + 30 * HOUR, change="resolved", priority="high", **ticket)
    log.sort(key=lambda entry: entry.time)
    return log


def publish(bootstrap: str, prefix: str, log: Iterable[Entry], partitions: int, end: int | None = None) -> int:
    """Writes the log to the input topics; with `end`, one tick a partition at that time. Returns how many records."""
    settings = Settings(topic_prefix=prefix)
    codec = Codec(settings)
    # Idempotent, because a retried batch would otherwise come behind later ones, and the order of the log is the point.
    # One request at a time, because a broker that opens a new partition may refuse the first and take the second.
    producer = Producer(
        {
            **_QUIET,
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "enable.idempotence": True,
            "max.in.flight.requests.per.connection": 1,
        }
    )
    count = 0
    for entry in log:
        key = entry.key.encode()
        producer.produce(
            settings.topic(entry.topic),
            codec.encode(entry.topic, entry.event),
            key,
            partition_of(key, partitions),
            timestamp=entry.time,
        )
        count += 1
        producer.poll(0)
    if end is not None:
        for partition in range(partitions):
            tick = codec.encode(topics.CONTROL, {"kind": "tick", "at": end})
            producer.produce(settings.topic(topics.CONTROL), tick, b"control", partition, timestamp=end)
            count += 1
    if producer.flush(30):
        raise TimeoutError("the log was not written")
    return count


def fold_log(
    log: Iterable[Entry], app_id: str, partitions: int, end: int | None = None, policy: Policy | None = None
) -> Answer:
    """What a worker must answer to the log, by the core alone."""
    written = offline.OfflineLog(partitions)
    codec = Codec(Settings())
    for entry in log:
        # As the codec reads it back, with defaults.
        event = codec.decode(entry.topic, codec.encode(entry.topic, entry.event))
        written.append(entry.topic, entry.key, entry.time, event)
    if end is not None:
        written.tick(end)
    answer = Answer()
    for fold, outputs in offline.fold_log(written, policy or default_policy(), _scorer()):
        for output in outputs:
            ce_id = headers(output, app_id)["ce_id"].decode()
            answer.records[output.topic, ce_id] = codec.encode(output.topic, output.record)
        for account_id, account in fold.accounts.items():
            answer.state[account_id.encode()] = encode_account(account)
            if account_id in fold.health_changed:
                row = fold.health_row(account_id)
                health_headers(row, app_id)
                answer.health[account_id] = codec.encode(topics.HEALTH, row)
        answer.state[PARTITION_KEY + b"%d" % fold.state.partition] = encode_partition(fold.state)
    return answer


def read_answer(bootstrap: str, prefix: str, app_id: str) -> Answer:
    """Reads back what workers have written."""
    answer = Answer()
    for topic in DECISIONS:
        for record in read_all(bootstrap, prefix + topic):
            name = (topic, record.headers["ce_id"].decode())
            if name not in answer.records:
                answer.records[name] = record.value
            elif answer.records[name] == record.value:
                answer.copies += 1
            else:
                answer.wrong += 1
    for record in read_all(bootstrap, prefix + topics.HEALTH):
        answer.health[record.key.decode()] = record.value
    for record in read_all(bootstrap, topics.changelog(app_id)):
        if record.key.startswith(SCHEMA_PREFIX):
            continue
        key = record.key + b"%d" % record.partition if record.key == PARTITION_KEY else record.key
        answer.state[key] = record.value
    return answer


class Record(NamedTuple):
    """A record of an output topic."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes]
    timestamp: int


def read_all(bootstrap: str, topic: str, timeout: float = 60.0) -> list[Record]:
    """Every record of a topic, partition by partition."""
    return [
        Record(found.partition, found.offset, found.key, found.value, dict(found.headers), found.time)  # type: ignore[arg-type]  # all our outputs have keys and values
        for found in read_topic(bootstrap, topic, timeout)
    ]


def _scorer() -> Any:
    from streams.sentiment.vader import VaderScorer  # noqa: PLC0415  loads its lexicon

    return VaderScorer()
