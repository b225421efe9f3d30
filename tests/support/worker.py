"""The real worker, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families


class WorkerProcess:
    """`backontrack worker` with settings from keywords; its log goes to a file. Ends with the `with` block."""

    def __init__(
        self,
        log: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        module: str = "streams.cli.main",
        **settings: str,
    ) -> None:
        self.log = log
        made = {f"BACKONTRACK_{name.upper()}": value for name, value in settings.items()}
        environment = {"BACKONTRACK_METRICS_PORT": "0", "BACKONTRACK_SESSION_TIMEOUT": "6s", **made}
        with log.open("ab") as file:
            self._begin = file.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "worker", *arguments],
                env={**os.environ, **environment, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it has logged so far."""
        return self.log.read_bytes()[self._begin :].decode(errors="replace")

    def wait(self, timeout: float = 90.0) -> int:
        """Exit code, when it ends by itself."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the worker has not ended:\n{self.output[-4000:]}") from None

    def stop(self, timeout: float = 60.0) -> int:
        """Asks it to stop; exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def until(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Waits for a condition while the worker runs."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self.process.poll() is not None:
                raise RuntimeError(f"the worker ended with {self.process.returncode} before: {what}\n{self.output}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout} s: {what}\n{self.output[-4000:]}")
            time.sleep(0.05)

    def until_logged(self, text: str, timeout: float = 60.0) -> None:
        """Waits until the log holds a text."""
        self.until(lambda: text in self.output, f"log has {text!r}", timeout)

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text of /livez, /readyz or /metrics; 0 while nothing answers."""
        found = re.search(r'"probes": ("http[^"]+")', self.output)
        if not found:
            return 0, ""
        try:
            with urllib.request.urlopen(json.loads(found[1]) + path, timeout=5) as answer:  # noqa: S310  our own address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of this name that have these labels; 0.0 while there is none."""
        families = text_string_to_metric_families(self.probe("/metrics")[1])
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum((sample.value for sample in samples if labels.items() <= sample.labels.items()), 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
