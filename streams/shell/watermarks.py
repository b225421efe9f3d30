"""Where a log begins and ends, asked until the broker answers: a topic that was just created has no leader yet."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

_AGAIN_S = 0.2


def watermarks(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """First offset, and the offset behind the last record. Blocks; raises KafkaException after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=max(0.1, deadline - time.monotonic()))
        except KafkaException:
            if time.monotonic() + _AGAIN_S > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return low, high
