"""The demo's own processes: the real worker and the board, started and stopped as an operator would."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from streams.settings import PREFIX

_STOP_SECONDS = 15.0
_PAUSE_SECONDS = 0.05
_TAIL_LINES = 60


class ChildEnded(Exception):  # noqa: N818  it names a state, and is caught by that name
    """A process of the demo ended by itself; the message has the end of its log."""


class Child:
    """A `backontrack` command in a process of its own; its output goes to a file in `directory`."""

    def __init__(self, command: str, settings: dict[str, str], directory: Path) -> None:
        self.command = command
        self.log = directory / f"{command}.log"
        # Settings of the surroundings may point at a real cluster; the demo has its own.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {f"{PREFIX}{name}": value for name, value in settings.items()}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", "streams.cli.main", command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def check(self) -> None:
        """Raises ChildEnded when the process is gone."""
        code = self._process.poll()
        if code is not None:
            raise ChildEnded(f"the {self.command} ended with code {code}. The end of its log:\n{self.tail()}")

    def wait_until_it_answers(self, url: str, seconds: float) -> None:
        """Returns when `url` answers well. Raises ChildEnded when the process ends, TimeoutError when it is late."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=1):  # noqa: S310  our own address
                return
            time.sleep(_PAUSE_SECONDS)
        raise TimeoutError(f"the {self.command} did not answer at {url} in {seconds:.0f} s. Its log:\n{self.tail()}")

    def ask_to_stop(self) -> None:
        """Sends the signal for an orderly stop."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self) -> int:
        """The exit code; a process that does not stop in time is ended the hard way."""
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:]) or "(empty)"


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
