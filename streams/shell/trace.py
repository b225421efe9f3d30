"""The order in which records were applied, stored with every state: a switch for tests of live load.

For records that lay in Kafka before a worker started, the order of application is a function of the log. Of records
that arrive while it works, two topics may be seen in either order; a model can only fold them again when it is told.
With BACKONTRACK_TRACE set, each changelog record carries the header `trace`:

    EPOCH_COUNT|FIRST|RANK:OFFSET,RANK:OFFSET,...

the number of records applied in this epoch when the state was encoded, and the records from number FIRST on that were
applied since the last traced record. A record that the brokers refused may never be stored, for a newer one takes its
place; so a partition's state tells everything again that was applied since the last one that is stored for certain.
"""

from __future__ import annotations

import os

SWITCH = "BACKONTRACK_TRACE"
HEADER = "trace"
ON = bool(os.environ.get(SWITCH))


class Trace:
    """What was applied to a partition by one owner."""

    __slots__ = ("_entries", "_first", "_repeated", "_told", "count")

    def __init__(self) -> None:
        self.count = 0
        """Records applied in this epoch."""
        self._entries: list[str] = []
        self._first = self._told = self._repeated = 0

    def applied(self, rank: int, offset: int) -> None:
        """A record of the topic with this rank was applied, or passed over as a dead letter."""
        self.count += 1
        self._entries.append(f"{rank}:{offset}")

    def header(self, at: int) -> bytes:
        """The header of an account's state encoded when `at` records were applied; entries are told once.

        When what it stands on is not sent after all, `tell_again` is to be called.
        """
        return self._tell(at, self._told)

    def repeated(self, at: int) -> bytes:
        """The header of a partition's state: what was told since the last `confirm` is told again."""
        made = self._tell(at, self._first)
        self._repeated = self._told
        return made

    def tell_again(self) -> None:
        """What was told since the last `confirm` may not have been sent: the next header tells it again."""
        self._told = self._first

    def confirm(self) -> None:
        """The last partition's state is stored for certain."""
        del self._entries[: self._repeated - self._first]
        self._first = self._repeated

    def _tell(self, at: int, first: int) -> bytes:
        told = ",".join(self._entries[first - self._first :])
        self._told = self.count
        return f"{at}|{first}|{told}".encode()
