"""The worker on a broker gives what the core gives offline: on the embedded broker and on a real Kafka."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from streams import topics
from streams.domain.time import DAY
from tests.integration.cluster import PARTITIONS, Cluster, on_embedded, on_real
from tests.support.kafka import RealBroker
from tests.support.log import START, Entry, fold_log, publish, read_all, small_log
from tests.support.records import produce

END = START + 90 * DAY
POISON = (b"", b"\xff", b"\xc3\x01 and then nothing of ours", b"\x00\x00\x00\x00\x63", b"x" * 900_000)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def cluster(request: pytest.FixtureRequest, prefix: str, tmp_path: Path) -> Cluster:
    if request.param == "real":
        return on_real(request.getfixturevalue("real_broker"), prefix, tmp_path)
    return on_embedded(request.getfixturevalue("embedded"), prefix, tmp_path)


@pytest.fixture(scope="module")
def history() -> list[Entry]:
    return small_log()


def test_worker_answers_as_the_core_does_offline(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS, END)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    answer, model = cluster.answer(), fold_log(history, cluster.app_id, PARTITIONS, END)
    assert model.records, "the history must lead to decisions"
    assert (answer.copies, answer.wrong) == (0, 0)
    assert answer.records == model.records
    assert answer.health == model.health
    assert answer.state == model.state


def test_killed_worker_continues_without_loss(cluster: Cluster, history: list[Entry]) -> None:
    half = len(history) // 2
    publish(cluster.bootstrap, cluster.prefix, history[:half], PARTITIONS)
    for _ in range(2):
        with cluster.worker(emit_interval="10ms", checkpoint_interval="1h") as worker:
            # Without a checkpoint, stored states are ahead of their partition's: the hardest place to continue from.
            worker.until(lambda: bool(read_all(cluster.bootstrap, cluster.prefix + topics.INTERVENTIONS)), "outputs")
            worker.kill()
    publish(cluster.bootstrap, cluster.prefix, history[half:], PARTITIONS, END)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    answer, model = cluster.answer(), fold_log(history, cluster.app_id, PARTITIONS, END)
    assert answer.wrong == 0
    assert answer.records == model.records
    assert answer.health == model.health
    assert answer.state == model.state


def test_worker_listens_on_its_probe_port_only(cluster: Cluster) -> None:
    with cluster.worker() as worker:
        worker.until(lambda: worker.probe("/readyz")[0] == 200, "ready")
        listening = [c for c in psutil.Process(worker.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert len(listening) == 1
        assert worker.probe("/livez") == (200, "ok\n")
        assert "backontrack_consumer_lag_records" in worker.probe("/metrics")[1]
        assert worker.stop() == 0


def test_bad_records_are_dead_lettered_and_their_neighbours_are_applied(cluster: Cluster, history: list[Entry]) -> None:
    publish(cluster.bootstrap, cluster.prefix, history, PARTITIONS, END)
    usage = cluster.prefix + topics.USAGE
    produce(cluster.bootstrap, usage, *POISON, key=b"poison")
    produce(cluster.bootstrap, usage, b"no key")
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    letters = read_all(cluster.bootstrap, cluster.prefix + topics.DEAD_LETTERS)
    assert sorted((letter.key or b"", letter.value) for letter in letters) == sorted(
        [*((b"poison", value) for value in POISON), (b"", b"no key")]
    )
    assert {letter.headers["__streams.errors.topic"] for letter in letters} == {usage.encode()}
    assert all(letter.headers["backontrack.reason"] for letter in letters)
    answer, model = cluster.answer(), fold_log(history, cluster.app_id, PARTITIONS, END)
    assert answer.records == model.records


@pytest.mark.kafka
def test_many_large_bad_records_in_a_row_do_not_stop_the_worker(
    real_broker: RealBroker, prefix: str, tmp_path: Path
) -> None:
    """Together they are larger than any record of the changelog may be, so they leave a few at a time."""
    cluster = on_real(real_broker, prefix, tmp_path)
    large = [bytes([number]) * 900_000 for number in range(40)]
    produce(cluster.bootstrap, cluster.prefix + topics.USAGE, *large, key=b"large")
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    letters = read_all(cluster.bootstrap, cluster.prefix + topics.DEAD_LETTERS)
    # In the order of the log: the producer of the test may have sent some of them again, behind others.
    lying = [record.value for record in read_all(cluster.bootstrap, cluster.prefix + topics.USAGE)]
    assert [letter.value for letter in letters] == lying
    assert sorted(lying) == large


def test_changed_policy_file_is_announced_in_the_log(cluster: Cluster, history: list[Entry], tmp_path: Path) -> None:
    publish(cluster.bootstrap, cluster.prefix, history[:200], PARTITIONS)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    policy = tmp_path / "policy.yaml"
    policy.write_text("extends: default\nversion: changed\n", encoding="utf-8")
    with cluster.worker("--policy", str(policy)) as worker:
        worker.until(lambda: 'backontrack_policy_info{version="changed"} 4.0' in worker.probe("/metrics")[1], "active")
        assert worker.stop() == 0
    records = read_all(cluster.bootstrap, cluster.prefix + topics.CONTROL)
    assert {record.partition for record in records} == set(range(PARTITIONS))
    assert len(records) == PARTITIONS, "once a partition"


def test_quiet_partitions_get_ticks_by_the_wall_clock(cluster: Cluster) -> None:
    with cluster.worker(clock="wall") as worker:
        worker.until(
            lambda: len(read_all(cluster.bootstrap, cluster.prefix + topics.CONTROL)) >= 3 * PARTITIONS, "ticks"
        )
        assert worker.stop() == 0
    ticks = read_all(cluster.bootstrap, cluster.prefix + topics.CONTROL)
    assert {tick.partition for tick in ticks} == set(range(PARTITIONS))
    for partition in range(PARTITIONS):
        times = [tick.timestamp for tick in ticks if tick.partition == partition]
        assert all(later - earlier >= 900 for earlier, later in pairwise(times))
