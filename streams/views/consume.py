"""Reads the output topics as any consumer may: every partition from its beginning, no group, nothing committed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams import topics
from streams.settings import Settings
from streams.shell.acls import readers
from streams.shell.codec import Codec
from streams.shell.connection import librdkafka
from streams.shell.failure import Cure, cure
from streams.shell.frames import BadRecord
from streams.shell.registry import RegistryUnavailable
from streams.views.view import View

_BATCH = 500
_METADATA_SECONDS = 10.0
_ATTEMPT_SECONDS = 1.0
_SILENCE_SECONDS = 30.0
_RIGHTS = "`backontrack acls --for board` prints the rights that are needed"


class OutputsUnavailable(Exception):  # noqa: N818  it names a state, and is caught by that name
    """The output topics cannot be read; the message says why and what to do."""


class OutputRecord(NamedTuple):
    """A decoded record: logical topic, its place, the account (the key), and None as record for a tombstone."""

    topic: str
    partition: int
    offset: int
    account_id: str
    record: dict[str, Any] | None


class OutputReader:
    """A consumer of the output topics. `open`, then `poll` again and again, then `close`.

    Args:
        settings: Where, and how records are framed.
        wanted: Logical topics.
        account_id: Only the records of this account are decoded and returned.
        fetch_wait_ms: How long a broker may hold a request back while it has no news.
    """

    def __init__(
        self,
        settings: Settings,
        wanted: Iterable[str] = topics.OUTPUTS,
        account_id: str | None = None,
        *,
        fetch_wait_ms: int = 500,
    ) -> None:
        self.settings = settings
        self.newest_at = 0
        """Largest record time seen, in ms, that of records of other accounts included: the stream time."""
        self.caught_up = False
        """True once every partition was read to what was its end at that moment."""
        self.unreadable = 0
        """Records that could not be decoded and were left out."""
        self.trouble: str | None = None
        """Newest problem with the connection; None after a record or an end of partition has come again.

        A right that is missing stays one until its topic can be read.
        """
        self._codec = Codec(settings)
        self._fetch_wait_ms = fetch_wait_ms
        self._key = None if account_id is None else account_id.encode()
        self._logical = {settings.topic(name): name for name in wanted}
        self._behind: set[tuple[str, int]] = set()
        self._consumer: Consumer | None = None
        self._heard_at = 0.0
        self._denied: dict[str, str] = {}
        # What to tell of topics that may not be read.
        self._given_up = False

    def open(self) -> None:
        """Connects and assigns every partition from its beginning.

        Raises OutputsUnavailable when no broker answers or a topic does not exist.
        """
        consumer = Consumer(
            {
                **librdkafka(self.settings),
                # Required by the client, used for nothing: partitions are assigned by hand, offsets never committed.
                "group.id": readers(self.settings),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": self._fetch_wait_ms,
                "isolation.level": "read_committed",
                # What goes wrong is reported by `trouble`, once, and not by lines on the terminal.
                "log_level": 0,
                "log.connection.close": False,
                "error_cb": self._on_error,
            },
        )
        try:
            found = self._topics(consumer)
        except OutputsUnavailable:
            consumer.close()
            raise
        places = [(name, partition) for name in self._logical for partition in found[name].partitions]
        self._behind = set(places)
        self.caught_up = False
        # From the first record that there is, not from offset 0, which retention may have removed.
        consumer.assign([TopicPartition(name, partition, -2) for name, partition in places])
        self._consumer = consumer
        self._denied.clear()
        self.trouble = None
        self._heard_at = time.monotonic()

    def _topics(self, consumer: Consumer) -> dict[str, Any]:
        deadline = time.monotonic() + _METADATA_SECONDS
        while True:
            try:
                found: dict[str, Any] = consumer.list_topics(timeout=_ATTEMPT_SECONDS).topics
                break
            except KafkaException as error:
                if time.monotonic() < deadline and not self._given_up:
                    continue
                raise OutputsUnavailable(
                    f"no answer from Kafka at {self.settings.bootstrap_servers} ({error.args[0].str()}); "
                    "is it running, and is BACKONTRACK_BOOTSTRAP_SERVERS right?"
                ) from None
        missing = sorted(name for name in self._logical if name not in found or found[name].error is not None)
        if missing:
            raise OutputsUnavailable(
                f"missing topics at {self.settings.bootstrap_servers}: {', '.join(missing)}; "
                "create them with `backontrack topics create`, or check BACKONTRACK_TOPIC_PREFIX. They are missing for "
                f"users who may not see them, too: {_RIGHTS}"
            )
        return found

    def give_up(self) -> None:
        """Makes an `open` that still waits in another thread end soon; the only method that another thread may call."""
        self._given_up = True

    def poll(self, timeout: float) -> list[OutputRecord]:
        """Records that have come, at most some hundred; empty after `timeout` seconds without any.

        Raises OutputsUnavailable when a schema registry is needed and does not answer; then `close`, and start anew.
        """
        if self._consumer is None:
            raise RuntimeError("open() comes first")
        records = []
        heard = False
        for message in self._consumer.consume(_BATCH, timeout):
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                self._on_message_error(error, message.topic() or "")
                continue
            heard = True
            if self.trouble is not None:
                self._on_good_news(message.topic() or "")
            if error is not None:
                self._behind.discard((message.topic() or "", message.partition() or 0))
                self.caught_up = not self._behind
            elif (record := self._decode(message)) is not None:
                records.append(record)
        if heard:
            self._heard_at = time.monotonic()
        return records

    def insist(self) -> None:
        """For whoever waits for the end: raises OutputsUnavailable when it does not come.

        Because a right is missing, or because nothing has come for half a minute.
        """
        for reason in self._denied.values():
            raise OutputsUnavailable(reason)
        silent = time.monotonic() - self._heard_at
        if silent > _SILENCE_SECONDS and not self.caught_up:
            why = f": {self.trouble}" if self.trouble else ""
            raise OutputsUnavailable(
                f"nothing came from Kafka at {self.settings.bootstrap_servers} for {silent:.0f} s{why}"
            )

    def close(self) -> None:
        """Leaves; harmless when repeated."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.close()
        self._codec.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self, message: Message) -> OutputRecord | None:
        topic = self._logical[message.topic() or ""]
        key, value = message.key(), message.value()
        kind, at = message.timestamp()
        if kind == TIMESTAMP_CREATE_TIME:
            self.newest_at = max(self.newest_at, at)
        if self._key is not None and key != self._key:
            return None
        try:
            account_id = (key or b"").decode()
            record = None if value is None else self._codec.decode(topic, value)
        except (BadRecord, UnicodeDecodeError):
            self.unreadable += 1
            return None
        except RegistryUnavailable as error:
            raise OutputsUnavailable(f"the schema registry does not answer: {error}") from error
        return OutputRecord(topic, message.partition() or 0, message.offset() or 0, account_id, record)

    def _on_message_error(self, error: KafkaError, topic: str) -> None:
        if cure(error) is Cure.RIGHT:
            what = f"topic {topic}" if topic else "the output topics"
            self.trouble = self._denied[topic] = f"{what} cannot be read: {error.str()}; {_RIGHTS}"
        else:
            self.trouble = error.str()

    def _on_good_news(self, topic: str) -> None:
        for name in (topic, ""):
            self._denied.pop(name, None)
        self.trouble = next(iter(self._denied.values()), None)

    def _on_error(self, error: KafkaError) -> None:
        self.trouble = error.str()


def read_to_end(settings: Settings, *, account_id: str | None = None, idle: float = 1.0) -> View:
    """Everything that lies in the output topics now, or only what is about one account.

    Raises OutputsUnavailable when they cannot be read, or when the broker falls silent before their ends.
    """
    view = View()
    with OutputReader(settings, account_id=account_id) as reader:
        while not reader.caught_up:
            for record in reader.poll(idle):
                view.apply(record.topic, record.account_id, record.record)
            reader.insist()
        view.move(reader.newest_at)
    return view
