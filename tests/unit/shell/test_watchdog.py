"""The watchdog: what ends a worker, and what does not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from faust.types import TP

from streams.shell import holds as hold
from streams.shell.holds import Holds
from streams.shell.progress import Offsets, Reached, Stall, View
from streams.shell.watchdog import Watchdog
from streams.shell.yardstick import NoAnswerError
from tests.support.shell import settings

PLACE = TP("usage", 0)
DEADLINE_S = 30.0


class Bench:
    """A worker with a real event loop in a thread; all else is told."""

    def __init__(self, **changed: Any) -> None:
        self.settings = settings(stall_timeout=1_000, rebalance_timeout=100, **changed)
        self.holds = Holds()
        self.offsets = Offsets(5, 9)
        self.answers = True
        self.loop = asyncio.new_event_loop()
        self.loops = [self.loop]
        self.failed: list[BaseException] = []
        self.found: list[Stall | None] = []
        self.held: list[str] = []
        self.watchdog = Watchdog(
            self.settings,
            self.holds,
            lambda: View(1, False, True, {PLACE: Reached(9, 8, True, 4)}),  # noqa: FBT003  shortest so
            self._ask,
            self.failed.append,
            lambda: self.loops,
            self.found.append,
            lambda names, _seconds: self.held.extend(names),
            settle_s=0.0,
        )

    def _ask(self, _places: Iterable[TP]) -> Mapping[TP, Offsets]:
        if not self.answers:
            raise NoAnswerError("nobody there")
        return {PLACE: self.offsets}

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def quiet(self, seconds: float) -> bool:
        """True when nothing was found for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.failed or self.found:
                return False
            time.sleep(0.02)
        return True


@contextmanager
def _bench(**changed: Any) -> Iterator[Bench]:
    bench = Bench(**changed)
    thread = threading.Thread(target=bench.loop.run_forever)
    thread.start()
    bench.watchdog.start()
    try:
        yield bench
    finally:
        bench.watchdog.stop()
        bench.loop.call_soon_threadsafe(bench.loop.stop)
        thread.join()
        bench.loop.close()


def test_a_stall_is_told_first_and_ends_the_worker_after_a_grace() -> None:
    with _bench() as bench:
        bench.until(lambda: bench.found)
        assert not bench.failed
        first = bench.found[0]
        assert first is not None
        assert first.stage == "apply"
        bench.until(lambda: bench.failed)
        assert "stuck: partition 0: 4 records wait" in str(bench.failed[0])


def test_progress_within_the_grace_is_the_end_of_the_stall() -> None:
    with _bench() as bench:
        bench.until(lambda: bench.found)
        bench.offsets = Offsets(9, 9)
        bench.until(lambda: bench.found[-1] is None)
        assert not bench.failed


def test_an_event_loop_that_does_not_turn_ends_the_worker() -> None:
    with _bench() as bench:
        bench.offsets = Offsets(9, 9)
        bench.loop.call_soon_threadsafe(time.sleep, 3.0)
        bench.until(lambda: bench.failed)
        assert "the event loop has not turned" in str(bench.failed[0])


def test_an_event_loop_that_turns_slowly_does_not() -> None:
    async def slow() -> None:
        for _ in range(5):
            time.sleep(0.6)  # noqa: ASYNC251  the load
            await asyncio.sleep(0)

    with _bench() as bench:
        bench.offsets = Offsets(9, 9)
        asyncio.run_coroutine_threadsafe(slow(), bench.loop)
        assert bench.quiet(3.5)


def _logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """What was logged, whether logging was set up by a test before or not."""
    return capsys.readouterr().out + caplog.text.replace("\\n", "\n")


def test_the_stuck_task_stands_in_the_log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    async def block_the_loop() -> None:
        time.sleep(3.0)  # noqa: ASYNC251  the fault

    with _bench() as bench:
        bench.offsets = Offsets(9, 9)
        asyncio.run_coroutine_threadsafe(block_the_loop(), bench.loop)
        bench.until(lambda: bench.failed)
    told = _logged(capsys, caplog)
    assert "block_the_loop (running)" in told
    assert "time.sleep(3.0)" in told


def test_a_stall_without_a_task_says_that_it_has_ended(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with _bench() as bench:
        bench.until(lambda: bench.failed)
    assert "no task is at work there: it has ended" in _logged(capsys, caplog)


def test_a_hold_is_not_a_stall() -> None:
    with _bench() as bench, bench.holds.during(hold.LETTERS, "cannot be written"):
        assert bench.quiet(3.0)
    assert set(bench.held) == {hold.LETTERS}


def test_after_a_hold_the_whole_time_begins_again() -> None:
    with _bench() as bench:
        for _ in range(6):
            with bench.holds.during(hold.BROKER, "away"):
                time.sleep(0.01)
            assert bench.quiet(0.5)


def test_brokers_that_do_not_answer_are_a_hold_and_no_stall() -> None:
    with _bench() as bench:
        bench.answers = False
        bench.until(lambda: hold.BROKER in bench.holds.reasons)
        assert bench.quiet(2.0)
        assert not bench.holds.reading_waits
        bench.answers = True
        bench.until(lambda: not bench.holds.reasons)


def test_a_paused_process_has_not_been_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGSTOP and SIGCONT the clock has moved on, but nobody had the time to work."""
    jump = 0.0
    clock = time.monotonic
    monkeypatch.setattr("streams.shell.watchdog.time.monotonic", lambda: clock() + jump)
    with _bench() as bench:
        bench.offsets = Offsets(9, 9)
        time.sleep(0.3)
        jump = 3_600.0
        assert bench.quiet(1.0)


def test_a_stop_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.shell.watchdog._STOP_S", 1.0)
    with _bench() as bench, bench.holds.during(hold.BROKER, "away"):
        bench.watchdog.stopping()
        bench.until(lambda: bench.failed)
        assert "was asked to stop" in str(bench.failed[0])


def test_a_loop_that_is_closed_is_the_end_of_the_watch() -> None:
    bench = Bench()
    bench.loop.close()
    bench.watchdog.start()
    bench.watchdog._threads[0].join(DEADLINE_S)
    bench.watchdog.stop()
    assert not bench.failed


def test_no_loop_that_is_left_is_the_end_of_the_watch() -> None:
    bench = Bench()
    bench.loop.close()
    bench.loops.clear()
    bench.watchdog.start()
    bench.watchdog._threads[0].join(DEADLINE_S)
    bench.watchdog.stop()
    assert not bench.failed
