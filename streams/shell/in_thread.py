"""Blocking work in a daemon thread: when it waits for brokers, it does not keep the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable


async def in_thread(work: Callable[[], object], name: str) -> None:
    """Returns when the work is done; raises what it raises. `name` is the thread's."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        found: BaseException | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001  told to whoever waits
            found = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, name=name, daemon=True).start()
    await done
