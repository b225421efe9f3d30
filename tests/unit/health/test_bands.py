"""Bands of the score."""

import pytest

from streams.health.bands import band, not_better
from streams.policy.signals import Bands

BANDS = Bands(healthy=70, watch=55, at_risk=40, hysteresis=3)


@pytest.mark.parametrize(
    ("score", "current", "expected"),
    [
        (70, "unknown", "healthy"),
        (69.9, "unknown", "watch"),
        (68, "healthy", "healthy"),
        (66.9, "healthy", "watch"),
        (72, "watch", "watch"),
        (73, "watch", "healthy"),
        (10, "healthy", "critical"),
        (95, "critical", "healthy"),
        (None, "healthy", "unknown"),
    ],
)
def test_a_band_changes_only_clearly_beyond_its_edge(score: float | None, current: str, expected: str) -> None:
    """Three points of hysteresis on either side; none when nothing was known."""
    assert band(score, current, BANDS) == expected


@pytest.mark.parametrize(
    ("new", "current", "expected"),
    [
        ("healthy", "watch", "watch"),
        ("at_risk", "watch", "at_risk"),
        ("watch", "watch", "watch"),
        ("healthy", "unknown", "watch"),
        ("critical", "unknown", "critical"),
        ("unknown", "critical", "unknown"),
    ],
)
def test_what_is_missing_makes_no_band_better(new: str, current: str, expected: str) -> None:
    """It may fall, and become unknown; out of the unknown it is `watch` at best."""
    assert not_better(new, current) == expected
