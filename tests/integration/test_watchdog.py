"""A worker that is stuck ends itself with a reason and the stack of what is stuck; one that is not goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from streams.shell.failpoints import SWITCH as FAILPOINT
from tests.integration.cluster import PARTITIONS, Cluster, on_embedded, on_real
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker
from tests.support.log import Entry, publish, small_log
from tests.support.sabotage import SWITCH
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.chaos

STALL_S = 4
SETTINGS = {"stall_timeout": f"{STALL_S}s", "checkpoint_interval": "300ms", "log_format": "json"}


@pytest.fixture
def cluster(embedded: EmbeddedBroker, prefix: str, tmp_path: Path) -> Cluster:
    return on_embedded(embedded, prefix, tmp_path)


@pytest.fixture(scope="module")
def history() -> list[Entry]:
    return small_log(accounts=8, days=20)


class Feed:
    """Sends records while a test runs."""

    def __init__(self, cluster: Cluster, history: list[Entry]) -> None:
        self._cluster, self._history = cluster, history
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for start in range(0, len(self._history), 5):
            publish(self._cluster.bootstrap, self._cluster.prefix, self._history[start : start + 5], PARTITIONS)
            if self._end.wait(0.3):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def _sabotaged(cluster: Cluster, fault: str) -> WorkerProcess:
    return cluster.worker(env={SWITCH: fault}, module="tests.support.sabotage", **SETTINGS)


def _lines(worker: WorkerProcess) -> Iterator[dict[str, Any]]:
    for line in worker.output.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _stuck(worker: WorkerProcess) -> list[dict[str, Any]]:
    return [line for line in _lines(worker) if line["event"] == "stuck task"]


@pytest.mark.parametrize(
    ("fault", "stage", "shown"),
    [
        ("fetch", "fetch", "stuck_after_the_first"),
        ("fold_waits", "apply", "in waits"),
        ("commit_hangs", "commit", "in hangs"),
        ("commit_refused", "commit", "checkpoint_forever"),
    ],
)
def test_what_is_stuck_is_named_and_the_worker_ends(
    cluster: Cluster, history: list[Entry], fault: str, stage: str, shown: str
) -> None:
    with _sabotaged(cluster, fault) as worker, Feed(cluster, history):
        worker.until(lambda: worker.probe("/livez")[0] == 503, "not live", 60)
        assert f"stuck ({stage})" in worker.probe("/livez")[1]
        assert f'backontrack_stuck{{stage="{stage}"}} 1.0' in worker.probe("/metrics")[1]
        assert worker.wait(60) == 1, worker.output
        assert any(shown in line["stack"] for line in _stuck(worker)), worker.output
        last = [line for line in _lines(worker) if line["event"] == "worker stopped"]
        assert "nothing was committed for" in last[-1]["reason"]


def test_an_agent_that_died_silently_is_found(cluster: Cluster, history: list[Entry]) -> None:
    with _sabotaged(cluster, "agent_dies") as worker, Feed(cluster, history):
        assert worker.wait(60) == 1, worker.output
        assert "records that were handed on are not applied" in worker.output


def test_a_fold_that_blocks_the_event_loop_ends_the_worker(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS)
    with cluster.worker(env={FAILPOINT: "record:20:sleep=120"}, **SETTINGS) as worker:
        began = time.monotonic()
        assert worker.wait(60) == 1, worker.output
        assert time.monotonic() - began < 60
        assert "the event loop has not turned" in worker.output
        running = [line["stack"] for line in _stuck(worker) if "(running)" in line["task"]]
        assert any("failpoints.py" in stack and "time.sleep" in stack for stack in running), worker.output
        assert any(line["event"] == "thread" and "time.sleep" in line["stack"] for line in _lines(worker))


def test_the_next_start_continues_where_the_stuck_one_ended(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS)
    with cluster.worker(env={FAILPOINT: "record:20:sleep=120"}, **SETTINGS) as worker:
        assert worker.wait(60) == 1, worker.output
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait(90) == 0, worker.output


def test_a_fold_that_is_merely_slow_goes_on(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS)
    slow = ",".join(f"record:{number}:sleep={STALL_S - 1.5}" for number in (20,))
    with cluster.worker("--until-caught-up", env={FAILPOINT: slow}, **SETTINGS) as worker:
        assert worker.wait(90) == 0, worker.output
        assert "stuck" not in worker.output


@pytest.mark.kafka
def test_an_outage_is_a_hold_and_not_a_stall(tmp_path: Path, prefix: str, history: list[Entry]) -> None:
    with RealBroker(tmp_path / "kafka") as broker:
        cluster = on_real(broker, prefix, tmp_path)
        with cluster.worker(**{**SETTINGS, "delivery_timeout": "2s", "session_timeout": "10s"}) as worker:
            worker.until_logged("partitions taken over")
            publish(cluster.bootstrap, cluster.prefix, history[:100], PARTITIONS)
            worker.until(lambda: worker.probe("/readyz")[0] == 200, "ready")
            broker.stop()
            worker.until(lambda: "holds (broker)" in worker.probe("/readyz")[1], "holds", 30)
            began = time.monotonic()
            while time.monotonic() - began < 4 * STALL_S:
                status, text = worker.probe("/livez")
                assert status == 200, text
                time.sleep(0.5)
            assert "holds (broker)" in worker.probe("/livez")[1]
            broker.start()
            worker.until(lambda: worker.probe("/readyz")[0] == 200, "ready again", 90)
            publish(cluster.bootstrap, cluster.prefix, history[100:], PARTITIONS)
            worker.until(lambda: 'backontrack_holds{hold="broker"} 0.0' in worker.probe("/metrics")[1], "no hold", 30)
            assert "stuck" not in worker.output.replace("backontrack_stuck", "")
            assert worker.stop() == 0, worker.output
