"""Where a log begins and ends, asked of whoever leads the partition now.

librdkafka asks the leader that it has learnt of, and learns of another one only when it consumes the partition: a
client that does nothing but ask would ask a node that is gone for ever.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streams.shell.failure import Cure, cure

_AGAIN_S = 0.2
_SHARE = 0.4
"""Of the time allowed, waited for one answer: enough is left to look for the new leader and to ask it."""


def watermarks(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """First offset, and the offset behind the last record. Blocks.

    Asks again until it gets an answer: a topic that was just created has no leader yet. Raises KafkaException after
    `timeout_s`, and at once for what waiting does not heal.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=timeout_s * _SHARE)
        except KafkaException as error:
            left = deadline - time.monotonic()
            if left < _AGAIN_S or cure(error.args[0]) not in {Cure.TIME, Cure.TOPIC}:
                raise
            learn_leaders(consumer, [place.topic], left)
            time.sleep(_AGAIN_S)
        else:
            return low, high


def learn_leaders(client: Consumer | Producer, topics: Iterable[str], timeout_s: float) -> None:
    """Makes a client ask the brokers who leads the partitions of topics; it keeps what it knows when nobody answers."""
    deadline = time.monotonic() + timeout_s
    for topic in topics:
        with contextlib.suppress(KafkaException):
            client.list_topics(topic, timeout=max(0.1, deadline - time.monotonic()))
