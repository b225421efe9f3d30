"""The end of a worker: waited for, told to the watchdog from its first step, and answered from the first moment on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import mode
import pytest

from streams.policy.load import default_policy
from streams.shell import ownership
from streams.shell import worker as shell
from streams.shell.in_thread import in_thread
from streams.shell.recovery import Cancelled
from streams.shell.replica import Replica
from streams.shell.worker import StreamWorker
from tests.support.shell import settings


class EndlessReader:
    """A changelog that takes for ever to be read."""

    def __init__(self, _settings: object, place: str, partition: int, cancelled: threading.Event, *_: object) -> None:
        self.cancelled = cancelled
        self.replica = Replica(place, partition)

    def read_to_end(self) -> None:
        self.cancelled.wait()
        raise Cancelled

    def close(self) -> None:
        self.cancelled.wait()


@pytest.fixture
async def worker() -> Any:
    made = StreamWorker(settings(bootstrap_servers="127.0.0.1:9"), default_policy(), None, until_caught_up=False)
    yield made
    made.audit.close()
    made.sender.close()


EARLY = """
import time
import streams.settings

def load_settings(**_):
    print("starting", flush=True)
    time.sleep(30)

streams.settings.load_settings = load_settings
from streams.cli.main import main
main(["worker"])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_that_is_asked_to_stop_while_it_starts_ends_with_0_and_says_so(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", EARLY], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"starting\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"asked to" in said


def _stopped_by(stop: Callable[[mode.Worker], None]) -> list[str]:
    """What a service whose stop takes three seconds comes to."""
    steps: list[str] = []

    class Slow(mode.Service):
        async def on_stop(self) -> None:
            steps.append("begun")
            await asyncio.sleep(3)
            steps.append("ended")

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    made = mode.Worker(Slow(), loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
    loop.call_later(0.1, stop, made)
    with pytest.raises(SystemExit):
        made.execute_from_commandline()
    asyncio.set_event_loop(None)
    return steps


def test_a_stop_that_takes_long_is_waited_for() -> None:
    """A thread that was not told to end would keep the process for ever."""
    assert _stopped_by(shell._stop) == ["begun", "ended"]  # type: ignore[arg-type]


async def test_watchdog_bounds_a_stop_from_its_first_step(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    async def stop(_self: Any) -> None:
        assert told, "Faust's first steps are within the time"

    monkeypatch.setattr("faust.Worker.stop", stop)
    await shell._Worker(lambda: told.append(True), worker.app).stop()


async def test_stop_does_not_wait_for_a_recovery_under_way(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust cancels it before it tells the worker that it stops."""
    monkeypatch.setattr(ownership, "ChangelogReader", EndlessReader)
    taking = asyncio.ensure_future(worker.ownership.take([0, 1], 1))
    await asyncio.sleep(0.2)
    taking.cancel()
    done, _ = await asyncio.wait([taking], timeout=10)
    worker.ownership.cancel()
    assert done


async def test_recovery_that_was_given_up_is_none_to_the_watchdog(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nobody would notice when no assignment follows."""
    taken: list[object] = []

    async def take(*what: object) -> None:
        taken.append(what)
        assert worker.status.view().working

    monkeypatch.setattr(worker.ownership, "take", take)
    worker.app = type("App", (), {"consumer_generation_id": 1, "consumer": type("C", (), {"assignment": set})})
    worker.on_assignment()
    await worker._on_assigned()
    assert taken
    assert not worker.status.view().working
    assert not worker.status.view().settled


async def test_waiting_for_brokers_at_the_start_keeps_no_process() -> None:
    release = threading.Event()
    waiting = asyncio.ensure_future(in_thread(release.wait, "preflight"))
    await asyncio.sleep(0.05)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "preflight"] == [True]
    release.set()
    await waiting


async def test_failure_of_the_checks_is_told_to_whoever_waits() -> None:
    def check() -> None:
        raise ValueError("the topics do not fit")

    with pytest.raises(ValueError, match="do not fit"):
        await in_thread(check, "preflight")
