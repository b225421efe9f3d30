"""How time enters the log of a quiet partition: its owner appends a tick. Only with the wall clock."""

from __future__ import annotations

import asyncio
import contextlib
import time

from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.failure import Abandoned
from streams.shell.ownership import control_record
from streams.shell.producer import Sender
from streams.shell.table import AccountTable

QUIET_S = 1.0
"""A partition is quiet when nothing was applied for so long; also the least time between two ticks."""


class Ticker:
    """Appends ticks to `partition-control`.

    Args:
        settings: Names.
        table: The owned partitions.
        sender: Writes the ticks.
        codec: Encodes them.
    """

    def __init__(self, settings: Settings, table: AccountTable, sender: Sender, codec: Codec) -> None:
        self._settings = settings
        self._table = table
        self._sender = sender
        self._codec = codec
        self._ticked: dict[int, float] = {}

    async def run(self) -> None:
        """Ticks until cancelled."""
        while True:
            await asyncio.sleep(QUIET_S / 4)
            await self.tick(time.monotonic(), int(time.time() * 1000))

    async def tick(self, clock: float, now: int) -> int:
        """Appends a tick to each quiet partition; returns how many.

        `clock` is monotonic, in seconds; `now` the wall clock in ms.
        """
        quiet = [
            partition
            for partition, owned in self._table.owned.items()
            if clock - max(owned.applied_at, self._ticked.get(partition, 0.0)) >= QUIET_S
            and owned.fold.state.stream_time < now
        ]
        source = self._settings.app_id
        for partition in quiet:
            self._ticked[partition] = clock
        if quiet:
            tick = {"kind": "tick", "at": now, "source": source}
            # A tick that was given up with its partition is the next owner's to write.
            with contextlib.suppress(Abandoned):
                await self._sender.deliver(
                    [control_record(self._settings, self._codec, partition, tick) for partition in quiet]
                )
        return len(quiet)
