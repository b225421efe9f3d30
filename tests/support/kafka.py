"""A real Apache Kafka, one node, without Docker.

`python -m tests.support.kafka --port 19092` runs one until Ctrl-C, for development and measurements.
"""

import argparse
import atexit
import base64
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.kafka_jars import KAFKA_VERSION, classpath, unavailable_reason

__all__ = ["KAFKA_VERSION", "RealBroker", "unavailable_reason"]

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_TOPIC_SECONDS = 30.0

Properties = dict[str, str]
"""Lines of server.properties."""

_LOGGING = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c - %m%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
"""


class RealBroker:
    """Runs from `start` to `close`; also a context manager.

    Args:
        directory: Holds the data, the settings and `broker.log`, and stays. Without one, a temporary directory is
            used and removed.
        port: Where clients connect; the next port is the controller's. Without one, a free pair is chosen.
        proxied: Port of a proxy on this machine that is to stand between the broker and some of its clients. The
            broker listens on `behind_proxy` for it, and sends clients that came this way back to the proxy. Clients
            of `bootstrap` never meet the proxy.
        properties: Lines of server.properties that are added, or replace those chosen here.
        heap_mb: Largest heap of the JVM.
    """

    def __init__(
        self,
        directory: Path | None = None,
        port: int | None = None,
        *,
        proxied: int | None = None,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = 512,
    ) -> None:
        self._temporary = directory is None
        self.directory = (directory or Path(tempfile.mkdtemp(prefix="backontrack-kafka-"))).absolute()
        self.port = port or free_port_pair()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.behind_proxy = free_port_pair() if proxied is not None else None
        """Where the proxy has to connect to; None without a proxy."""
        self.log = self.directory / "broker.log"
        self._heap_mb = heap_mb
        self._proxied = proxied
        self._given = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: AdminClient | None = None

    @property
    def pid(self) -> int:
        """The process, for faults such as SIGSTOP."""
        if self._process is None:
            raise RuntimeError("the broker is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process was started and not ended."""
        return self._process is not None

    @property
    def faust_url(self) -> str:
        """The same address in the form that Faust expects."""
        return f"kafka://{self.bootstrap}"

    @property
    def admin(self) -> AdminClient:
        """A client for administration, kept open."""
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return self._admin

    def start(self) -> None:
        """Start the process and return when it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the process."""
        if self._process is not None:
            raise RuntimeError("the broker is running already")
        settings = self._settings()
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(settings)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("-Xms128m", f"-Xmx{self._heap_mb}m", "kafka.Kafka", str(settings)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the test run, which then stops the broker in order.
                start_new_session=True,
            )
        atexit.register(self.kill)

    def stop(self) -> None:
        """Shut down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Hold the process still (SIGSTOP): its connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Start again, after an orderly stop unless it was killed, with the same data and address."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove what is temporary."""
        self.stop()
        self._admin = None
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and return when every partition has a leader."""
        create_topic(self.admin, NewTopic(name, partitions, 1, config=dict(config or {})))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _settings(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
        settings = self.directory / "server.properties"
        lines = {**self._properties(), **self._given}
        settings.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")
        return settings

    def _properties(self) -> Properties:
        controller = f"127.0.0.1:{self.port + 1}"
        listeners = f"PLAINTEXT://{self.bootstrap}"
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"
        advertised = listeners
        if self.behind_proxy is not None:
            listeners += f",PROXIED://127.0.0.1:{self.behind_proxy}"
            advertised += f",PROXIED://127.0.0.1:{self._proxied}"
            protocols += ",PROXIED:PLAINTEXT"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": controller,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://{controller}",
            "advertised.listeners": advertised,
            "listener.security.protocol.map": protocols,
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # After a kill, a start waits until the dead process's session is over.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "1000",
        }

    def _format(self, settings: Path) -> None:
        with self.log.open("ab") as log:
            subprocess.run(
                self._java(
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "kafka.tools.StorageTool",
                    *("format", *self._format_options(), "-c", str(settings)),
                ),
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _format_options(self) -> tuple[str, ...]:
        return ("--standalone", "-t", new_cluster_id())

    def _java(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"
        return ["java", "-cp", classpath(), logging, *arguments]

    def wait(self) -> None:
        """Return when the process answers."""
        process = self._process
        if process is None:
            raise RuntimeError("the broker is not running")
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._process = None
                raise RuntimeError(f"Kafka ended with {process.returncode}:\n{self._log_tail()}")
            with contextlib.suppress(KafkaException):
                if client.list_topics(timeout=0.5).brokers:
                    return
        self.kill()
        raise TimeoutError(f"Kafka does not answer:\n{self._log_tail()}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.kill)
        process.send_signal(how)
        if how is not signal.SIGKILL:
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])


def new_cluster_id() -> str:
    """Kafka's form of a cluster id: the 22 characters of a random UUID."""
    # A leading dash would read as an option.
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def create_topic(admin: AdminClient, topic: NewTopic) -> None:
    """Create a topic and return when every partition has a leader."""
    admin.create_topics([topic])[topic.topic].result(_TOPIC_SECONDS)
    deadline = time.monotonic() + _TOPIC_SECONDS
    while time.monotonic() < deadline:
        found = admin.list_topics(topic.topic, timeout=_TOPIC_SECONDS).topics[topic.topic].partitions.values()
        if len(found) == topic.num_partitions and all(partition.leader >= 0 for partition in found):
            return
        time.sleep(0.05)
    raise TimeoutError(f"topic {topic.topic} has no leaders")


def free_port_pair() -> int:
    """A port that is free together with the next one."""
    # Below the range from which the system numbers outgoing connections, so that none takes the port before the
    # broker binds it, nor while it is down for a restart.
    for port in random.sample(range(20_000, 32_000, 2), 200):
        if all(_is_free(candidate) for candidate in (port, port + 1)):
            return port
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def main() -> None:
    """Run a broker in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.kafka", description=f"Apache Kafka {KAFKA_VERSION}")
    parser.add_argument("--port", type=int, default=19092, help="clients connect here; the next port is used as well")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep data and log here; temporary without it")
    arguments = parser.parse_args()
    if reason := unavailable_reason():
        parser.error(reason)
    # A service manager's stop is as orderly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), RealBroker(arguments.data, arguments.port) as broker:
        print(f"{broker.bootstrap}  (log: {broker.log}; Ctrl-C stops)", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
