"""A Kafka-compatible broker inside this process, for the demo and the fast tests.

It is librdkafka's mock cluster, which the Kafka client already carries: a real network server on the loopback
interface, without Java, Docker or files. It keeps everything in memory and is no proof of delivery: it has no
CreateTopics, no compaction and no transactional offset commits, and each partition silently drops its oldest
records beyond 5 MiB as sent.
"""

import threading
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer

PARTITIONS = 4
"""Every topic has this many partitions; the mock cluster offers no other number."""

_ANSWER_SECONDS = 10.0


class EmbeddedBroker:
    """Runs from construction until `close`.

    Args:
        brokers: How many brokers answer.
    """

    def __init__(self, *, brokers: int = 1) -> None:
        # The cluster lives exactly as long as this client object, so the object is kept although it produces nothing.
        self._owner: Producer | None = Producer(
            {
                # Replaced by the cluster's own address; an unusable one makes a mistake here fail instead of connect.
                "bootstrap.servers": "127.0.0.1:1",
                "test.mock.num.brokers": brokers,
                # Its connections come and go by design; the lines would read like faults.
                "log_level": 0,
                "log.connection.close": False,
            },
        )
        self._lock = threading.Lock()
        found = self._owner.list_topics(timeout=_ANSWER_SECONDS).brokers.values()
        self.bootstrap = ",".join(sorted(f"{broker.host}:{broker.port}" for broker in found))
        """Addresses for `bootstrap.servers`."""

    @property
    def faust_url(self) -> str:
        """The same addresses in the form that Faust expects."""
        return ";".join(f"kafka://{address}" for address in self.bootstrap.split(","))

    def touch(self, *topics: str) -> None:
        """Create topics that do not exist yet.

        The broker creates a topic when a client asks about it, but a worker that subscribes first would see an
        unknown topic and wait, so topics are touched before it starts.
        """
        with self._lock:
            if self._owner is None:
                raise RuntimeError("the embedded broker is closed")
            for topic in topics:
                found = self._owner.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
                if found.error is not None:
                    raise KafkaException(found.error)

    def close(self) -> None:
        """Stop answering and forget every record."""
        with self._lock:
            if self._owner is not None:
                self._owner.close()
                self._owner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
