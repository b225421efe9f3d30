"""A worker with one thing broken inside: `SABOTAGE=fetch python -m tests.support.sabotage worker`.

What a failpoint cannot do: let a coroutine wait for ever while everything else goes on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

SWITCH = "SABOTAGE"


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _fetch() -> None:
    """After the first records, the fetcher waits for ever."""
    from streams.shell.consumer import MergedConsumer  # noqa: PLC0415  patched before it is used

    fetch = MergedConsumer._fetch

    async def stuck_after_the_first(self: MergedConsumer) -> None:
        if any(lane.position > 0 for lanes in self.lanes.values() for lane in lanes.topics.values()):
            await _for_ever()
        await fetch(self)

    MergedConsumer._fetch = stuck_after_the_first  # type: ignore[method-assign]


def _commit_refused() -> None:
    """No commit ever succeeds."""
    from streams.shell.consumer import MergedConsumer  # noqa: PLC0415  as above

    async def refused(_self: Any, _offsets: Any, _generation: int) -> bool:
        return False

    MergedConsumer.commit_applied = refused  # type: ignore[method-assign]


def _commit_hangs() -> None:
    """The first commit is never answered."""
    from streams.shell.consumer import MergedConsumer  # noqa: PLC0415  as above

    async def hangs(_self: Any, _offsets: Any, _generation: int) -> bool:
        await _for_ever()
        return True

    MergedConsumer.commit_applied = hangs  # type: ignore[method-assign]


def _fold_waits() -> None:
    """The agent waits for ever in its first slice, without blocking the event loop."""
    from streams.shell.table import AccountTable  # noqa: PLC0415  as above

    async def waits(_self: Any, _piece: Any) -> None:
        await _for_ever()

    AccountTable.apply_slice = waits  # type: ignore[method-assign]


def _agent_dies() -> None:
    """The agent's task ends at its first slice, and nobody says so."""
    from streams.shell import agents  # noqa: PLC0415  as above

    def accounts(_table: Any, _fail: Any) -> Any:
        async def apply(slices: Any) -> None:
            """Takes one slice and is gone."""
            async for _piece in slices:
                task = asyncio.current_task()
                if task is not None:
                    task.cancel()
                await asyncio.sleep(0)

        return apply

    agents.accounts = accounts


FAULTS: dict[str, Callable[[], None]] = {
    "fetch": _fetch,
    "commit_refused": _commit_refused,
    "commit_hangs": _commit_hangs,
    "fold_waits": _fold_waits,
    "agent_dies": _agent_dies,
}


if __name__ == "__main__":
    FAULTS[os.environ[SWITCH]]()
    from streams.cli.main import main

    main()
