"""Pieces of work of which one runs at a time, and the one that runs can be given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from streams.shell.failure import Abandoned

T = TypeVar("T")


class OneAtATime:
    """Runs what it is given, one after the other, until it is given up."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._attempt: asyncio.Task[Any] | None = None
        self._given_up = False

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Does one thing when its turn comes. Raises Abandoned when it was given up."""
        async with self._turn:
            if self._given_up:
                raise Abandoned
            attempt: asyncio.Task[T] = asyncio.ensure_future(work())
            self._attempt = attempt
            try:
                await asyncio.wait([attempt])
            except asyncio.CancelledError:
                # Whoever asked for it has gone: it ends before the next one begins.
                attempt.cancel()
                await asyncio.wait([attempt])
                raise
            finally:
                self._attempt = None
            if attempt.cancelled():
                raise Abandoned
            return attempt.result()

    async def give_up(self, drop: Callable[[], None]) -> None:
        """Ends what runs, and returns when it has ended; nothing is run any more before `begin_again`.

        `drop` frees it from what it waits for.
        """
        self._given_up = True
        attempt = self._attempt
        if attempt is not None:
            attempt.cancel()
        drop()
        if attempt is not None:
            await asyncio.wait([attempt])

    def begin_again(self) -> None:
        """What is asked for from now on is run."""
        self._given_up = False
