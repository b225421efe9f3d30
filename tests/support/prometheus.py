"""A real Prometheus that scrapes what a test tells it to, with the rules that are shipped."""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from deploy.grafana.panels import JOB

_DEPLOY = Path(__file__).parents[2] / "deploy"
_DEADLINE_SECONDS = 60.0
RULES = _DEPLOY / "prometheus" / "rules.yml"
_RANGE = re.compile(r"\[(\d+)([smhd])\]")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# A range needs several scrapes to hold an increase.
_SHORTEST_RANGE_S = 10


def unavailable_reason() -> str | None:
    """Why no Prometheus can be started here; None when one can."""
    return None if shutil.which("prometheus") else "Prometheus is not installed"


class Prometheus:
    """Runs while the context is open, on a free port, scraping the targets (host:port).

    Args:
        targets: What is scraped.
        quicker: By so much all times of the rules are shortened.
        every_s: Time between two scrapes, and the longest that one may take.
    """

    def __init__(self, targets: Iterable[str], quicker: float = 1.0, every_s: float = 1.0) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="backontrack-prometheus-"))
        self._targets = list(targets)
        self._quicker = quicker
        self._every = f"{round(every_s * 1000)}ms"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result vector of an instant query. Raises urllib.error.HTTPError when the query is wrong."""
        answer = self.get(f"query?{urllib.parse.urlencode({'query': expression})}")
        result: list[dict[str, Any]] = answer["result"]
        return result

    def get(self, path: str) -> Any:
        """The data of an answer of the HTTP API."""
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=10) as response:
            return json.load(response)["data"]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = self.get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Returns when the condition holds. Raises TimeoutError after a minute."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.2)
        raise TimeoutError(what)

    def __enter__(self) -> Self:
        rules = self._directory / "rules.yml"
        rules.write_text(shortened(RULES.read_text(encoding="utf-8"), self._quicker), encoding="utf-8")
        config = {
            "global": {
                "scrape_interval": self._every,
                "scrape_timeout": self._every,
                "evaluation_interval": self._every,
            },
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": self._targets}]}],
        }
        file = self._directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    shutil.which("prometheus") or "prometheus",
                    f"--config.file={file}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address={self.address}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.wait(self._answers, "Prometheus does not answer")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and removes its data."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_DEADLINE_SECONDS)
            self._process = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError((self._directory / "prometheus.log").read_text(encoding="utf-8"))
        try:
            return bool(self.query("vector(1)"))
        except (urllib.error.URLError, ConnectionError):
            return False


def shortened(rules: str, quicker: float) -> str:
    """The rules with every waiting time and every range divided."""

    def shorter(length: str, unit: str, least: float) -> str:
        return f"{max(least, int(length) * _UNITS[unit] / quicker):.0f}s"

    loaded = yaml.safe_load(rules)
    for group in loaded["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = shorter(rule["for"][:-1], rule["for"][-1], 1)
            rule["expr"] = _RANGE.sub(lambda found: f"[{shorter(found[1], found[2], _SHORTEST_RANGE_S)}]", rule["expr"])
    return yaml.safe_dump(loaded, sort_keys=False) if quicker != 1 else rules
