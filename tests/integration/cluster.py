"""A broker of either kind with all topics of one application, for the suites that run on both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams import topics
from streams.settings import Settings
from streams.shell.admin import Admin
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker
from tests.support.log import Answer, read_answer
from tests.support.worker import WorkerProcess

PARTITIONS = 4


@dataclass
class Cluster:
    """Topics of one application on a broker."""

    bootstrap: str
    prefix: str
    directory: Path

    @property
    def app_id(self) -> str:
        return f"{self.prefix}app"

    def worker(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        module: str = "streams.cli.main",
        **settings: str,
    ) -> WorkerProcess:
        """Starts a worker on simulated time, unless told otherwise."""
        mine = {
            "bootstrap_servers": self.bootstrap,
            "topic_prefix": self.prefix,
            "app_id": self.app_id,
            "clock": "events",
            "checkpoint_interval": "300ms",
        }
        log = self.directory / "worker.log"
        return WorkerProcess(log, *arguments, env=env, module=module, **{**mine, **settings})

    def answer(self) -> Answer:
        """What the workers have written."""
        return read_answer(self.bootstrap, self.prefix, self.app_id)


def on_embedded(broker: EmbeddedBroker, prefix: str, directory: Path) -> Cluster:
    """On the embedded broker, where topics exist by being touched."""
    broker.touch(*(prefix + topic.name for topic in topics.TOPICS), topics.changelog(f"{prefix}app"))
    return Cluster(broker.bootstrap, prefix, directory)


def on_real(broker: RealBroker, prefix: str, directory: Path) -> Cluster:
    """On a real broker, with the topics as `backontrack topics create` makes them."""
    cluster = Cluster(broker.bootstrap, prefix, directory)
    create_topics(cluster)
    return cluster


def create_topics(cluster: Cluster) -> None:
    """Creates the topics that are missing."""
    settings = Settings(
        bootstrap_servers=cluster.bootstrap,
        topic_prefix=cluster.prefix,
        app_id=cluster.app_id,
        partitions=PARTITIONS,
    )
    Admin(settings).create()
