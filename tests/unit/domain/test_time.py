"""Durations, times, periods and local clocks."""

import pytest

from streams.domain.time import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    format_duration,
    format_time,
    known_zone,
    local_minute,
    parse_duration,
    parse_time,
    start_of,
)

WEDNESDAY = parse_time("2023-11-15T11:40:00.250Z")


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("50ms", 50),
        ("30s", 30 * SECOND),
        ("15m", 15 * MINUTE),
        ("36h", 36 * HOUR),
        ("3d", 3 * DAY),
        ("2w", 2 * WEEK),
        ("1.5h", 90 * MINUTE),
        (" 7 d ", WEEK),
    ],
)
def test_duration_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "3", "d", "-1d", "3 months", "1h30m", "1e3s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="36h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (90 * SECOND, "90s"),
        (2 * MINUTE, "2m"),
        (2 * HOUR - 1, "120m"),
        (36 * HOUR, "36h"),
        (2 * DAY, "2d"),
        (12.5 * DAY, "12.5d"),
        (-3 * DAY, "-3d"),
        (0, "0s"),
    ],
)
def test_duration_is_shown_in_the_largest_unit_of_which_there_are_two(ms: float, text: str) -> None:
    assert format_duration(ms) == text


def test_time_without_an_offset_is_utc() -> None:
    assert parse_time("2023-11-15T11:40:00") == parse_time("2023-11-15T12:40:00+01:00") == WEDNESDAY - 250


@pytest.mark.parametrize("text", ["2023-11-15T11:40:00.250Z", "2023-11-15T11:40:00Z", "1969-12-31T23:59:59.999Z"])
def test_time_is_shown_as_it_is_read(text: str) -> None:
    """With milliseconds only when there are any."""
    assert format_time(parse_time(text)) == text


@pytest.mark.parametrize(
    ("period", "start"),
    [
        (HOUR, "2023-11-15T11:00:00Z"),
        (DAY, "2023-11-15T00:00:00Z"),
        (WEEK, "2023-11-13T00:00:00Z"),
    ],
)
def test_period_starts_on_the_hour_at_midnight_and_on_monday(period: int, start: str) -> None:
    """The start belongs to its period, the moment before to the last one."""
    begins = parse_time(start)
    assert start_of(period, WEDNESDAY) == start_of(period, begins) == begins
    assert start_of(period, begins - 1) == begins - period


def test_local_clock_follows_daylight_saving() -> None:
    """In Berlin, at the last minute of winter time and the first of summer time."""
    change = parse_time("2026-03-29T01:00:00Z")
    assert local_minute(change - MINUTE, "Europe/Berlin") == 1 * 60 + 59
    assert local_minute(change, "Europe/Berlin") == 3 * 60


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_unknown_zone_is_utc(zone: str) -> None:
    assert not known_zone(zone)
    assert local_minute(WEDNESDAY, zone) == 11 * 60 + 40
