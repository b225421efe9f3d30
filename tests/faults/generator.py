"""Input that is a function of a seed, and the ledger of what the brokers have acknowledged.

Simulated time runs fast: a day of every account is a few hundred records, so that normals are learnt, drops happen,
interventions open and outcomes are decided within a minute. The ledger gets a line only when a record is acknowledged.
"""

from __future__ import annotations

import hashlib
import heapq
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, NamedTuple

from streams import topics
from streams.domain.partitioner import partition_of
from streams.domain.time import DAY, HOUR, MINUTE
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.simulation.chance import stream
from tests.support.log import START

WARM_DAYS = 28
"""Days that are sent at once when a load starts: without a normal there is no drop."""
NOWHERE = -1
"""As an offset: acknowledged without one. A broker that had stored a batch before it was sent again names none."""
_LATE = (1 * HOUR, 20 * HOUR)
_TOO_LATE = (40 * DAY, 60 * DAY)


@dataclass(frozen=True, slots=True)
class Mix:
    """What is wrong or uneven in a load. Shares of the records unless said otherwise."""

    poison: float = 0.0
    """Records that must become dead letters."""
    duplicates: float = 0.0
    """Records that are sent again with the same event id."""
    late: float = 0.0
    """Events that happened hours before their record."""
    too_late: float = 0.0
    """Events that happened weeks before their record."""
    shuffled: float = 0.0
    """Groups of ten records whose order in the log is not that of their times."""
    hot: float = 0.0
    """Records of one account; the others share the rest."""
    partitions: tuple[int, ...] = ()
    """Only accounts of these partitions; empty: of all."""
    responses: bool = True
    """Interventions are read back and answered."""


class Sent(NamedTuple):
    """A record to be sent. `time` is the record time in ms; `poison` says why it cannot be read."""

    topic: str
    key: bytes | None
    value: bytes | None
    time: int
    poison: str = ""


class Line(NamedTuple):
    """A line of the ledger: an acknowledged record. `digest` is of key and value."""

    topic: str
    partition: int
    offset: int
    time: int
    digest: bytes
    poison: str


def digest(key: bytes | None, value: bytes | None) -> bytes:
    """Tells records apart."""
    return hashlib.blake2b(repr(key).encode() + b"|" + (b"-" if value is None else value), digest_size=8).digest()


@dataclass
class Ledger:
    """What was acknowledged, and how many records may or may not have arrived."""

    lines: list[Line] = field(default_factory=list)
    unacknowledged: int = 0
    """Records whose delivery failed or is not known; they may lie in the log or not."""

    def poison(self) -> dict[tuple[str, int, int], str]:
        """Why a record cannot be read, by topic, partition and offset."""
        return {(line.topic, line.partition, line.offset): line.poison for line in self.lines if line.poison}


@dataclass(slots=True)
class _Account:
    name: str
    rng: random.Random
    offset: int
    level: float
    drop: int
    """First day of the next drop, or of the one that lasts."""
    over: int
    """The day on which it is over."""
    silent: bool = False


