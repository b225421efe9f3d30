"""`backontrack demo` as a user runs it: a summary at the end, and an orderly end by Ctrl-C or a dying worker."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Demo:
    """A running demo whose output goes to a file; it leads a process group of its own, as a job of a shell does."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        # A setting that would send everything elsewhere must not reach the demo.
        environment = {**os.environ, "BACKONTRACK_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        command = [sys.executable, "-m", "streams.cli.main", "demo", "--accounts", "40", "--days", "28", "--plain"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *arguments], stdout=out, stderr=subprocess.STDOUT, env=environment, process_group=0
            )

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, pattern: str, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text(), re.MULTILINE):
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.1)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "demo.txt"


@pytest.fixture
def running(log: Path) -> Iterator[Demo]:
    """A demo in the middle of its work."""
    demo = Demo(log, "--seconds", "120")
    try:
        demo.wait_for(r"^2026-01-\d\d .* events [\d,]+")
        yield demo
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.process.pid, signal.SIGKILL)
        demo.process.wait()


def gone(children: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(children, timeout=10)
    return not alive


def test_the_whole_loop_ends_with_what_was_seeded_found_and_recovered(log: Path) -> None:
    demo = Demo(log, "--seconds", "0", "--no-board")
    assert demo.process.wait(200) == 0, demo.text()
    text = demo.text()
    counts = re.search(r"Drops found: (\d+) of (\d+)", text)
    assert counts
    assert 0 < int(counts[1]) <= int(counts[2])
    assert re.search(r"Back on track: [1-9]\d* of \d+ settled episodes", text)
    assert re.search(r"Falsely raised: \d+ of \d+ episodes", text)
    assert re.search(r"^Grades of the answers: apathy \d+", text, re.MULTILINE)
    assert len(re.findall(r"^Story \d: ", text, re.MULTILINE)) == 3
    assert re.search(r"4\.0 simulated weeks of 40 accounts", text)


def test_the_board_is_served_and_a_signal_stops_every_child(running: Demo) -> None:
    url = re.search(r"The board: (http://\S+)", running.text())
    assert url
    assert "<html" in httpx.get(url[1]).text.lower()
    children = running.children()
    assert len(children) == 2
    running.process.terminate()
    assert running.process.wait(40) == 130, running.text()
    assert gone(children)


def test_ctrl_c_reaches_the_whole_group_and_still_ends_in_order(running: Demo) -> None:
    children = running.children()
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.process.wait(40) == 130, running.text()
    assert gone(children)
    assert "Stopped." in running.text()
    assert "Drops found:" in running.text(), "how far it came"
    assert "Traceback" not in running.text()


def test_a_dying_worker_ends_the_demo_with_the_end_of_its_log(running: Demo) -> None:
    [worker] = [child for child in running.children() if "worker" in child.cmdline()]
    others = [child for child in running.children() if child.pid != worker.pid]
    worker.kill()
    assert running.process.wait(60) == 1
    assert "The demo failed: the worker ended with code -9" in running.text()
    assert gone(others)
