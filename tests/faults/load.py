"""Sends a history to the brokers at a rate, and keeps the ledger of what they acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from streams import topics
from streams.domain.partitioner import partition_of
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.simulation import events
from streams.simulation.chance import stream
from streams.simulation.responders import BADLY, HONEST_NO, WELL, answer
from tests.faults.generator import NOWHERE, WARM_DAYS, History, Ledger, Line, Sent, digest
from tests.support.stored import QUIET

INPUTS = tuple(name for name in topics.RANKS if name != topics.CONTROL)


class Load:
    """Sends a history at a rate from a thread of its own, through an idempotent producer that never gives up.

    Args:
        bootstrap: The brokers.
        prefix: Before topic names.
        partitions: Of the account topics.
        history: What is sent.
        ledger: Gets what is acknowledged.
        rate: Records a second; may be changed while it runs.
        seconds: Ends by itself after so long; None: when stopped.
        only: The topics that are sent.
        warm_days: Days of history that go ahead at once.
    """

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        partitions: int,
        history: History,
        ledger: Ledger,
        rate: float = 300,
        seconds: float | None = None,
        only: Collection[str] = INPUTS,
        warm_days: int = WARM_DAYS,
    ) -> None:
        self.rate = rate
        self.history = history
        self.ledger = ledger
        self.error: BaseException | None = None
        self._bootstrap, self._prefix, self._partitions = bootstrap, prefix, partitions
        self._seconds, self._only, self._warm_days = seconds, frozenset(only), warm_days
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._handed = 0
        self._producer = Producer(
            {
                **QUIET,
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                # Brokers up to 4.3 take any first number of a producer for a partition that they do not know it in
                # (KAFKA-15591). While one opens a new partition it may refuse a batch and take the next; the client
                # then takes the first for stored and acknowledges it, and it is not in the log.
                "max.in.flight.requests.per.connection": 1,
                "acks": "all",
                "linger.ms": 10,
                "message.timeout.ms": 0,
                "reconnect.backoff.max.ms": 500,
                "message.max.bytes": 8 << 20,
                "queue.buffering.max.messages": 2_000_000,
            }
        )
        self._answered: set[tuple[str, int]] = set()
        self._codec = Codec(Settings())

    @property
    def sent(self) -> int:
        """Records acknowledged so far, through this load's ledger."""
        return len(self.ledger.lines)

    @property
    def running(self) -> bool:
        """True until it has ended by itself or was stopped."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Load:
        """Sends the warm-up and begins."""
        self.send(self.history.days(self._warm_days) if self._warm_days else ())
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()
        return self

    def stop(self, timeout: float = 120.0) -> None:
        """Ends the sending; returns when everything is acknowledged. Raises TimeoutError."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
        self.flush(timeout)
        if self.error is not None:
            raise self.error

    def flush(self, timeout: float = 120.0) -> None:
        """Waits until everything is acknowledged. Raises TimeoutError."""
        left = self._producer.flush(timeout)
        if left:
            self.ledger.unacknowledged += left
            raise TimeoutError(f"{left} records of the load are not acknowledged after {timeout:.0f} s")

    def send(self, records: Iterable[Sent]) -> int:
        """Hands records to the producer; returns how many."""
        handed = 0
        for record in records:
            if record.topic in self._only or record.topic == topics.CONTROL:
                self._produce(record)
                handed += 1
        return handed

    def tick(self, at: int) -> None:
        """Lets simulated time pass in all partitions."""
        value = self._codec.encode(topics.CONTROL, {"kind": "tick", "at": at, "source": "test"})
        for partition in range(self._partitions):
            self._produce(Sent(topics.CONTROL, b"control", value, at), partition)
        self.flush()

    def _produce(self, record: Sent, partition: int | None = None) -> None:
        if partition is None:
            partition = partition_of(record.key or b"", self._partitions)

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.ledger.unacknowledged += 1
                return
            offset = message.offset()
            self.ledger.lines.append(
                Line(
                    record.topic,
                    message.partition() or 0,
                    NOWHERE if offset is None else offset,
                    record.time,
                    digest(record.key, record.value),
                    record.poison,
                )
            )

        while True:
            try:
                self._producer.produce(
                    self._prefix + record.topic,
                    record.value,
                    record.key,
                    partition,
                    on_delivery=delivered,
                    timestamp=record.time,
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._handed += 1
        if self._handed % 200 == 0:
            self._producer.poll(0)

    def _run(self) -> None:
        reader = self._reader() if self.history.mix.responses and topics.RESPONSES in self._only else None
        try:
            began = last = time.monotonic()
            due = 0.0
            while not self._stop.is_set():
                now = time.monotonic()
                if self._seconds is not None and now - began >= self._seconds:
                    break
                due += (now - last) * self.rate
                last = now
                if due >= 1:
                    self.send(self.history.take(int(due)))
                    due -= int(due)
                self._producer.poll(0)
                if reader is not None:
                    self._respond(reader)
                self._stop.wait(0.05)
            self._producer.flush(60)
        except BaseException as error:  # noqa: BLE001  told by `stop`
            self.error = error
        finally:
            if reader is not None:
                reader.close()

    def _reader(self) -> Consumer:
        reader = Consumer(
            {
                **QUIET,
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._prefix}load",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        name = self._prefix + topics.INTERVENTIONS
        reader.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in range(self._partitions)])
        return reader

    def _respond(self, reader: Consumer) -> None:
        """Answers new interventions as people would: some well, some badly, some honestly, some not at all."""
        for message in reader.consume(200, 0.0):
            if message.error() is not None:
                continue
            record = self._codec.decode(topics.INTERVENTIONS, message.value())
            name = (record["intervention_id"], record["seq"])
            if name in self._answered:
                continue
            self._answered.add(name)
            rng = stream(0, *name)
            kind = rng.choice((WELL, WELL, BADLY, HONEST_NO, ""))
            if not kind:
                continue
            for number, reply in enumerate(answer(kind, record, rng)):
                event_id = f"{name[0]}:{name[1]}:{number}"
                account_id = record["account_id"]
                event = events.response(account_id, event_id, reply.at, name[0], reply.change, **reply.fields)
                self.history.respond(topics.RESPONSES, event, reply.at)