class History:
    """An endless log of `accounts` accounts, day by day. The same arguments give the same records.

    Each account has a normal, from which it falls every few weeks: its use drops or stops, it complains, opens
    tickets, sometimes wants to leave, and recovers.
    """

    def __init__(
        self, seed: int, accounts: int, mix: Mix | None = None, partitions: int = 4, start: int = START
    ) -> None:
        self.mix = mix or Mix()
        self.now = start
        """Simulated time of the newest record."""
        self.spoilt: Counter[str] = Counter()
        """How many records were made late or too late; at its end, a load may not have sent the newest ten."""
        self._seed = seed
        self._codec = Codec(Settings())
        self._rng = stream(seed, "mix")
        self._start = start
        self._numbers = count(1)
        self._heap: list[tuple[int, int, str, dict[str, Any]]] = []
        self._answers: list[tuple[int, str, dict[str, Any]]] = []
        self._answers_lock = threading.Lock()
        names = (f"account-{number:05d}" for number in count())
        wanted = set(self.mix.partitions) or set(range(partitions))
        chosen = islice((name for name in names if partition_of(name.encode(), partitions) in wanted), accounts)
        self._accounts = [self._account(name) for name in chosen]
        self._records = self._generate()

    def take(self, number: int) -> list[Sent]:
        """The next records."""
        return list(islice(self._records, number))

    def days(self, number: int) -> list[Sent]:
        """All records of the next whole days."""
        until, taken = self.now + number * DAY, []
        for record in self._records:
            taken.append(record)
            if record.time >= until:
                break
        return taken

    def respond(self, topic: str, event: dict[str, Any], at: int) -> None:
        """Plans an answer for a moment of simulated time."""
        with self._answers_lock:
            heapq.heappush(self._answers, (at, event["event_id"], {"topic": topic, **event}))

    def _account(self, name: str) -> _Account:
        rng = stream(self._seed, "account", name)
        drop = rng.randrange(WARM_DAYS - 6, WARM_DAYS + 16)
        return _Account(name, rng, rng.randrange(6 * HOUR), rng.uniform(40, 200), drop, drop + rng.randrange(6, 16))

    def _add(self, topic: str, name: str, at: int, **fields: Any) -> None:
        number = next(self._numbers)
        event = {"event_id": f"e{number}", "account_id": name, "occurred_at": at, "source": "test", **fields}
        heapq.heappush(self._heap, (at, number, topic, event))

    def _generate(self) -> Iterator[Sent]:
        group: list[Sent] = []
        for sent in self._flow():
            group.append(sent)
            if len(group) == 10:
                if self.mix.shuffled and self._rng.random() < self.mix.shuffled:
                    self._rng.shuffle(group)
                yield from group
                group.clear()

    def _flow(self) -> Iterator[Sent]:
        for day in count():
            for account in self._accounts:
                self._day(account, day)
            end = self._start + (day + 1) * DAY
            while self._heap and self._heap[0][0] < end:
                at, _, topic, event = heapq.heappop(self._heap)
                yield from self._due(at)
                self.now = max(self.now, at)
                yield from self._spoil(topic, at, event)

    def _due(self, at: int) -> Iterator[Sent]:
        with self._answers_lock:
            due = []
            while self._answers and self._answers[0][0] <= at:
                due.append(heapq.heappop(self._answers)[2])
        for event in due:
            plain = {**event, "occurred_at": self.now}
            topic = plain.pop("topic")
            yield self._record(topic, self.now, plain)

    def _spoil(self, topic: str, at: int, event: dict[str, Any]) -> Iterator[Sent]:
        mix, rng = self.mix, self._rng
        luck = rng.random()
        if luck < mix.late:
            self.spoilt["late"] += 1
            event["occurred_at"] = at - rng.randrange(*_LATE)
        elif luck < mix.late + mix.too_late:
            self.spoilt["too_late"] += 1
            event["occurred_at"] = at - rng.randrange(*_TOO_LATE)
        record = self._record(topic, at, event)
        yield record
        if mix.duplicates and rng.random() < mix.duplicates:
            yield self._record(topic, at + rng.randrange(MINUTE), event)
        if mix.poison and rng.random() < mix.poison:
            yield poisoned(rng, self._codec, record, event)
        if mix.hot and self._accounts:
            for _ in range(round(mix.hot / (1 - mix.hot))):
                hot = self._accounts[0]
                yield self._record(
                    topics.USAGE,
                    at,
                    {
                        "event_id": f"h{next(self._numbers)}",
                        "account_id": hot.name,
                        "occurred_at": at,
                        "source": "test",
                        "metric": "feature_use",
                        "value": round(rng.uniform(1, 9), 2),
                        "unit": "count",
                    },
                )

    def _record(self, topic: str, at: int, event: dict[str, Any]) -> Sent:
        return Sent(topic, event["account_id"].encode(), self._codec.encode(topic, event), at)

    def _day(self, account: _Account, day: int) -> None:
        rng, name = account.rng, account.name
        at = self._start + day * DAY + 8 * HOUR + account.offset
        if day == 0:
            self._profile(account, at - 2 * HOUR)
        if day >= account.over:
            account.drop = day + rng.randrange(14, 40)
            account.over = account.drop + rng.randrange(6, 16)
            account.silent = rng.random() < 0.15
        hurt = account.drop <= day
        if not (hurt and account.silent):
            value = account.level * (rng.uniform(0.15, 0.4) if hurt else 1.0) * rng.gauss(1.0, 0.05)
            self._add(topics.USAGE, name, at, metric="active_users", value=round(value, 3), unit="users")
        if rng.random() < 0.2:
            mood = rng.uniform(-0.95, -0.5) if hurt else rng.uniform(0.2, 0.6)
            said: dict[str, Any] = {"score": round(mood, 3)}
            if rng.random() < 0.3:
                said = {"text": "This is terrible, nothing works and nobody helps." if hurt else "Works fine, thanks!"}
            self._add(topics.SENTIMENT, name, at + HOUR, channel="email", interaction_id=f"i-{name}-{day}", **said)
        if hurt and day == account.drop:
            self._trouble(account, day, at + 2 * HOUR)

    def _profile(self, account: _Account, at: int) -> None:
        rng = account.rng
        self._add(
            topics.ACCOUNTS,
            account.name,
            at,
            change="created",
            segment=rng.choice(("enterprise", "mid", "small")),
            time_zone=rng.choice(("Europe/Berlin", "America/New_York", "Asia/Singapore")),
            value=float(rng.randrange(1_000, 90_000)),
            renewal_at=at + rng.randrange(60, 360) * DAY,
        )

    def _trouble(self, account: _Account, day: int, at: int) -> None:
        rng, name = account.rng, account.name
        if rng.random() < 0.5:
            ticket = {"ticket_id": f"t-{name}-{day}", "area": "support", "theme": "sync"}
            priority = rng.choice(("normal", "high", "urgent"))
            self._add(topics.TICKETS, name, at, change="opened", priority=priority, actor="customer", **ticket)
            over = at + rng.randrange(6, 80) * HOUR
            self._add(topics.TICKETS, name, over, change="resolved", priority=priority, actor="agent", **ticket)
        if rng.random() < 0.3:
            for position, mood in enumerate((0.3, -0.2, -0.5, -0.7, -0.85, -0.9)):
                self._add(
                    topics.SENTIMENT,
                    name,
                    at + position * 3 * MINUTE,
                    channel="chat",
                    interaction_id=f"c-{name}-{day}",
                    position=position + 1,
                    score=mood,
                )
        if rng.random() < 0.15:
            self._add(topics.ACCOUNTS, name, at + 5 * HOUR, change="cancel_intent")


