"""The memory of a worker grows neither with the threads that it has had nor with its take-overs."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from streams.shell import memory
from streams.shell.memory import Heap

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


_KEPT = """
import os
from streams.shell.memory import Heap
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
pieces = [bytearray(60_000) for _ in range(1_000)]
last = bytearray(60_000)
del pieces
before = resident()
{call}
print(before - resident())
"""


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


class _Knot:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.knot = self


@pytest.mark.usefixtures("nothing_frozen")
def test_what_lived_at_one_take_over_and_no_more_is_gone_after_the_next() -> None:
    knot = _Knot()
    gone = weakref.ref(knot)
    heap = Heap()
    heap.settle()
    del knot
    gc.collect()
    assert gone() is not None, "the collector does not look at what was there"
    heap.settle()
    assert gone() is None


@pytest.mark.usefixtures("nothing_frozen")
def test_collection_that_takes_long_is_not_made_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1_000.0)
    made: list[float] = []

    def collect() -> None:
        made.append(clock.now)
        clock.now += 2.0

    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(memory.gc, "collect", collect)
    heap = Heap()
    for moment in (1_000.0, 1_010.0, 1_100.0, 1_211.0):
        clock.now = moment
        heap.settle()
    assert made == [1_010.0, 1_211.0], "nothing was out of sight at first; then a hundred times two seconds pass"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give back by themselves")
def test_free_memory_below_what_is_in_use_is_given_back() -> None:
    assert _printed(_KEPT, "Heap().settle()") > 40_000_000 > _printed(_KEPT, "Heap()")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps of threads")
def test_twenty_threads_share_two_heaps() -> None:
    assert _printed(_HEAPS, "share_arenas()") <= 2 < _printed(_HEAPS, "share_arenas")


def _printed(script: str, call: str) -> int:
    command = [sys.executable, "-c", script.replace("{call}", call)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
