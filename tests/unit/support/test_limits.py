"""A process is held to the limits of its control group, and sees the clock that it is given."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import cgroup, faketime

_limited = pytest.mark.skipif(bool(cgroup.unavailable_reason()), reason=str(cgroup.unavailable_reason()))
_clocked = pytest.mark.skipif(bool(faketime.unavailable_reason()), reason=str(faketime.unavailable_reason()))


def run(code: str, group: cgroup.ControlGroup) -> int:
    # The child enters the group before its program begins.
    return subprocess.Popen([sys.executable, "-c", code], preexec_fn=group.enter()).wait(60)  # noqa: PLW1509


@_limited
def test_a_process_beyond_its_memory_is_killed() -> None:
    """By the kernel, with SIGKILL, and it is counted."""
    with cgroup.ControlGroup(memory_bytes=60 << 20) as group:
        assert run("held = bytearray(b'x' * (200 << 20))", group) == -9
        assert group.killed == 1
        assert group.peak_bytes <= 61 << 20


@_limited
def test_a_process_within_its_memory_is_left_alone() -> None:
    """The limit is no sentence."""
    with cgroup.ControlGroup(memory_bytes=60 << 20) as group:
        assert run("held = bytearray(b'x' * (10 << 20))", group) == 0
        assert group.killed == 0


@_limited
def test_half_a_core_takes_twice_as_long() -> None:
    """A second of work at half a core takes nearly two, whoever else works on the machine."""
    with cgroup.ControlGroup(cores=0.5) as group:
        begin = time.monotonic()
        assert run("import time\nwhile time.process_time() < 1: pass", group) == 0
        assert time.monotonic() - begin > 1.6


def test_descriptors_of_a_running_process_are_limited() -> None:
    """It cannot open more than it is allowed."""
    code = "import os\ninput()\ntry:\n    [os.open('/', 0) for _ in range(40)]\nexcept OSError as e: print(e.errno)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    cgroup.limit_descriptors(child.pid, 16)
    assert child.communicate(b"\n", timeout=30)[0].strip() == b"24"


def test_open_files_and_memory_of_a_process_are_measured() -> None:
    """Of this one: an open file counts, and so does memory."""
    before = cgroup.descriptors(os.getpid())
    with Path(os.devnull).open("rb"):
        assert cgroup.descriptors(os.getpid()) == before + 1
    assert cgroup.resident_bytes(os.getpid()) > 10 << 20


@_clocked
def test_a_wrong_clock_moves_while_the_process_runs(tmp_path: Path) -> None:
    """Two hours ahead, then two behind; the monotonic clock is not touched."""
    code = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    clock = faketime.WrongClock(7200, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **clock.environment},
    ) as child:
        assert child.stdin
        assert child.stdout

        def ask() -> tuple[float, float]:
            child.stdin.write("\n")  # type: ignore[union-attr]  # seen above
            child.stdin.flush()  # type: ignore[union-attr]  # seen above
            wall, monotonic = child.stdout.readline().split()  # type: ignore[union-attr]  # seen above
            return float(wall) - time.time(), float(monotonic) - time.monotonic()

        wall, monotonic = ask()
        assert wall == pytest.approx(7200, abs=2)
        assert monotonic == pytest.approx(0, abs=2)
        clock.move(-7200)
        deadline = time.monotonic() + 10
        while ask()[0] > 0:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert ask()[0] == pytest.approx(-7200, abs=2)
        child.stdin.close()


@_clocked
def test_waits_last_as_long_as_they_should_under_a_wrong_clock(tmp_path: Path) -> None:
    """Those of Python by the monotonic clock, and those of the Kafka client by the wall clock."""
    code = (
        "import threading, time\nfrom confluent_kafka import Producer\n"
        "producer = Producer({'bootstrap.servers': '127.0.0.1:1', 'log_level': 0})\n"
        "producer.produce('t', b'v')\nbegin = time.monotonic()\n"
        "producer.flush(0.3)\nthreading.Event().wait(0.3)\nprint(time.monotonic() - begin)"
    )
    clock = faketime.WrongClock(7200, tmp_path)
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, **clock.environment},
    )
    assert 0.6 <= float(found.stdout) < 5
