"""Ends a worker that is stuck, so that its supervisor starts it again.

Two threads that need nothing of what they watch. One looks whether the event loop turns. The other asks the brokers
where the logs end and how far the group has committed, and judges whether the worker progresses. A stall is logged
with the stacks of what is stuck; the process then ends with exit code 1, which loses nothing: the next owner continues
from what is stored.

Not a stall: whatever the worker holds for (`holds.py`), brokers that do not answer, a recovery that reads on, work that
is slow, and a process that was paused.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import structlog
from faust.types import TP

from streams.settings import Settings
from streams.shell import holds as hold
from streams.shell import stacks
from streams.shell.failure import Unrecoverable
from streams.shell.holds import Holds
from streams.shell.progress import (
    APPLY,
    COMMIT,
    FETCH,
    GROUP,
    LOOP,
    ORDER,
    STOP,
    Offsets,
    Progress,
    Stall,
    View,
)
from streams.shell.yardstick import NoAnswerError

log = structlog.stdlib.get_logger(__name__)

_BEAT_S = 0.5
_ASK_S = 10.0
# Long enough for a scrape, so that the alert tells what the log tells.
_GRACE_S = 20.0
_ANSWER_S = 10.0
_LOGGING_S = 10.0
# The last checkpoint of a stop has its own limit, below this.
_STOP_S = 30.0
_LAST_RESORT_S = 180.0
# Where the work of a stage is done: a task that is there is the stuck one.
_FILES: Mapping[str, tuple[str, ...]] = {
    FETCH: ("shell/consumer.py",),
    ORDER: ("shell/consumer.py",),
    APPLY: ("shell/agents.py", "shell/table.py"),
    COMMIT: ("shell/checkpoint.py", "shell/producer.py"),
    GROUP: ("shell/ownership.py", "shell/consumer.py", "group_coordinator.py"),
}

Ask = Callable[[Iterable[TP]], Mapping[TP, Offsets]]
Loops = Callable[[], Iterable[asyncio.AbstractEventLoop]]


def answer_timeout_s(settings: Settings) -> float:
    """Longest wait for an answer to the watchdog's own questions."""
    return min(_ANSWER_S, settings.delivery_timeout / 1000, max(1.0, settings.stall_timeout / 3_000))


