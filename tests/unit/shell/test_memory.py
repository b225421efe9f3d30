"""Threads share their heaps, so that the memory of a worker does not grow with the threads that it has had."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_HEAPS = """
import re, threading
from streams.shell.memory import share_arenas
assert {call}
held = threading.Barrier(21)
def work():
    kept = [bytes(2_000) for _ in range(2_000)]
    held.wait(); held.wait()
for _ in range(20): threading.Thread(target=work).start()
held.wait()
starts = [int(line.split("-")[0], 16) for line in open("/proc/self/maps") if " rw-p 00000000 00:00 0" in line]
print(sum(start % (64 << 20) == 0 for start in starts))
held.wait()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps of threads")
def test_twenty_threads_share_two_heaps() -> None:
    assert _heaps("share_arenas()") <= 2 < _heaps("share_arenas")


def _heaps(call: str) -> int:
    script = _HEAPS.replace("{call}", call)
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
