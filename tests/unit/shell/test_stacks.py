"""Stacks: down to the innermost await, from another thread, without the values of variables."""

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from typing import Any

from streams.shell import stacks


async def _innermost(never: asyncio.Event) -> None:
    secret = "customer-4711"  # noqa: S105, F841  must not be shown
    await never.wait()


async def _middle(never: asyncio.Event) -> None:
    await asyncio.wait_for(_innermost(never), 3_600)


async def test_a_task_is_shown_down_to_what_it_waits_for() -> None:
    never = asyncio.Event()
    tasks = [asyncio.create_task(work(never), name=name) for name, work in (("a", _middle), ("b", _innermost))]
    await asyncio.sleep(0.01)
    found = {stack.name: stack for stack in await asyncio.to_thread(stacks.tasks, asyncio.get_running_loop())}
    for task in tasks:
        task.cancel()
    assert "in _middle" in found["a"].text
    assert "in wait_for" in found["a"].text
    assert "in _innermost" in found["b"].text
    assert "await never.wait()" in found["b"].text
    assert "locks.py" in found["b"].innermost
    assert not any("4711" in stack.text and "secret =" not in stack.text for stack in found.values())


class _Awaitable:
    """As Faust's agents are awaited."""

    def __init__(self, never: asyncio.Event) -> None:
        self._never = never

    def __await__(self) -> Generator[Any, None, None]:
        return _innermost(self._never).__await__()


async def test_an_awaited_object_and_an_asynchronous_generator_are_looked_through() -> None:
    never = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        await _Awaitable(never)
        yield 1

    async def read() -> None:
        async for _ in items():
            pass

    task = asyncio.create_task(read(), name="reader")
    await asyncio.sleep(0.01)
    found = next(stack for stack in stacks.tasks(asyncio.get_running_loop()) if stack.name == "reader")
    task.cancel()
    for place in ("in read", "in items", "in _innermost"):
        assert place in found.text


async def test_the_running_task_is_marked() -> None:
    found = stacks.tasks(asyncio.get_running_loop())
    assert [stack.name.endswith("(running)") for stack in found].count(True) == 1


def test_threads_have_their_names_and_the_asking_one_is_left_out() -> None:
    begun, end = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        end.wait()

    thread = threading.Thread(target=busy, name="busy-one")
    thread.start()
    begun.wait()
    found = {stack.name: stack.text for stack in stacks.threads()}
    end.set()
    thread.join()
    assert "in busy" in found["busy-one"]
    assert "MainThread" not in found


async def test_the_running_task_is_shown_down_to_its_line() -> None:
    def deep() -> list[stacks.Stack]:
        return stacks.tasks(asyncio.get_running_loop(), threading.get_ident())

    running = next(stack for stack in deep() if stack.name.endswith("(running)"))
    assert "in deep" in running.text
    assert "run_until_complete" not in running.text
