"""One answer however many processes fold, and an orderly end when something is wrong or somebody has had enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from streams.backtest.history import Survey
from streams.backtest.run import WORTH_A_PROCESS, processes, shares
from tests.support.cli import run
from tests.support.history_files import write_history

FEW = Survey({}, 8, 100, {0: 60, 3: 40}, {})
MANY = Survey({}, 64, 10 * WORTH_A_PROCESS, dict.fromkeys(range(64), 10), {})


def test_short_history_is_folded_without_processes() -> None:
    """Starting them takes longer."""
    assert processes(FEW, 1, None) == 1
    assert processes(Survey({}, 8, WORTH_A_PROCESS - 1, {0: 1, 1: 1}, {}), 1, None) == 1


def test_long_history_takes_every_core() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert processes(MANY, 1, None) == cores


def test_what_was_asked_for_is_used_but_no_process_stays_idle() -> None:
    assert processes(MANY, 1, 3) == 3
    assert processes(FEW, 1, 8) == 2
    assert processes(Survey({}, 8, 0, {}, {}), 1, 8) == 1


def test_shares_hold_every_partition_once_and_weigh_about_the_same() -> None:
    loads = {0: 50, 1: 10, 2: 10, 3: 10, 4: 10, 5: 10}
    shared = shares(Survey({}, 8, 100, loads, {}), 8, 2)
    assert sorted(number for share in shared for number in share) == list(range(8))
    assert sorted(sum(loads.get(number, 0) for number in share) for share in shared) == [50, 50]


def test_answer_is_the_same_byte_for_byte_in_one_process_and_in_three(tmp_path: Path) -> None:
    """Every file and the summary, of two policies."""
    history = write_history(tmp_path)
    calm = tmp_path / "calm.yaml"
    calm.write_text("extends: default\nversion: calm\nmetrics: {active_users: {drop_ratio: 0.1}}\n", encoding="utf-8")
    plain = tmp_path / "plain.yaml"
    plain.write_text("extends: default\n", encoding="utf-8")
    outs, answers = [], []
    for jobs in ("1", "3"):
        out = tmp_path / jobs
        out.mkdir()
        names = [w for what in ("episodes", "scores", "records") for w in (f"--{what}", str(out / f"{what}.csv"))]
        ended = run(
            *("backtest", *history, *names, "--html", str(out / "report.html"), "--until", "2024-03-01", "--json"),
            *("--policy", str(plain), "--policy", str(calm), "--jobs", jobs, "--partitions", "5"),
        )
        assert ended.code == 0, ended.err
        answers.append(ended.out)
        outs.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    assert answers[0] == answers[1]
    assert outs[0] == outs[1]
    assert len(outs[0]) == 7
    assert all(outs[0].values())


def test_first_bad_row_is_told_however_many_processes_met_one(tmp_path: Path) -> None:
    """With file and line, and no file is written."""
    path = tmp_path / "usage.csv"
    rows = [f"account-{n},2026-01-01,logins,{'x' if n > 20 else 1}" for n in range(60)]
    path.write_text("account_id,time,metric,value\n" + "\n".join(rows) + "\n", encoding="utf-8")
    for jobs in ("1", "2"):
        ended = run(
            "backtest", "--usage", str(path), "--episodes", str(tmp_path / "e.csv"), "--jobs", jobs, "--partitions", "4"
        )
        assert (ended.code, ended.err) == (
            1,
            f"error: {path}:23: value = 'x': could not convert string to float: 'x'\n",
        )
    assert not (tmp_path / "e.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_interrupt_ends_all_processes_without_a_word_too_many(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group; nothing is left running and no traceback is shown."""
    history = write_history(tmp_path, accounts=500, days=120)  # seconds of work, on a busy machine too
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "backtest", *history, "--jobs", "2", "--partitions", "4"],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        children = _when_two_work(process)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode not in (0, None)
    assert "Traceback" not in told
    gone, left = psutil.wait_procs(children, timeout=10)
    assert (len(gone), left) == (len(children), [])
    assert list(temporary.iterdir()) == []


def _when_two_work(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The folding processes, once they have computed for a moment."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        children = [
            child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())
        ]
        if len(children) == 2 and all(child.cpu_times().user > 0.8 for child in children):
            return children
        time.sleep(0.05)
    raise AssertionError(f"no two processes were seen at work; it ended with {process.poll()}")
