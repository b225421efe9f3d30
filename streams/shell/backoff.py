"""Pauses between attempts."""

from __future__ import annotations

from collections.abc import Iterator


def growing(first_s: float, longest_s: float) -> Iterator[float]:
    """Seconds to wait before the next attempt, and the next, and so on: each twice the one before, up to a limit."""
    pause = first_s
    while True:
        yield pause
        pause = min(2 * pause, longest_s)
