"""Time as the core knows it: whole milliseconds since 1970-01-01 UTC, as `int`. Nobody here reads a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 1461 * DAY // 4
"""365.25 days."""

# 1970-01-05 was a Monday: weeks are counted from it.
_FIRST_MONDAY = 4 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_LONGEST = 100 * YEAR
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")


def parse_duration(text: str) -> int:
    """Milliseconds of a duration such as `50ms`, `30s`, `15m`, `36h`, `3d` or `2w`.

    Raises ValueError when the text is not a number with one of these units, or longer than 100 years.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        msg = f"{text[:40]!r} is not a duration: write a number and one of {', '.join(_UNITS)}, for example 36h"
        raise ValueError(msg)
    ms = float(found[1]) * _UNITS[found[2]]
    if ms > _LONGEST:
        raise ValueError(f"{text[:40]!r} is longer than 100 years")
    return round(ms)


def format_duration(ms: float) -> str:
    """The duration in the largest unit that reads well: `90s`, `36h`, `12.5d`."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if abs(ms) >= 2 * size:
            return f"{ms / size:.1f}".removesuffix(".0") + unit
    return f"{ms / SECOND:.0f}s"


def parse_time(text: str) -> int:
    """Milliseconds of an ISO 8601 time; without an offset it is UTC. Raises ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return passed.days * DAY + passed.seconds * SECOND + passed.microseconds // 1000


def format_time(ms: int) -> str:
    """ISO 8601 in UTC; with milliseconds only when there are any."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.isoformat()[:19] + (f".{ms % SECOND:03d}Z" if ms % SECOND else "Z")


def start_of(period: int, at: int) -> int:
    """Start of the period of `period` ms that holds `at`; weeks start on Monday, UTC."""
    shift = _FIRST_MONDAY if period % WEEK == 0 else 0
    return at - (at - shift) % period


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def known_zone(name: str) -> bool:
    """True when the IANA time zone is known."""
    return _zone(name) is not None


def local_minute(at: int, zone: str) -> int:
    """Minute of the local day, 0..1439, in the IANA `zone`; UTC when the zone is unknown."""
    moment = datetime.fromtimestamp(at / 1000, _zone(zone) or UTC)
    return moment.hour * 60 + moment.minute
