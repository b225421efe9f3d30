"""A worker that cannot do its work refuses to start, with what to do, and exit code 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams import topics
from tests.integration.cluster import Cluster, on_embedded, on_real
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker


def _refusal(cluster: Cluster, **settings: str) -> str:
    with cluster.worker("--until-caught-up", **settings) as worker:
        assert worker.wait() == 1, worker.output
        assert "Traceback" not in worker.output
        return worker.output


def test_unreachable_broker_is_named_with_its_setting(tmp_path: Path) -> None:
    said = _refusal(Cluster("127.0.0.1:1", "x-", tmp_path))
    assert "127.0.0.1:1" in said
    assert "BACKONTRACK_BOOTSTRAP_SERVERS" in said


def test_missing_topics_are_listed_with_the_command(embedded: EmbeddedBroker, prefix: str, tmp_path: Path) -> None:
    embedded.touch(prefix + topics.USAGE)
    said = _refusal(Cluster(embedded.bootstrap, prefix, tmp_path))
    assert prefix + topics.TICKETS in said
    assert f"{prefix}{topics.USAGE}: " not in said
    assert "backontrack topics create" in said


def test_misspelt_setting_is_refused(tmp_path: Path) -> None:
    said = _refusal(Cluster("127.0.0.1:1", "x-", tmp_path), checkpoint_intervall="1s")
    assert "BACKONTRACK_CHECKPOINT_INTERVALL" in said
    assert "Did you mean BACKONTRACK_CHECKPOINT_INTERVAL?" in said


def test_broken_policy_is_refused_with_file_and_line(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("extends: default\nversion: x\nguardrail: {}\n", encoding="utf-8")
    said = _refusal(Cluster("127.0.0.1:1", "x-", tmp_path), policy=str(policy))
    assert f"{policy}:3" in said


def test_taken_port_is_refused(embedded: EmbeddedBroker, prefix: str, tmp_path: Path) -> None:
    port = embedded.bootstrap.rpartition(":")[2]
    said = _refusal(on_embedded(embedded, prefix, tmp_path), metrics_port=port)
    assert "BACKONTRACK_METRICS_PORT" in said


@pytest.mark.kafka
def test_unequal_partition_counts_are_refused(real_broker: RealBroker, prefix: str, tmp_path: Path) -> None:
    real_broker.create_topic(prefix + topics.TICKETS, partitions=3)
    said = _refusal(on_real(real_broker, prefix, tmp_path))
    assert f"{prefix}{topics.TICKETS}: partitions is 3, needed 4" in said


@pytest.mark.kafka
def test_retention_that_would_delete_history_is_refused(real_broker: RealBroker, prefix: str, tmp_path: Path) -> None:
    name = prefix + topics.USAGE
    real_broker.create_topic(name, config={"retention.ms": "604800000", "retention.bytes": "-1"})
    said = _refusal(on_real(real_broker, prefix, tmp_path), clock="events")
    assert f"{name}: retention.ms is 604800000" in said
