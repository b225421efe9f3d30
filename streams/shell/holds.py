"""Why the worker waits although it is in order itself: an outage, a topic that refuses letters, a limit.

A hold is not a stall: the worker stays live, is not ready, says why, and goes on by itself when the cause is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.stdlib.get_logger(__name__)

BROKER = "broker"
"""No broker answers, or what was sent is not acknowledged."""
DENIED = "denied"
"""The brokers refuse a right that the worker needs."""
LETTERS = "dead_letters"
"""Dead letters cannot be written."""
RATIO = "dead_letter_ratio"
"""Too many records of a topic cannot be read."""
REGISTRY = "registry"
"""The schema registry cannot be asked."""
ALL = (BROKER, DENIED, LETTERS, RATIO, REGISTRY)

SENDING, ROWS, COMMITTING = "producer", "rows", "commit"
"""Parts of the holds that writing is under. What is read meanwhile would only fill the memory."""
WATCH = "watchdog"
"""Part of the holds that the watchdog is under: it cannot ask the brokers how far the worker should be."""
PATIENCE_S = 3.0
"""An answer that takes longer is a hold."""

_TELL_AGAIN_S = 30.0


class Holds:
    """The holds that are on. Used from the event loop's thread and from others."""

    def __init__(self) -> None:
        self._on: dict[tuple[str, str], tuple[str, float, float]] = {}
        self.ended_at = time.monotonic()
        """When the last hold ended (monotonic, s): before that, nothing can be called a stall."""

    def on(self, name: str, reason: str, part: str = "") -> None:
        """A hold begins or goes on; `part` tells holds of one name apart, such as partitions."""
        now = time.monotonic()
        before = self._on.get((name, part))
        since, told = (now, 0.0) if before is None else before[1:]
        if before is None or now - told >= _TELL_AGAIN_S:
            log.warning("worker holds", hold=name, part=part, reason=reason, seconds=round(now - since))
            told = now
        self._on[name, part] = (reason, since, told)

    def off(self, name: str, part: str = "") -> None:
        """A hold is over; nothing when it was not on."""
        before = self._on.pop((name, part), None)
        if before is not None:
            self.ended_at = time.monotonic()
            log.info("worker goes on", hold=name, part=part, seconds=round(self.ended_at - before[1], 1))

    @contextmanager
    def during(self, name: str, reason: str, part: str = "") -> Iterator[None]:
        """A hold for the time of a block."""
        self.on(name, reason, part)
        try:
            yield
        finally:
            self.off(name, part)

    @contextmanager
    def after(self, seconds: float, name: str, reason: str, part: str = "") -> Iterator[None]:
        """A hold from `seconds` after the beginning of a block to its end; none when the block is quicker.

        In the thread of a running event loop only.
        """
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def begin() -> None:
            self.on(name, reason, part)
            timers[:] = [loop.call_later(_TELL_AGAIN_S, begin)]

        timers.append(loop.call_later(seconds, begin))
        try:
            yield
        finally:
            timers[0].cancel()
            self.off(name, part)

    @property
    def reading_waits(self) -> bool:
        """True while what is read could not be stored."""
        return any(part in (SENDING, ROWS, COMMITTING) for _, part in list(self._on))

    @property
    def reasons(self) -> dict[str, str]:
        """Why the worker waits, by name of the hold; empty when it does not."""
        return {name: reason for (name, _), (reason, _, _) in list(self._on.items())}
