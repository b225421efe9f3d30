"""Everything a worker writes goes through here: nothing counts as sent before the broker has acknowledged it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.settings import Settings
from streams.shell.admin import LARGEST_RECORD
from streams.shell.connection import librdkafka
from streams.shell.failure import Unrecoverable

Headers = Mapping[str, bytes] | list[tuple[str, bytes | None]]

ANY_PARTITION = -1
"""Lets the key choose, by murmur2 as all Kafka clients for Java do."""
NOW = 0
"""As a timestamp: the moment of sending."""
_YIELD_EVERY = 500


class Outgoing(NamedTuple):
    """A record to be written. `timestamp` in ms; `topic` is the name on the broker."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = ANY_PARTITION
    headers: Headers | None = None
    timestamp: int = NOW


class Sender:
    """An idempotent producer with acks=all, used from the event loop without blocking it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._timeout_s = settings.delivery_timeout / 1000
        self._errors: list[KafkaError] = []
        self._waiter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="producer")

    @cached_property
    def _producer(self) -> Producer:
        # Made when it is first used: before the checks of the start, it would fill the log about a broker that is away.
        return Producer(
            {
                **librdkafka(self._settings),
                "client.id": f"{self._settings.app_id}-worker",
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.timeout.ms": self._settings.delivery_timeout,
                # As the changelog and the dead letters take: a partition state holds the dead letters that wait in it.
                "message.max.bytes": max(LARGEST_RECORD, self._settings.max_record_bytes + 65_536),
                "queue.buffering.max.messages": 500_000,
                # Success is known from an empty queue after a flush; a report for each record would cost more than
                # sending it.
                "delivery.report.only.error": True,
                "on_delivery": self._report,
                "log_level": 4,
            }
        )

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._errors.append(error)

    async def send(self, records: Iterable[Outgoing]) -> int:
        """Hands records to the producer, in order; returns how many. They are not stored before `flush` returns."""
        produce: Any = self._producer.produce  # its stubs take a dict of wider values only
        count = 0
        for topic, key, value, partition, headers, timestamp in records:
            while True:
                try:
                    produce(topic, value, key, partition, timestamp=timestamp, headers=headers)
                except BufferError:
                    await self.flush()
                except KafkaException as error:
                    raise Unrecoverable(f"a record for topic {topic} could not be sent: {error}") from error
                else:
                    break
            count += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return count

    async def flush(self) -> None:
        """Returns when all that was handed over is acknowledged. Raises Unrecoverable when something is not."""
        loop = asyncio.get_running_loop()
        left = await loop.run_in_executor(self._waiter, self._producer.flush, self._timeout_s + 1)
        if self._errors:
            raise Unrecoverable(
                f"the broker did not take a record: {self._errors[0].str()}. Nothing was committed past it; check that "
                "the broker is reachable and that `backontrack topics check` finds no difference, then start again"
            )
        if left:
            raise Unrecoverable(f"{left} records were not acknowledged within {self._timeout_s:.0f} s")

    def close(self) -> None:
        """Ends the waiting thread."""
        self._waiter.shutdown(wait=False, cancel_futures=True)
