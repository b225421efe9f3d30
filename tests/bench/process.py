"""Runs the product's commands as child processes and takes their resource use from the operating system.

CPU and memory are the operating system's figures. When records began to flow, and when the last of them was committed,
stands in the worker's log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_COMMAND = (sys.executable, "-m", "streams.cli.main")
_POLL_S = 0.02
_LOG_TAIL = 4_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took: seconds by the clock, seconds of CPU of all its threads, largest resident size in bytes."""

    wall_s: float
    cpu_s: float
    rss_bytes: int


def command(environment: Mapping[str, str], *words: str, timeout_s: float = 300) -> None:
    """Runs `backontrack WORDS` to its end. Raises RuntimeError with its output when it fails."""
    done = subprocess.run(
        [*_COMMAND, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"backontrack {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def measured(environment: Mapping[str, str], *words: str, log: Path, timeout_s: float = 1_800) -> Usage:
    """Runs `backontrack WORDS` to its end, with its output in `log`, and says what it took.

    Raises RuntimeError when it fails, TimeoutError when it does not end.
    """
    with log.open("ab") as out:
        began = time.monotonic()
        process = subprocess.Popen(
            [*_COMMAND, *words], env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
    rss, pid, status, used = 0, 0, 0, None
    try:
        while not pid:
            # Not from the rusage: there, a child begins with the size of the process that started it.
            rss = max(rss, _largest_rss(process.pid))
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"backontrack {' '.join(words)} did not end:\n{_tail(log)}")
            time.sleep(_POLL_S)
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
    finally:
        if not pid:
            process.kill()
            process.wait()
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or used is None:
        raise RuntimeError(f"backontrack {' '.join(words)} ended with {process.returncode}:\n{_tail(log)}")
    return Usage(wall, used.ru_utime + used.ru_stime, rss)


def logged(log: Path, event: str) -> dict[str, Any]:
    """The first line of a JSON log with this event; its `timestamp` is a datetime. Raises LookupError."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{") and event in line:
            entry: dict[str, Any] = json.loads(line)
            if entry.get("event") == event:
                return entry | {"timestamp": datetime.fromisoformat(entry["timestamp"])}
    raise LookupError(f"{log}: no line {event!r}:\n{_tail(log)}")


def _largest_rss(pid: int) -> int:
    """Bytes that were resident at most; 0 when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
