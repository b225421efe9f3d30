"""Faust agents, made by factories: no application exists at import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from streams.shell.failure import FailStop
from streams.shell.lanes import Slice
from streams.shell.table import AccountTable

Agent = Callable[[AsyncIterator[Slice]], Awaitable[None]]


def accounts(table: AccountTable, fail: FailStop) -> Agent:
    """The agent that applies the merged log of each owned partition to its accounts."""

    async def apply(slices: AsyncIterator[Slice]) -> None:
        """Folds the merged log of each partition into its accounts."""
        async for piece in slices:
            try:
                await table.apply_slice(piece)
            except Exception as error:  # noqa: BLE001  Faust would restart the agent behind the failed record
                fail(error)

    return apply
