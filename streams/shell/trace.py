"""The order in which records were applied, stored with every state: a switch for tests of live load.

For records that lay in Kafka before a worker started, the order of application is a function of the log. Of records
that arrive while it works, two topics may be seen in either order; a model can only fold them again when it is told.
With BACKONTRACK_TRACE set, each changelog record carries the header `trace`:

    EPOCH_COUNT|RANK:OFFSET,RANK:OFFSET,...

the number of records applied in this epoch when the state was encoded, and those applied since the last traced record.
"""

from __future__ import annotations

import os

SWITCH = "BACKONTRACK_TRACE"
HEADER = "trace"
ON = bool(os.environ.get(SWITCH))


class Trace:
    """What was applied to a partition by one owner."""

    __slots__ = ("_pending", "count")

    def __init__(self) -> None:
        self.count = 0
        """Records applied in this epoch."""
        self._pending: list[str] = []

    def applied(self, rank: int, offset: int) -> None:
        """A record of the topic with this rank was applied, or passed over as a dead letter."""
        self.count += 1
        self._pending.append(f"{rank}:{offset}")

    def header(self, at: int) -> bytes:
        """The header of a state encoded when `at` records were applied; entries are told once."""
        pending, self._pending = self._pending, []
        return f"{at}|{','.join(pending)}".encode()
