"""A running board for tests that look at it from outside."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.board.server import BoardServer
from streams.settings import Settings


@contextmanager
def running_board(settings: Settings) -> Iterator[BoardServer]:
    """Serves in a thread of its own until the block is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    board = BoardServer(settings)
    try:
        asyncio.run_coroutine_threadsafe(board.start(), loop).result(20)
        yield board
    finally:
        asyncio.run_coroutine_threadsafe(board.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Returns when the condition holds; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen in {seconds:.0f} s")
        time.sleep(0.05)
