"""Writes and reads single records, for tests that only want to know what is in a topic."""

import time

from confluent_kafka import Consumer, Message, Producer, TopicPartition

_QUIET = {"log_level": 0, "log.connection.close": False}


def produce(bootstrap: str, topic: str, *values: bytes, key: bytes | None = None, compression: str = "none") -> None:
    """Write `values` and return when all are stored."""
    producer = Producer({**_QUIET, "bootstrap.servers": bootstrap, "compression.type": compression, "linger.ms": 20})
    failures: list[str] = []
    for value in values:
        producer.produce(
            topic, value, key=key, on_delivery=lambda error, _: failures.append(str(error)) if error else None
        )
    unsent = producer.flush(30)
    if unsent or failures:
        raise RuntimeError(f"{unsent} records were not sent; errors: {failures}")


def read(bootstrap: str, topic: str, count: int, timeout: float = 30.0) -> list[Message]:
    """The first `count` records of `topic`, partition after partition as they arrive."""
    # Partitions are assigned by hand: no group, so nothing to wait for and nothing left behind.
    consumer = Consumer({**_QUIET, "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=timeout).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[Message] = []
        deadline = time.monotonic() + timeout
        while len(found) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{topic}: {len(found)} of {count} records in {timeout} s")
            message = consumer.poll(min(left, 0.5))
            if message is not None and message.error() is None:
                found.append(message)
        return found
    finally:
        consumer.close()