class Watchdog:
    """Watches one worker, from `start` to `stop`.

    Args:
        settings: The stall timeout.
        holds: What the worker waits for; brokers that do not answer the watchdog are one of them.
        view: The worker at this moment; called from another thread.
        ask: Committed offsets and ends, by the brokers; blocks, raises NoAnswerError.
        fail: Ends the process.
        loops: The event loops whose tasks are shown; the first one must turn.
        found: Told of a stall, and with None of its end.
        held: Told the names of the holds that are on, and for how many seconds more.
        settle_s: So much longer than the stall timeout a group may take to give out partitions.
        last_resort_s: When even the watchdog's threads do not run for so long, the process ends without them.
    """

    def __init__(
        self,
        settings: Settings,
        holds: Holds,
        view: Callable[[], View],
        ask: Ask,
        fail: Callable[[BaseException], object],
        loops: Loops,
        found: Callable[[Stall | None], object],
        held: Callable[[Iterable[str], float], object] = lambda _names, _seconds: None,
        *,
        settle_s: float = 60.0,
        last_resort_s: float | None = None,
    ) -> None:
        self._stall_s = settings.stall_timeout / 1000
        self._stop_s = settings.stall_timeout / 1000 + max(_STOP_S, settings.rebalance_timeout / 1000)
        self._holds = holds
        self._view = view
        self._ask = ask
        self._fail = fail
        self._loops = loops
        self._found = found
        self._held = held
        self._last_resort_s = last_resort_s
        self._progress = Progress(self._stall_s, settle_s)
        self._every_s = min(_ASK_S, self._stall_s / 6)
        self._grace_s = min(_GRACE_S, self._stall_s / 3)
        self._over = threading.Event()
        self._stopping_at: float | None = None
        self._awake = 0.0
        self._beat_at = 0.0
        self._beating = False
        self._thread: int | None = None
        self._refused_at: float | None = None
        self._ended_at = holds.ended_at
        self._threads: list[threading.Thread] = []
        self._stall: Stall | None = None

    def start(self) -> None:
        """Begins to watch."""
        for name, work in (("watchdog", self._watch_loop), ("watchdog-offsets", self._watch_progress)):
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
            self._threads[-1].start()

    def stopping(self) -> None:
        """The worker was asked to stop: only the time that this takes is watched from here on."""
        if self._stopping_at is None:
            self._stopping_at = self._awake

    def stop(self) -> None:
        """Ends the watch."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()

    # The event loop.

    def _watch_loop(self) -> None:
        beat_s = min(_BEAT_S, self._stall_s / 20)
        seen = time.monotonic()
        armed_at = 0.0
        while True:
            if self._last_resort_s is not None and (not armed_at or self._awake - armed_at > self._last_resort_s / 6):
                # Runs without the interpreter, so it ends a process of which one call never gives the interpreter back.
                faulthandler.dump_traceback_later(self._last_resort_s, exit=True, file=sys.__stderr__ or sys.stderr)
                armed_at = self._awake
            if self._over.wait(beat_s):
                return
            # A process that was paused has not been stuck meanwhile.
            now = time.monotonic()
            passed, seen = min(now - seen, 10 * beat_s), now
            self._awake += passed
            self._held(self._holds.reasons, passed)
            if not self._beating and not self._send_beat():
                return
            silent = self._awake - self._beat_at
            if silent > self._stall_s:
                self._trip(Stall(LOOP, f"the event loop has not turned for {silent:.0f} s"))
                return
            if self._stopping_at is not None and self._awake - self._stopping_at > self._stop_s:
                self._trip(Stall(STOP, f"the worker was asked to stop {self._stop_s:.0f} s ago and has not ended"))
                return

    def _send_beat(self) -> bool:
        """False when no loop is left, or it is closed: the worker is at its end."""
        self._beating = True
        loop = next(iter(self._loops()), None)
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(self._beat)
        except RuntimeError:
            return False
        return True

    def _beat(self) -> None:
        self._beat_at = self._awake
        self._beating = False
        self._thread = threading.get_ident()

    # Progress.

    def _watch_progress(self) -> None:
        since: float | None = None
        while not self._over.wait(min(1.0, self._every_s) if self._stall or self._refused_at else self._every_s):
            if self._stopping_at is not None:
                self._leave_hold()
                return
            try:
                found = self.look()
            except Exception:
                # Such as a table that changed while it was looked at. The next look judges again.
                log.exception("the watchdog could not look")
                continue
            if found is None:
                if self._stall is not None:
                    log.warning("the worker progresses again", stage=self._stall.stage)
                    self._tell(None)
                since = None
            elif since is None:
                since = self._awake
                self._tell(found)
                log.error("the worker is stuck", stage=found.stage, reason=found.reason, ends_in_s=self._grace_s)
                self._log_stacks(found.stage)
            elif self._awake - since >= self._grace_s:
                self._trip(found, logged=True)
                return

    def look(self) -> Stall | None:
        """Asks the brokers once, and judges."""
        view = self._view()
        try:
            offsets = self._ask(view.reached)
        except NoAnswerError as error:
            self._refused_at = self._refused_at or self._awake
            name = hold.DENIED if error.denied else hold.BROKER
            self._holds.on(name, f"where the logs end cannot be asked: {error}", hold.WATCH)
            self._holds.off(hold.BROKER if error.denied else hold.DENIED, hold.WATCH)
            self._progress.rest()
            return None
        self._leave_hold()
        if self._holds.reasons or self._holds.ended_at != self._ended_at:
            self._ended_at = self._holds.ended_at
            self._progress.rest()
            return None
        # The view is older than the answer. What was seen in between can only be further.
        return self._progress.judge(self._awake, view, offsets)

    def _leave_hold(self) -> None:
        self._refused_at = None
        for name in (hold.BROKER, hold.DENIED):
            self._holds.off(name, hold.WATCH)

    # The end.

    def _tell(self, stall: Stall | None) -> None:
        self._stall = stall
        self._found(stall)

    def _trip(self, stall: Stall, *, logged: bool = False) -> None:
        self._tell(stall)
        # Logging may be what is stuck: nobody reads the other end of the pipe.
        timer = threading.Timer(_LOGGING_S, os._exit, (1,))
        timer.daemon = True
        timer.start()
        if not logged:
            log.error("the worker is stuck", stage=stall.stage, reason=stall.reason)
            self._log_stacks(stall.stage)
        self._fail(
            Unrecoverable(
                f"stuck: {stall.reason}. What it was doing stands above. Nothing was committed past what is stored; "
                "the next start continues from there"
            )
        )
        timer.cancel()

    def _log_stacks(self, stage: str) -> None:
        """The stuck task first, then what the others do, a line each; all threads when the loop itself is stuck."""
        files = _FILES.get(stage, ())
        stuck: list[stacks.Stack] = []
        others: Counter[str] = Counter()
        for number, loop in enumerate(self._loops()):
            for task in stacks.tasks(loop, None if number else self._thread):
                if any(file in task.text for file in files) or (not files and task.name.endswith("(running)")):
                    stuck.append(task)
                else:
                    others[f"{task.name}: {task.innermost}"] += 1
        for task in stuck:
            log.error("stuck task", task=task.name, stage=stage, stack=task.text)
        if files and not stuck:
            log.error("no task is at work there: it has ended", stage=stage, files=files)
        if not files:
            for thread in stacks.threads():
                log.error("thread", thread=thread.name, stack=thread.text)
        log.error("other tasks", stack="\n".join(f"{count} x {task}" for task, count in sorted(others.items())))


def last_resort_s(settings: Settings) -> float:
    """Above every pause that a worker should survive, and every stall that its threads see themselves."""
    return max(_LAST_RESORT_S, 3 * settings.stall_timeout / 1000)
