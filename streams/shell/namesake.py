"""Notices that two workers have the same name in the group, and take its place from each other for ever.

A broker gives the place of a static member to whoever joins under its name (KIP-345). Whoever had it before hears that
it is unknown, as after a session that has run out, joins again, and so on. A session runs out at most once in its own
time; a place that is lost faster than that has been taken.
"""

from __future__ import annotations

from collections import deque

from streams.shell.failure import Unrecoverable

_TIMES = 5
_WITHIN_S = 30.0


class Namesakes:
    """To be told again and again which member of the group this worker is.

    Args:
        name: The worker's `group_instance_id`; without one, nobody can take its place.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._member = ""
        self._joined: deque[float] = deque(maxlen=_TIMES)

    def look(self, member: str, now: float) -> None:
        """`member` is the id that the group gave, empty while it has given none; `now` is monotonic, s.

        Raises Unrecoverable after five new ids in half a minute.
        """
        if not self._name or not member or member == self._member:
            return
        self._member = member
        self._joined.append(now)
        if len(self._joined) == _TIMES and now - self._joined[0] < _WITHIN_S:
            raise namesake(self._name)


def namesake(name: str) -> Unrecoverable:
    """What to say and do when another worker has this one's name."""
    return Unrecoverable(
        f"another worker has joined the group as {name!r}: set BACKONTRACK_GROUP_INSTANCE_ID to another name for each "
        "worker, then start again"
    )
