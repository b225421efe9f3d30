"""A wall clock that is wrong for a whole process, while its monotonic clock stays right.

A small library is compiled and loaded before the process's own. The public libfaketime 0.9.10 does not serve: it leaves
out `cnd_timedwait`, by which the Kafka client waits, so that a clock that is ahead makes the client wait for ever.
"""

from __future__ import annotations

import functools
import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")


def unavailable_reason() -> str | None:
    """Why no clock can be set wrong here, or None when it can."""
    if sys.platform != "linux":
        return "wrong clocks need Linux"
    return None if shutil.which("cc") else "no C compiler is installed"


@functools.cache
def _library() -> Path:
    made = Path(tempfile.mkdtemp(prefix="backontrack-clock-")) / "wrong_clock.so"
    subprocess.run(
        ["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(made), str(_SOURCE), "-ldl"],  # noqa: S607  found above
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return made


class WrongClock:
    """A clock that processes started with its environment see instead of the right one; may move while they run.

    Args:
        offset_s: Seconds that it is ahead (or behind, when negative).
        directory: Where the file that moves it lies.
    """

    def __init__(self, offset_s: float = 0.0, directory: Path | None = None) -> None:
        with tempfile.NamedTemporaryFile(prefix="clock-", dir=directory, delete=False) as file:
            file.write(bytes(8))
            file.flush()
            self._file = Path(file.name)
            self._page = mmap.mmap(file.fileno(), 8)
        self.move(offset_s)

    def move(self, offset_s: float) -> None:
        """Set it to be ahead by these seconds; running processes see it at once."""
        self._page[:] = struct.pack("@q", round(offset_s * 1000))

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be started with."""
        if reason := unavailable_reason():
            raise RuntimeError(reason)
        return {"LD_PRELOAD": str(_library()), "BACKONTRACK_WRONG_CLOCK": str(self._file)}
