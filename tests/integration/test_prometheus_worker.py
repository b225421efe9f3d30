"""A real worker on a real Kafka, seen through a real Prometheus: what the dashboard says is what happened."""

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.grafana.panels import ROWS, Panel
from streams import topics
from streams.domain.time import DAY
from streams.metrics import Metrics, StateCollector
from streams.settings import Settings
from streams.shell.admin import Admin
from tests.support.kafka import RealBroker
from tests.support.log import START, Entry, publish, small_log
from tests.support.prometheus import Prometheus, unavailable_reason
from tests.unit.deploy.promql import VARIABLES

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason())),
]

ACCOUNTS, DAYS, PARTITIONS = 40, 70, 2
# Answers that this history has no question for: nobody responds, simulated time has no latency, and partitions were
# taken over before the first scrape.
NOTHING_TO_SEE = {"Event to intervention", "Time to response", "State read back"}


@contextlib.contextmanager
def _worker(broker: RealBroker, prefix: str, log: Path) -> Iterator[str]:
    """A worker process; gives the address of its metrics.

    The history is sent while it runs, so its topics do not arrive side by side: nothing may count as late.
    """
    policy = log.with_name("policy.yaml")
    policy.write_text("extends: default\nversion: patient\ntime: {max_lateness: 400d}\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "BACKONTRACK_BOOTSTRAP_SERVERS": broker.bootstrap,
        "BACKONTRACK_APP_ID": f"{prefix}app",
        "BACKONTRACK_TOPIC_PREFIX": prefix,
        "BACKONTRACK_CLOCK": "events",
        "BACKONTRACK_METRICS_PORT": str(port),
        "BACKONTRACK_CHECKPOINT_INTERVAL": "1s",
        "BACKONTRACK_POLICY": str(policy),
    }
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "worker"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield f"127.0.0.1:{port}"
        assert process.poll() is None, log.read_text(encoding="utf-8")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def history() -> list[Entry]:
    """Forty accounts; a third of them drop after a month and come back."""
    return small_log(ACCOUNTS, DAYS)


@pytest.fixture(scope="module")
def prometheus(
    real_broker: RealBroker, history: list[Entry], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Scrapes a worker before anything happens, and then until it has applied the history."""
    prefix = "monitored-"
    settings = Settings(
        bootstrap_servers=real_broker.bootstrap,
        app_id=f"{prefix}app",
        topic_prefix=prefix,
        partitions=PARTITIONS,
    )
    Admin(settings).create()
    with (
        _worker(real_broker, prefix, tmp_path_factory.mktemp("worker") / "worker.log") as address,
        Prometheus([address]) as running,
    ):
        running.wait(_says(running, f"count_over_time({Metrics.chases.name}[1h]) >= 2"), "the worker was not scraped")
        publish(real_broker.bootstrap, prefix, history, PARTITIONS)
        usage = sum(entry.topic == topics.USAGE for entry in history)
        applied = f'sum({Metrics.events.name}{{topic="{topics.USAGE}", outcome="applied"}})'
        running.wait(_says(running, f"{applied} == {usage}"), "the history was not applied")
        publish(real_broker.bootstrap, prefix, [], PARTITIONS, end=START + (DAYS + 30) * DAY)
        ticks = f'sum({Metrics.events.name}{{topic="{topics.CONTROL}", outcome="applied"}})'
        running.wait(_says(running, f"{ticks} == {PARTITIONS}"), "the end was not applied")
        running.wait(_says(running, f"sum({StateCollector.consumer_lag.name}) == 0"), "lag stayed")
        # Accounts are counted in the background.
        running.wait(_says(running, f"sum({StateCollector.accounts.name}) == {ACCOUNTS}"), "accounts were not counted")
        yield running


def _says(prometheus: Prometheus, expression: str) -> Callable[[], bool]:
    return lambda: bool(prometheus.query(expression))


def _ask(prometheus: Prometheus, query: str) -> list[float]:
    for name, value in {**VARIABLES, "$__rate_interval": "5m"}.items():
        query = query.replace(name, value)
    return [float(series["value"][1]) for series in prometheus.query(query)]


@pytest.mark.parametrize("panel", [panel for _, row in ROWS for panel in row], ids=lambda panel: panel.title)
def test_a_panel_shows_what_the_worker_did(panel: Panel, prometheus: Prometheus) -> None:
    """Every panel that has something to show shows it."""
    for query, _ in panel.queries:
        values = _ask(prometheus, query)
        assert values, query
        if panel.title not in NOTHING_TO_SEE:
            assert not all(math.isnan(value) for value in values), query


def test_the_figures_are_those_of_the_history(prometheus: Prometheus) -> None:
    """Accounts, coverage and recoveries, from the outside."""
    assert _ask(prometheus, f"sum({StateCollector.accounts.name})") == [ACCOUNTS]
    assert _ask(prometheus, f"sum({StateCollector.covered_accounts.name})") == [ACCOUNTS]
    opened = _ask(prometheus, f"sum({Metrics.interventions_opened.name})")
    recovered = _ask(prometheus, f'sum({Metrics.outcomes.name}{{outcome="back_on_track"}})')
    assert opened[0] > 0
    assert recovered[0] > 0
    assert _ask(prometheus, f"sum({Metrics.time_to_recovery.name}_count)") == recovered
