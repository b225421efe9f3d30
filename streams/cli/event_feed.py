"""Sends simulated events to Kafka and counts what the broker has acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams import topics
from streams.cli.refused import Refused
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.connection import ONE_IN_FLIGHT, producing
from streams.simulation.agenda import Dated
from streams.simulation.events import Event

_FLUSH_SECONDS = 40.0
_WAIT_SECONDS = 0.5


class FeedError(Refused):
    """Events could not be sent; the message says why."""


class EventFeed:
    """A producer of input events: key = account id, record time = the event's simulated time."""

    def __init__(self, settings: Settings) -> None:
        self.acknowledged: Counter[str] = Counter()
        """Records that the broker has stored, by logical topic."""
        self.ends: dict[tuple[str, int], int] = {}
        """Offset after the last stored record, by logical topic and partition."""
        self._settings = settings
        self._codec = Codec(settings)
        self._logical = {settings.topic(name): name for name in topics.BY_NAME}
        self._failure: KafkaError | None = None
        self._producer = Producer(
            {
                **producing(settings),
                **ONE_IN_FLIGHT,
                "client.id": f"{settings.app_id}-simulation",
                "linger.ms": 5,
                "message.timeout.ms": round(1000 * (_FLUSH_SECONDS - 5)),
                "log_level": 0,
                "log.connection.close": False,
            }
        )

    def send(self, batch: Iterable[Dated]) -> None:
        """Hands events over, in order. They are stored when `flush` has returned.

        Raises FeedError when one cannot be taken.
        """
        for at, topic, event in batch:
            self._produce(topic, event["account_id"].encode(), event, at)

    def send_control(self, event: Event, partitions: int) -> None:
        """One copy of a control event for each partition, at its own time."""
        for partition in range(partitions):
            self._produce(topics.CONTROL, b"control", event, event["at"], partition)

    def flush(self) -> None:
        """Returns when everything is acknowledged. Raises FeedError when something is not."""
        left = self._producer.flush(_FLUSH_SECONDS)
        if self._failure is not None:
            raise FeedError(f"the broker did not take an event: {self._failure.str()}")
        if left:
            raise FeedError(f"{left} events were not acknowledged within {_FLUSH_SECONDS:.0f} s")

    def close(self) -> None:
        """Forgets what is still waiting, and leaves."""
        self._producer.purge()
        self._producer.flush(_WAIT_SECONDS)
        self._codec.close()

    def _produce(self, topic: str, key: bytes, event: Event, at: int, partition: int = -1) -> None:
        value = self._codec.encode(topic, event)
        name = self._settings.topic(topic)
        while True:
            try:
                self._producer.produce(name, value, key, partition=partition, timestamp=at, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(_WAIT_SECONDS)
            except KafkaException as error:
                raise FeedError(f"an event for topic {name} could not be sent: {error}") from error
            else:
                break
        self._producer.poll(0)
        if self._failure is not None:
            raise FeedError(f"the broker did not take an event: {self._failure.str()}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or error
            return
        topic = self._logical[message.topic() or ""]
        self.acknowledged[topic] += 1
        place = (topic, message.partition() or 0)
        self.ends[place] = max(self.ends.get(place, 0), (message.offset() or 0) + 1)
