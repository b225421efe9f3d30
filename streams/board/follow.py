"""Keeps a view up to date from the output topics while the board runs."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor, ThreadPoolExecutor

import structlog

from streams.settings import Settings
from streams.views.consume import OutputReader, OutputsUnavailable
from streams.views.summary import Summary, Urgent, by_urgency, summarise
from streams.views.view import View

_POLL_SECONDS = 0.5
_RETRY_SECONDS = 2.0
# Figures over everything are counted at most this often, however many pages look.
_COUNT_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


class Follower:
    """Reads in a thread, applies on the event loop: the view is only ever touched there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.view = View()
        self.reader: OutputReader | None = None
        self.trouble: str | None = "not connected yet"
        """What keeps the view from being up to date; None while all is well."""
        self.ready = False
        """True once everything that lay in the topics was read; stays true over later trouble."""
        self._counted: tuple[View, int, float, Summary, list[Urgent]] | None = None

    async def run(self) -> None:
        """Follows the topics until cancelled; connects again after trouble."""
        # A consumer must not be closed while it polls: one thread does one after the other.
        with ThreadPoolExecutor(1, thread_name_prefix="outputs") as thread:
            while True:
                reader = OutputReader(self.settings)
                try:
                    await self._follow(reader, thread)
                except OutputsUnavailable as error:
                    if self.trouble != str(error):
                        log.warning("output topics unavailable", reason=str(error))
                    self.trouble = str(error)
                finally:
                    self.reader = None
                    reader.give_up()
                    thread.submit(reader.close)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self, reader: OutputReader, thread: Executor) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(thread, reader.open)
        # A new reader begins at the beginning, so its view does too; the old one is shown until it has caught up.
        view = View()
        if not self.ready:
            self.view = view
        self.reader = reader
        while True:
            records = await loop.run_in_executor(thread, reader.poll, _POLL_SECONDS)
            for record in records:
                view.apply(record.topic, record.account_id, record.record)
            self.trouble = reader.trouble
            if reader.caught_up:
                self.view, self.ready = view, True

    @property
    def unreadable(self) -> int:
        """Records that could not be decoded since the last connection."""
        return self.reader.unreadable if self.reader else 0

    def counted(self) -> tuple[Summary, list[Urgent]]:
        """Figures and open episodes by urgency, at most a second old."""
        now = time.monotonic()
        held = self._counted
        if (
            held is not None
            and held[0] is self.view
            and (held[1] == self.view.version or now - held[2] < _COUNT_SECONDS)
        ):
            return held[3], held[4]
        summary, urgent = summarise(self.view), by_urgency(self.view)
        self._counted = (self.view, self.view.version, now, summary, urgent)
        return summary, urgent
