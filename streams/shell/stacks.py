"""What every thread and every task is doing, as text for the log. Local variables are left out: they hold customers."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple

# A coroutine, a generator and an asynchronous generator name their frame and what they wait for differently.
_LINKS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
_DEEPEST = 60
_WRAPPERS = ("coroutine_wrapper", "async_generator_asend")
_IDLE = "work_queue.get("
_COROUTINE = re.compile(r"<coroutine object (\S+) at ")
_NAMELESS = re.compile(r"<|Task-\d+$")


class Stack(NamedTuple):
    """One thread or task."""

    name: str
    text: str
    """Frames, the innermost last, as in a traceback."""

    @property
    def innermost(self) -> str:
        """Where it is, in one line."""
        places = [line.strip() for line in self.text.splitlines() if line.lstrip().startswith("File ")]
        return places[-1] if places else "no Python frame"


def threads() -> list[Stack]:
    """Every thread of the process, without the one that asks and those of pools that wait for work."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    asking = threading.get_ident()
    found = [
        Stack(names.get(ident, f"thread {ident}"), _format(_from_thread(frame)))
        for ident, frame in _threads().items()
        if ident != asking
    ]
    return [stack for stack in found if _IDLE not in stack.text.splitlines()[-1]]


def tasks(loop: asyncio.AbstractEventLoop, thread: int | None = None) -> list[Stack]:
    """Every task of an event loop that is not done, down to the innermost thing that it waits for.

    May be called from another thread: what moves meanwhile is shown somewhere on its way. With the identity of the
    loop's `thread`, the task that runs is shown down to the line at which it is.
    """
    running = asyncio.current_task(loop)
    at_work = _threads().get(thread) if thread is not None else None
    found = []
    for task in sorted(asyncio.all_tasks(loop), key=_name):
        frames = list(_awaits(task.get_coro()))
        if task is not running:
            found.append(Stack(_name(task), _format(frames)))
            continue
        if at_work is not None and frames:
            whole = list(_from_thread(at_work))
            frames = whole[whole.index(frames[0]) :] if frames[0] in whole else whole
        found.append(Stack(f"{_name(task)} (running)", _format(frames)))
    return found


def _threads() -> dict[int, FrameType]:
    return sys._current_frames()  # noqa: SLF001  documented, and there is no other way


def _name(task: asyncio.Task[Any]) -> str:
    """The name that somebody gave it, else what it runs. Faust's services put the text of a coroutine there."""
    coroutine = task.get_coro()
    called = str(getattr(coroutine, "__qualname__", type(coroutine).__name__))
    given = _COROUTINE.match(task.get_name())
    if given is not None:
        return given[1]
    return called if _NAMELESS.match(task.get_name()) else task.get_name()


def _format(frames: Iterable[FrameType]) -> str:
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)
    return "".join(summary.format()).rstrip()


def _from_thread(innermost: FrameType) -> Iterator[FrameType]:
    return reversed([frame for frame, _ in traceback.walk_stack(innermost)])


def _awaits(awaited: Any) -> Iterator[FrameType]:
    """The chain of awaits. `Task.get_stack` ends at its first link."""
    for _ in range(_DEEPEST):
        for frame_name, next_name in _LINKS:
            if hasattr(awaited, frame_name):
                frame = getattr(awaited, frame_name)
                if isinstance(frame, FrameType):
                    yield frame
                awaited = getattr(awaited, next_name, None)
                break
        else:
            # What stands between an object's __await__ and its coroutine has no link of its own.
            inner = gc.get_referents(awaited) if type(awaited).__name__ in _WRAPPERS else []
            awaited = next((item for item in inner if any(hasattr(item, name) for name, _ in _LINKS)), None)
            if awaited is None:
                return
