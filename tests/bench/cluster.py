"""What the measurements do on the broker beside the worker: fill a topic, look at positions, weigh the changelog."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.settings import Settings
from streams.shell.changelog import PARTITION_KEY
from streams.shell.codec import Codec
from tests.bench.workload import Workload

_QUIET = {"log_level": 0, "log.connection.close": False}
_ANSWER_S = 30.0
_READ_S = 600.0
_RETRY_S = 0.2
_POLL_EVERY = 10_000


def preload(bootstrap: str, topic: str, workload: Workload) -> None:
    """Appends the workload to a usage topic, keyed, compressed, record time = event time.

    Raises RuntimeError when not all of it is stored.
    """
    before = length(bootstrap, topic)
    producer = Producer(
        {
            **_QUIET,
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "enable.idempotence": True,
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    encode = Codec(Settings()).encode
    for number, event in enumerate(workload):
        while True:
            try:
                producer.produce(
                    topic,
                    encode(topics.USAGE, event),
                    key=event["account_id"].encode(),
                    timestamp=event["occurred_at"],
                )
                break
            except BufferError:
                producer.poll(0.1)
        if not number % _POLL_EVERY:
            producer.poll(0)
    left = producer.flush(_READ_S)
    stored = length(bootstrap, topic) - before
    if left or stored != workload.events:
        raise RuntimeError(f"{topic}: {stored} of {workload.events} events were stored")


def length(bootstrap: str, topic: str) -> int:
    """Sum of the end offsets of a topic."""
    return sum(high for _, high in _watermarks(bootstrap, topic))


def committed(bootstrap: str, group: str, topic: str) -> int:
    """Sum of the positions that a group has committed on a topic."""
    admin = AdminClient({**_QUIET, "bootstrap.servers": bootstrap})
    future = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
    found = future.result(_ANSWER_S).topic_partitions or []
    return sum(place.offset for place in found if place.topic == topic and place.offset > 0)


@dataclass(frozen=True, slots=True)
class Weight:
    """The account states on a changelog: records as they lie there, and what is left of the newest of each key."""

    records: int
    size: int
    """Bytes of keys and values of all records."""
    keys: int
    newest_size: int
    """The same of the newest record of each key."""


def weigh(bootstrap: str, topic: str) -> Weight:
    """Reads a changelog to its end. Raises TimeoutError."""
    consumer = Consumer(
        {
            **_QUIET,
            "bootstrap.servers": bootstrap,
            "group.id": "bench-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
        }
    )
    newest: dict[tuple[bytes, int], int] = {}
    records = size = 0
    try:
        ends = {number: high for number, (low, high) in enumerate(_watermarks(bootstrap, topic)) if high > low}
        consumer.assign([TopicPartition(topic, number, 0) for number in ends])
        deadline = time.monotonic() + _READ_S
        while ends:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} could not be read to its end")
            for message in consumer.consume(10_000, 1.0):
                partition, offset = message.partition(), message.offset()
                if message.error() is not None or partition is None or offset is None:
                    raise RuntimeError(f"{topic}: {message.error()}")
                if offset + 1 >= ends.get(partition, 0):
                    ends.pop(partition, None)
                key = message.key() or b""
                if key == PARTITION_KEY:
                    continue
                weight = len(key) + len(message.value() or b"")
                newest[key, partition] = weight
                records += 1
                size += weight
    finally:
        consumer.close()
    return Weight(records, size, len(newest), sum(newest.values()))


def _watermarks(bootstrap: str, topic: str) -> list[tuple[int, int]]:
    """First and end offset of each partition. A topic that was just created may have no leaders yet: waits for them."""
    consumer = Consumer({**_QUIET, "bootstrap.servers": bootstrap, "group.id": "bench-reader"})
    deadline = time.monotonic() + _ANSWER_S
    try:
        while True:
            try:
                return [
                    consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
                    for number in range(_partitions(consumer, topic))
                ]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> int:
    found = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return len(found.partitions)