POISONS = (
    "empty",
    "wrong_magic",
    "truncated",
    "unknown_schema",
    "trailing",
    "null_key",
    "key_mismatch",
    "not_finite",
    "absurd_time",
    "empty_id",
)
"""Ways in which a record is spoilt; each must be a dead letter, whatever it is called there."""


def poisoned(rng: random.Random, codec: Codec, record: Sent, event: dict[str, Any]) -> Sent:
    """A copy of a record that cannot be read, one way or another."""
    how = rng.choice(POISONS)
    value = record.value or b""
    spoilt: dict[str, Any] = {"poison": how}
    if how == "empty":
        spoilt["value"] = None
    elif how == "wrong_magic":
        spoilt["value"] = rng.randbytes(rng.randrange(1, 60)).replace(b"\xc3\x01", b"\xc3\x02").lstrip(b"\0\xc3") + b"!"
    elif how == "truncated":
        spoilt["value"] = value[: rng.randrange(10, max(11, len(value) - 8))]
    elif how == "unknown_schema":
        spoilt["value"] = value[:2] + rng.randbytes(8) + value[10:]
    elif how == "trailing":
        spoilt["value"] = value + b"\x00"
    elif how == "null_key":
        spoilt["key"] = None
    elif how == "key_mismatch":
        spoilt["key"] = b"somebody-else"
    else:
        field_of = {
            "not_finite": {"metric": "active_users", "value": float("nan")},
            "absurd_time": {"occurred_at": record.time + 400 * DAY},
            "empty_id": {"event_id": ""},
        }
        made = {**event, **field_of[how]}
        if how == "not_finite" and record.topic != topics.USAGE:
            made = {**event, "event_id": ""}
        spoilt["value"] = codec.encode(record.topic, made)
    return record._replace(**spoilt)
