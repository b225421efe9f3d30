"""Stock Faust and the worker behind one face: start it, send events, ask what is committed and what is stored."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from streams import topics
from streams.domain.partitioner import partition_of
from streams.shell.failpoints import SWITCH as FAILPOINT
from tests.faults.stock import app as stock
from tests.integration.cluster import Cluster, create_topics
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker
from tests.support.log import START, Entry, Record, fold_log, publish, read_all
from tests.support.worker import WorkerProcess

QUIET = {"log_level": 0, "log.connection.close": False}
EVENT_MS = 60_000


class Running:
    """A process under test; its log goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, begin: int = 0) -> None:
        self.process = process
        self._log = log
        self._begin = begin

    @property
    def output(self) -> str:
        """What it has logged."""
        return self._log.read_bytes()[self._begin :].decode(errors="replace")

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 20.0) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()


class Subject(ABC):
    """One of the two, on a broker.

    Args:
        broker: Where.
        prefix: Before all names.
        directory: For logs.
    """

    fails = ""
    """Fault of `start`: the handler raises at the third event."""
    hangs = ""
    """Fault of `start`: the handler hangs at the third event."""

    def __init__(self, broker: EmbeddedBroker | RealBroker, prefix: str, directory: Path) -> None:
        self.broker = broker
        self.app_id = f"{prefix}app"
        self.prefix = prefix
        self.directory = directory
        self.sent: Counter[str] = Counter()
        """Events by account."""
        self._running: list[Running] = []
        self._create()
        self._group = Consumer({**QUIET, "bootstrap.servers": broker.bootstrap, "group.id": self.app_id})

    # What it is.

    @property
    @abstractmethod
    def source(self) -> str:
        """The input topic."""

    @property
    @abstractmethod
    def changelog(self) -> str:
        """The changelog topic."""

    @abstractmethod
    def names(self) -> list[str]:
        """All other topics."""

    @abstractmethod
    def start(self, fault: str = "") -> Running:
        """A process that has recovered its partitions, or waits for them."""

    @abstractmethod
    def is_ready(self, process: Running) -> bool:
        """True when the process has recovered."""

    @abstractmethod
    def send(self, accounts: list[str]) -> None:
        """One event for each of these."""

    @abstractmethod
    def stored(self) -> dict[str, int]:
        """Events in the stored state, by account, as a fresh start would read it."""

    # What can be asked.

    def committed(self) -> int:
        """Events whose offsets are committed."""
        places = [TopicPartition(self.source, partition) for partition in range(stock.PARTITIONS)]
        return sum(max(0, place.offset) for place in self._group.committed(places, timeout=20))

    @property
    def all_sent(self) -> int:
        """Events so far."""
        return self.sent.total()

    def until(self, condition: Callable[[], bool], timeout: float = 40.0) -> bool:
        """Waits for a condition; False when it did not come."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def ready(self, process: Running, timeout: float = 60.0) -> None:
        """Waits until a process has recovered. Raises TimeoutError."""
        if not self.until(lambda: self.is_ready(process), timeout):
            raise TimeoutError(f"not ready:\n{process.output[-4000:]}")

    def all_committed(self) -> bool:
        """True when everything that was sent is committed."""
        return self.committed() >= self.all_sent

    def lost(self) -> int:
        """Events that are committed, so that nobody reads them again, and not in the stored state."""
        stored = self.stored()
        return sum(max(0, count - stored.get(account, 0)) for account, count in self.sent.items())

    def doubled(self) -> int:
        """Events that count twice in the stored state."""
        stored = self.stored()
        return sum(max(0, stored.get(account, 0) - count) for account, count in self.sent.items())

    def finish(self) -> None:
        """Kills what runs, starts again without a fault, waits until all is committed, and ends it."""
        self.kill_all()
        process = self.start()
        self.ready(process)
        if not self.until(self.all_committed):
            raise TimeoutError(f"committed {self.committed()} of {self.all_sent}:\n{process.output[-4000:]}")
        process.stop()

    def kill_all(self) -> None:
        """Ends every process at once, as a power cut would."""
        for process in self._running:
            if process.alive:
                process.kill()
        self._running.clear()

    def close(self) -> None:
        """Ends everything."""
        self.kill_all()
        self._group.close()

    def _create(self) -> None:
        if isinstance(self.broker, EmbeddedBroker):
            self.broker.touch(*self.names(), self.changelog)
            return
        for name in self.names():
            self.broker.create_topic(name, stock.PARTITIONS)
        self.broker.create_topic(self.changelog, stock.PARTITIONS, {"cleanup.policy": "compact"})

    def _keep(self, process: Running) -> Running:
        self._running.append(process)
        return process


class StockFaust(Subject):
    """A stock Faust application."""

    fails = "raise:3"
    hangs = "hang:3"
    offset_reset = "earliest"

    @property
    def source(self) -> str:
        return f"{self.app_id}-in"

    @property
    def changelog(self) -> str:
        return f"{self.app_id}-accounts-changelog"

    def names(self) -> list[str]:
        return [self.source, f"{self.app_id}-out"]

    def start(self, fault: str = "") -> Running:
        log = self.directory / f"stock-{len(self._running)}-{time.monotonic_ns()}.log"
        environment = {
            "STOCK_APP": self.app_id,
            "STOCK_BROKER": self.broker.faust_url,
            "STOCK_FAULT": fault,
            "STOCK_DIRECTORY": str(self.directory / "stock"),
            "STOCK_OFFSET_RESET": self.offset_reset,
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.stock.app", "worker", "--without-web", "-l", "warn"],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return self._keep(Running(process, log))

    def is_ready(self, process: Running) -> bool:
        return stock.READY in process.output

    def send(self, accounts: list[str]) -> None:
        producer = Producer({**QUIET, "bootstrap.servers": self.broker.bootstrap, "enable.idempotence": True})
        for account in accounts:
            key = account.encode()
            producer.produce(self.source, b"1", key, partition_of(key, stock.PARTITIONS))
        if producer.flush(30):
            raise TimeoutError("not sent")
        self.sent.update(accounts)

    def stored(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for record in read_all(self.broker.bootstrap, self.changelog):
            newest[json.loads(record.key)] = json.loads(record.value)["events"]
        return newest


class OurWorker(Subject):
    """The worker; an event is one of usage."""

    fails = "record:3:raise"
    hangs = "record:3:sleep=3600"

    def __init__(self, broker: EmbeddedBroker | RealBroker, prefix: str, directory: Path) -> None:
        super().__init__(broker, prefix, directory)
        self._log: list[Entry] = []

    @property
    def source(self) -> str:
        return self.prefix + topics.USAGE

    @property
    def changelog(self) -> str:
        return topics.changelog(self.app_id)

    def names(self) -> list[str]:
        return [self.prefix + topic.name for topic in topics.TOPICS]

    def start(self, fault: str = "") -> Running:
        process = WorkerProcess(
            self.directory / f"worker-{time.monotonic_ns()}.log",
            env={FAILPOINT: fault} if fault else None,
            bootstrap_servers=self.broker.bootstrap,
            topic_prefix=self.prefix,
            app_id=self.app_id,
            clock="events",
            checkpoint_interval="500ms",
            stall_timeout="5s",
        )
        return self._keep(Running(process.process, process.log))

    def _create(self) -> None:
        if isinstance(self.broker, EmbeddedBroker):
            super()._create()
        else:
            create_topics(Cluster(self.broker.bootstrap, self.prefix, self.directory))

    def is_ready(self, process: Running) -> bool:
        return bool(re.search("partitions taken over", process.output))

    def send(self, accounts: list[str]) -> None:
        new = []
        for account in accounts:
            number = len(self._log) + len(new)
            at = START + number * EVENT_MS
            event = {
                "event_id": f"e{number}",
                "account_id": account,
                "occurred_at": at,
                "source": "test",
                "metric": "active_users",
                "value": 100.0 + number,
                "unit": "users",
            }
            new.append(Entry(topics.USAGE, account, at, event))
        publish(self.broker.bootstrap, self.prefix, new, stock.PARTITIONS)
        self._log += new
        self.sent.update(accounts)

    def stored(self) -> dict[str, int]:
        """Where state and model agree to the byte, every event is in it exactly once; elsewhere none counts."""
        newest: dict[bytes, Record] = {}
        for record in read_all(self.broker.bootstrap, self.changelog):
            newest[record.key] = record
        model = fold_log(self._log, self.app_id, stock.PARTITIONS).state
        return {
            account: count
            for account, count in self.sent.items()
            if account.encode() in newest and newest[account.encode()].value == model[account.encode()]
        }
