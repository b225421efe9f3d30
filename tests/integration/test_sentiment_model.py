"""Workers and their sentiment models: which one scores is logged, measured and stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams import topics
from streams.domain.time import HOUR
from streams.sentiment.model_file import save
from streams.sentiment.train import Recipe, train
from streams.shell.state_codec import decode_account
from tests.integration.cluster import PARTITIONS, Cluster, on_embedded
from tests.support.embedded import EmbeddedBroker
from tests.support.labelled import help_desk
from tests.support.log import START, Entry, publish

ACCOUNT = "account-1"


@pytest.fixture
def cluster(embedded: EmbeddedBroker, prefix: str, tmp_path: Path) -> Cluster:
    return on_embedded(embedded, prefix, tmp_path)


def say(cluster: Cluster, number: int) -> None:
    """Raw text of one account."""
    at = START + number * HOUR
    event = {
        "event_id": f"e{number}", "account_id": ACCOUNT, "occurred_at": at, "source": "", "channel": "email",
        "text": "the planner is broken again",
    }  # fmt: skip
    publish(cluster.bootstrap, cluster.prefix, [Entry(topics.SENTIMENT, ACCOUNT, at, event)], PARTITIONS)


def test_change_of_the_model_is_told_and_recorded(cluster: Cluster, tmp_path: Path) -> None:
    """The next worker warns once it takes the partition over; each text keeps the name of what scored it."""
    say(cluster, 0)
    with cluster.worker("--until-caught-up") as worker:
        assert worker.wait() == 0, worker.output
    assert "another model" not in worker.output
    model = train(help_desk(), Recipe(least=2, folds=0))
    save(model, tmp_path / "model.json")
    say(cluster, 1)
    with cluster.worker(sentiment_model=str(tmp_path / "model.json")) as worker:
        gauge = f'backontrack_sentiment_model_info{{model="{model.name}"}} 1.0'
        worker.until(lambda: gauge in worker.probe("/metrics")[1], "scored by the new model")
        assert worker.stop() == 0
    warning = next(line for line in worker.output.splitlines() if "another model" in line)
    assert "vader-3.3.2" in warning
    assert model.name in warning
    account = decode_account(cluster.answer().state[ACCOUNT.encode()])
    assert [said.scored_by for said in account.signals.utterances] == ["vader-3.3.2", model.name]


def test_a_broken_model_stops_the_worker_at_the_start(cluster: Cluster, tmp_path: Path) -> None:
    """With file and reason."""
    broken = tmp_path / "model.json"
    broken.write_text("{", encoding="utf-8")
    with cluster.worker(sentiment_model=str(broken)) as worker:
        assert worker.wait() == 1
    assert f"{broken}:1: is no JSON" in worker.output
