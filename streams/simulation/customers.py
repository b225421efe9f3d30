"""Who the simulated accounts are: size, money, place, habits. Nothing here changes over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from streams.domain.time import DAY, HOUR
from streams.simulation.chance import between, stream

_FIRST = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "iris", "juniper", "linden")
_SECOND = ("bakery", "clinic", "energy", "foods", "freight", "labs", "legal", "media", "mills", "schools", "works")
_AMERICA = ("America/New_York", "America/Chicago", "America/Los_Angeles")
_ZONES = (*_AMERICA, "Europe/London", "Europe/Berlin", "Asia/Singapore")
_OFFICE_WEEK = (1.0, 1.06, 1.05, 1.0, 0.9, 0.15, 0.1)
_OPEN_WEEK = (0.85, 0.9, 0.95, 1.0, 1.1, 1.15, 1.05)
_OWNERS = 12


@dataclass(frozen=True, slots=True)
class Segment:
    """What sets accounts of a size apart. Rates are a week."""

    name: str
    share: float
    seats: tuple[int, int]
    seat_price: tuple[int, int]
    conversations: float
    tickets: float
    tiers: tuple[str, ...]


SEGMENTS = (
    Segment("enterprise", 0.15, (80, 400), (500, 900), 1.4, 0.9, ("gold", "gold", "silver")),
    Segment("mid", 0.35, (15, 80), (400, 800), 0.7, 0.35, ("gold", "silver", "silver", "bronze")),
    Segment("small", 0.5, (4, 15), (300, 600), 0.35, 0.15, ("silver", "bronze", "bronze")),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """One account. `value` in usd a year; `adoption` is the share of seats in use on a normal day."""

    account_id: str
    segment: Segment
    tier: str
    value: float
    owner: str
    time_zone: str
    stage: str
    seats: int
    adoption: float
    week: tuple[float, ...]
    actions_per_user: float
    report_at: int
    """When the daily usage report leaves, in ms after midnight UTC of the day."""
    workday_at: int
    """Start of the local working day, in ms after midnight UTC."""
    noise: float
    """Day-to-day spread of use, as a share."""
    growth: float
    """Drift of use a week, as a share."""
    created_at: int
    renewal_at: int


def customers(seed: int, count: int, start: int) -> list[Customer]:
    """`count` established accounts, created within the first hours after `start`."""
    return [customer(stream(seed, "customer", number), number, start, stage=None) for number in range(count)]


def customer(rng: Random, number: int, start: int, stage: str | None) -> Customer:
    """One account, drawn from `rng`; `number` makes its id unique."""
    segment = rng.choices(SEGMENTS, [s.share for s in SEGMENTS])[0]
    seats = rng.randint(*segment.seats)
    zone = rng.choice(_ZONES)
    offset = datetime.fromtimestamp(start / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    shift = round(offset.total_seconds() * 1000)
    opens_weekends = rng.random() < 0.2  # noqa: PLR2004  one in five is a shop or a clinic
    return Customer(
        account_id=f"{rng.choice(_FIRST)}-{rng.choice(_SECOND)}-{number:03d}",
        segment=segment,
        tier=rng.choice(segment.tiers),
        value=float(seats * rng.randint(*segment.seat_price)),
        owner=f"csm-{rng.randrange(_OWNERS):02d}",
        time_zone=zone,
        stage=stage or rng.choice(("adoption", "adoption", "renewal")),
        seats=seats,
        adoption=rng.uniform(0.5, 0.85),
        week=tuple(share * rng.uniform(0.93, 1.07) for share in (_OPEN_WEEK if opens_weekends else _OFFICE_WEEK)),
        actions_per_user=rng.uniform(6, 16),
        report_at=(between(rng, 19, 21, HOUR) - shift) % DAY,
        workday_at=(8 * HOUR - shift) % DAY,
        noise=rng.uniform(0.05, 0.12),
        growth=rng.gauss(0.002, 0.004),
        created_at=start + between(rng, 0.1, 6, HOUR),
        renewal_at=start + between(rng, 40, 360, DAY),
    )
