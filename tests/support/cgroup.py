"""Limits of memory, processor time and open files for a process, as a container has them."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_REMOVE_SECONDS = 5.0


def unavailable_reason() -> str | None:
    """Why no control group can be made here, or None when it can."""
    try:
        with ControlGroup():
            return None
    except OSError as error:
        return f"no control group can be made: {error}"


class ControlGroup:
    """Processes under common limits. Works with both versions of control groups, and needs root.

    Args:
        memory_bytes: Beyond this, without swap, the kernel kills; None is no limit.
        cores: Share of processor time: 0.5 is half a core; None is no limit.
    """

    def __init__(self, *, memory_bytes: int | None = None, cores: float | None = None) -> None:
        name = f"backontrack-{uuid.uuid4().hex[:12]}"
        self._unified = (_ROOT / "cgroup.controllers").exists()
        roots = [_ROOT] if self._unified else [_ROOT / "memory", _ROOT / "cpu"]
        if self._unified:
            with contextlib.suppress(OSError):
                (_ROOT / "cgroup.subtree_control").write_text("+memory +cpu")
        self._directories = [root / name for root in roots]
        try:
            for directory in self._directories:
                directory.mkdir()
            if memory_bytes is not None:
                self.limit_memory(memory_bytes)
            if cores is not None:
                self.limit_cores(cores)
        except OSError:
            self.close()
            raise

    def limit_cores(self, cores: float) -> None:
        """Set the share of processor time."""
        quota = round(cores * _PERIOD_US)
        if self._unified:
            self._write("cpu.max", f"{quota} {_PERIOD_US}")
        else:
            self._write("cpu.cfs_period_us", str(_PERIOD_US))
            self._write("cpu.cfs_quota_us", str(quota))

    def limit_memory(self, size: int) -> None:
        """Set the limit of memory. Raises OSError when so much less than in use cannot be freed."""
        if self._unified:
            self._write("memory.max", str(size))
            with contextlib.suppress(OSError):
                self._write("memory.swap.max", "0")
        else:
            self._write("memory.limit_in_bytes", str(size))

    def add(self, pid: int) -> None:
        """Put a running process under the limits; what it has allocated stays where it was counted before."""
        for directory in self._directories:
            (directory / "cgroup.procs").write_text(str(pid))

    def enter(self) -> Callable[[], None]:
        """For `subprocess.Popen(preexec_fn=...)`: the child is under the limits before its program begins."""
        files = [str(directory / "cgroup.procs") for directory in self._directories]

        def move() -> None:
            for file in files:
                descriptor = os.open(file, os.O_WRONLY)
                os.write(descriptor, b"0")
                os.close(descriptor)

        return move

    @property
    def killed(self) -> int:
        """How many processes the kernel killed for memory."""
        text = self._read("memory.events" if self._unified else "memory.oom_control")
        found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
        return int(found[1]) if found else 0

    @property
    def in_use(self) -> int:
        """Memory in use now, file cache included."""
        return int(self._read("memory.current" if self._unified else "memory.usage_in_bytes"))

    @property
    def peak_bytes(self) -> int:
        """Most memory that was in use at once."""
        return int(self._read("memory.peak" if self._unified else "memory.max_usage_in_bytes"))

    @property
    def throttled(self) -> int:
        """In how many periods the processes had to wait for processor time."""
        found = re.search(r"^nr_throttled (\d+)$", self._read("cpu.stat"), re.MULTILINE)
        return int(found[1]) if found else 0

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        for directory in self._directories:
            while directory.exists():
                try:
                    directory.rmdir()
                except OSError:
                    # The kernel needs a moment after the last process.
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _file(self, name: str) -> Path:
        return self._directories[-1 if name.startswith("cpu") else 0] / name

    def _write(self, name: str, value: str) -> None:
        self._file(name).write_text(value)

    def _read(self, name: str) -> str:
        return self._file(name).read_text()


def limit_descriptors(pid: int, count: int) -> None:
    """At most so many open files for a running process; what is open beyond stays open."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, count))


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_bytes(pid: int) -> int:
    """Memory that a process has in use."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
