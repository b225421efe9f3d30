"""Quiet hours."""

import pytest

from streams.policy.guardrails import QuietHours


@pytest.mark.parametrize(
    ("start", "end", "minute", "left"),
    [
        ("21:00", "07:00", 20 * 60 + 59, 0),
        ("21:00", "07:00", 21 * 60, 600),
        ("21:00", "07:00", 0, 420),
        ("21:00", "07:00", 7 * 60 - 1, 1),
        ("21:00", "07:00", 7 * 60, 0),
        ("12:00", "13:00", 12 * 60 + 30, 30),
        ("12:00", "13:00", 13 * 60, 0),
        ("08:00", "08:00", 8 * 60, 0),
    ],
)
def test_minutes_left_of_quiet_hours(start: str, end: str, minute: int, left: int) -> None:
    """Over midnight and within a day; the end is not in them; from a time to itself is never."""
    quiet = QuietHours.model_validate({"start": start, "end": end})
    assert quiet.remaining(minute) == left


@pytest.mark.parametrize("start", ["24:00", "7", "21:60", 1260])
def test_a_time_of_day_is_hours_and_minutes(start: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="HH:MM"):
        QuietHours.model_validate({"start": start, "end": "07:00"})
