"""The broker settings of the compose file, on a real Kafka: they are accepted, and both ways in work."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.kafka import RealBroker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
STARTING = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
ENVIRONMENT: dict[str, str] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["kafka"]["environment"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class ComposeBroker(RealBroker):
    """Set up as the image does it, from `KAFKA_*` and `CLUSTER_ID`; names, ports and the folder are this machine's."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.outside = _free_port()

    def _settings(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log4j2.properties").write_text("rootLogger.level=info\n", encoding="utf-8")
        here = {"kafka:": "127.0.0.1:", "://:": "://127.0.0.1:", ":9092": f":{self.outside}"}
        here |= {":19092": f":{self.port}", ":29093": f":{self.port + 1}"}
        lines = []
        for name, value in ENVIRONMENT.items():
            if name.startswith("KAFKA_"):
                for there, local in here.items():
                    value = value.replace(there, local)  # noqa: PLW2901  step by step
                lines.append(f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}")
        lines.append(f"log.dirs={self.directory / 'data'}")
        settings = self.directory / "server.properties"
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return settings

    def _format(self, settings: Path) -> None:
        command = self._java("kafka.tools.StorageTool", "format", "-t", ENVIRONMENT["CLUSTER_ID"], "-c", str(settings))
        with self.log.open("ab") as log:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeBroker]:
    """Runs as the compose file says."""
    with ComposeBroker(tmp_path_factory.mktemp("compose-kafka")) as running:
        yield running


def test_both_listeners_lead_back_to_themselves(broker: ComposeBroker) -> None:
    """A client that comes in by one is not sent to the other, which it may not reach."""
    for port in (broker.port, broker.outside):
        found = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"}).list_topics(timeout=30)
        assert [(node.host, node.port) for node in found.brokers.values()] == [("127.0.0.1", port)]


def _commit(consumer: Consumer, offset: TopicPartition, deadline: float) -> None:
    """Commits as soon as the broker, which has only just started, has a coordinator for the group."""
    while True:
        try:
            consumer.commit(offsets=[offset], asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in STARTING or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def test_a_group_can_commit_with_one_broker(broker: ComposeBroker) -> None:
    """The internal topics have as many copies as there are brokers."""
    broker.create_topic("t", partitions=2)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g"})
    try:
        _commit(consumer, TopicPartition("t", 0, 0), deadline=time.monotonic() + 60)
        assert consumer.committed([TopicPartition("t", 0)], timeout=30)[0].offset == 0
    finally:
        consumer.close()
