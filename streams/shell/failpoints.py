"""Places in the shell where a test makes the worker die, wait or fail; without the switch they do nothing.

    BACKONTRACK_FAILPOINT=partition_stored:3:kill      SIGKILL at the third time that the place is passed
    BACKONTRACK_FAILPOINT=outbox_produced:1:sleep=20   20 s of blocking sleep at the first

Several are separated by commas. A name that does not exist is refused when the worker starts.
"""

from __future__ import annotations

import os
import signal
import time

SWITCH = "BACKONTRACK_FAILPOINT"
NAMES = (
    "states_unsent",  # emit: accounts with an outbox are chosen, nothing is sent
    "states_stored",  # emit: their states are acknowledged, their outputs not sent
    "outbox_produced",  # emit: outputs handed to the client, not acknowledged
    "outbox_acknowledged",  # emit: outputs acknowledged, still in memory
    "dirty_unstored",  # checkpoint: snapshot taken, nothing sent
    "dirty_stored",  # checkpoint: account states acknowledged, the partition's not sent
    "partition_stored",  # checkpoint: the partition's state acknowledged
    "letters_stored",  # checkpoint: dead letters acknowledged
    "commit_before",
    "commit_after",
    "recovery_read",  # the changelog is read, nothing claimed
    "recovery_claimed",  # the claim is stored, what lies before it not read
    "rebalance",  # partitions are being given back, nothing stored yet
    "record",  # a record is about to be applied
)


class FailpointError(Exception):
    """The switch names a failpoint that does not exist, or is not NAME:TIMES:ACTION."""


def _parse(text: str) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for part in filter(None, text.split(",")):
        name, times, action = (*part.split(":"), "", "")[:3]
        if name not in NAMES or not times.isdigit() or action.partition("=")[0] not in {"kill", "sleep", "raise"}:
            raise FailpointError(f"{SWITCH}={part}: NAME:TIMES:kill|raise|sleep=SECONDS with one of {', '.join(NAMES)}")
        found[name] = (int(times), action)
    return found


_armed = _parse(os.environ.get(SWITCH, ""))
ARMED = bool(_armed)
"""True when any failpoint is armed; guards those on hot paths."""


def hit(name: str) -> None:
    """Passes a failpoint. Raises RuntimeError when it is armed to."""
    if not _armed or name not in _armed:
        return
    times, action = _armed[name]
    if times > 1:
        _armed[name] = (times - 1, action)
        return
    del _armed[name]
    kind, _, value = action.partition("=")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "sleep":
        time.sleep(float(value))
    else:
        raise RuntimeError(f"failpoint {name}")
