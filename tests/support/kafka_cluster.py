"""Three Apache Kafka nodes: every topic on all of them, and a write needs two."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.kafka import Properties, RealBroker, create_topic, free_port_pair, new_cluster_id

NODES = 3
REPLICATION = 3
MIN_IN_SYNC = 2

_SETTLE_SECONDS = 90.0
_ASK_SECONDS = 10.0


class _Node(RealBroker):
    def __init__(
        self, number: int, directory: Path, port: int, *, ports: Sequence[int], cluster: str, given: Mapping[str, str]
    ) -> None:
        super().__init__(directory, port, properties=given, heap_mb=384)
        self._number = number
        self._cluster = cluster
        self._voters = ",".join(f"{node}@127.0.0.1:{port + 1}" for node, port in enumerate(ports, 1))

    def _properties(self) -> Properties:
        made = super()._properties()
        del made["controller.quorum.bootstrap.servers"]
        replication, in_sync = str(REPLICATION), str(MIN_IN_SYNC)
        return {
            **made,
            "node.id": str(self._number),
            "controller.quorum.voters": self._voters,
            "default.replication.factor": replication,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replication,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replication,
            "share.coordinator.state.topic.min.isr": in_sync,
            # Kafka's own: three nodes on a busy machine may be late without being dead.
            "broker.session.timeout.ms": "9000",
            "broker.heartbeat.interval.ms": "2000",
            # A node that returns leads again soon, so that a fault of the next leader is a fault of a new node.
            "leader.imbalance.check.interval.seconds": "10",
        }

    def _format_options(self) -> tuple[str, ...]:
        return ("-t", self._cluster)

    def _java(self, *arguments: str) -> list[str]:
        # Three of them share a small machine: less compiling, fewer threads.
        return super()._java("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *arguments)


class RealCluster:
    """Runs from `start` to `close`; also a context manager. Nodes are numbered 1 to 3.

    Args:
        directory: Holds a directory for each node, and stays. Without one, a temporary directory is used and removed.
        properties: Lines of every node's server.properties that are added, or replace those chosen here.
    """

    def __init__(self, directory: Path | None = None, *, properties: Mapping[str, str] | None = None) -> None:
        self._temporary = directory is None
        self.directory = (directory or Path(tempfile.mkdtemp(prefix="backontrack-cluster-"))).absolute()
        ports: list[int] = []
        while len(ports) < NODES:
            if (port := free_port_pair()) not in ports:
                ports.append(port)
        cluster, given = new_cluster_id(), properties or {}
        self.nodes = {
            number: _Node(number, self.directory / str(number), port, ports=ports, cluster=cluster, given=given)
            for number, port in enumerate(ports, 1)
        }
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes.values())
        self._admin: AdminClient | None = None

    @property
    def faust_url(self) -> str:
        """The same addresses in the form that Faust expects."""
        return ";".join(node.faust_url for node in self.nodes.values())

    @property
    def log(self) -> Path:
        """The log of the first node; the others' lie beside it."""
        return self.nodes[1].log

    @property
    def admin(self) -> AdminClient:
        """A client for administration, kept open."""
        if self._admin is None:
            self._admin = AdminClient(
                {"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200}
            )
        return self._admin

    def start(self) -> None:
        """Start every node and return when all of them are in the metadata."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda node: node.launch(), self.nodes.values()))
            list(pool.map(lambda node: node.wait(), self.nodes.values()))
        self.until_whole(in_sync=False)

    def close(self) -> None:
        """Stop, and remove what is temporary."""
        # Together: the last ones of an orderly shutdown, one by one, would wait for a majority that is gone.
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda node: node.kill(), self.nodes.values()))
        self._admin = None
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def start_node(self, number: int) -> None:
        """Start one node again, with its data and address; return when it answers."""
        self.nodes[number].start()

    def stop_node(self, number: int) -> None:
        """Shut one node down in order: it hands its leaderships over first."""
        self.nodes[number].stop()

    def kill_node(self, number: int) -> None:
        """End one node as a power cut would."""
        self.nodes[number].kill()

    def pause_node(self, number: int) -> None:
        """Hold one node still."""
        self.nodes[number].pause()

    def resume_node(self, number: int) -> None:
        """Let it go on."""
        self.nodes[number].resume()

    def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition; -1 while none does."""
        return int(self.admin.list_topics(topic, timeout=_ASK_SECONDS).topics[topic].partitions[partition].leader)

    def coordinator(self, group: str) -> int:
        """The node that coordinates a consumer group."""
        asked = self.admin.describe_consumer_groups([group], request_timeout=_ASK_SECONDS)
        return int(asked[group].result(_ASK_SECONDS).coordinator.id)

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create a topic on all nodes and return when every partition has a leader."""
        create_topic(self.admin, NewTopic(name, partitions, REPLICATION, config=dict(config or {})))

    def create_topics(self, *names: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create several alike."""
        for name in names:
            self.create_topic(name, partitions, config)

    def until_whole(self, timeout: float = _SETTLE_SECONDS, *, in_sync: bool = True) -> None:
        """Return when all nodes are in the metadata and, if wanted, every replica has caught up."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.admin.list_topics(timeout=_ASK_SECONDS)
            behind = [
                f"{name}/{number}"
                for name, topic in found.topics.items()
                for number, partition in topic.partitions.items()
                if len(partition.isrs) < len(partition.replicas) or partition.leader < 0
            ]
            if len(found.brokers) == NODES and not (in_sync and behind):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"nodes {sorted(found.brokers)}, replicas behind: {behind[:10]}")
            time.sleep(0.2)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
