"""One application on the brokers: its names, its topics, how far it is, and everything that lies there."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams import topics
from streams.settings import Settings
from streams.shell.admin import LARGEST_RECORD, Admin
from streams.shell.changelog import PARTITION_KEY, epoch_of
from streams.shell.state_codec import decode_partition
from streams.shell.watermarks import watermarks
from tests.faults.brokers import Tier
from tests.faults.logs import Logs, committed_offsets
from tests.faults.verifier import DECISIONS
from tests.support.stored import read_topic, reader

PARTITIONS = 4
_KEEP_ALL = str((1 << 63) - 1)


class Application:
    """Topics of one application.

    Args:
        broker: Has `bootstrap`.
        tier: Decides replication.
        prefix: Before topic names.
    """

    def __init__(self, broker: Any, tier: Tier, prefix: str) -> None:
        self.broker, self.tier, self.prefix = broker, tier, prefix
        self.app_id = f"{prefix}app"
        self.partitions = PARTITIONS
        self.answer_s = 10.0
        """Longest wait for an answer about the ends of a log."""
        self._created = False
        self._group: Consumer | None = None

    @property
    def bootstrap(self) -> str:
        """The brokers' address."""
        return str(self.broker.bootstrap)

    def topic(self, name: str) -> str:
        """Name on the brokers of a logical topic."""
        return self.prefix + name

    @property
    def changelog(self) -> str:
        """Name of the changelog on the brokers."""
        return topics.changelog(self.app_id)

    def create_topics(self, **changelog: str) -> None:
        """Creates all topics; nothing of the changelog is compacted away before it was verified.

        `changelog` are configurations of that topic, with _ for the dots of their names.
        """
        self._created = True
        if self.tier is Tier.EMBEDDED:
            self.broker.touch(*(self.topic(topic.name) for topic in topics.TOPICS), self.changelog)
            return
        replication = 3 if self.tier is Tier.THREE else 1
        config = {
            "cleanup.policy": "compact",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": str(LARGEST_RECORD),
            "min.compaction.lag.ms": _KEEP_ALL,
            **{name.replace("_", "."): value for name, value in changelog.items()},
        }
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        new = NewTopic(self.changelog, num_partitions=self.partitions, replication_factor=replication, config=config)
        admin.create_topics([new])[self.changelog].result(60)
        Admin(
            Settings(
                bootstrap_servers=self.bootstrap,
                topic_prefix=self.prefix,
                app_id=self.app_id,
                partitions=self.partitions,
                replication_factor=replication,
            )
        ).create()

    def ends(self, topic: str) -> dict[int, int]:
        """End offset of each partition of a topic, by its name on the brokers. Raises KafkaException."""
        reader = self._reader()
        return {
            partition: watermarks(reader, TopicPartition(topic, partition), self.answer_s)[1]
            for partition in range(self.partitions)
        }

    def committed(self) -> dict[tuple[str, int], int]:
        """The group's next offsets by logical topic and partition. Raises KafkaException."""
        return committed_offsets(self._reader(), self.prefix, self.partitions)

    def lag(self) -> int:
        """Records in the input topics beyond the committed offsets. Raises KafkaException."""
        committed = self.committed()
        return sum(
            max(0, end - committed.get((name, partition), 0))
            for name in topics.RANKS
            for partition, end in self.ends(self.topic(name)).items()
        )

    def stored_offsets(self) -> dict[tuple[str, int], int]:
        """Next offsets by the newest stored partition states, by logical topic and partition."""
        newest: dict[int, tuple[int, bytes]] = {}
        for record in read_topic(self.bootstrap, self.changelog):
            epoch = epoch_of(record.headers)
            if record.key == PARTITION_KEY and record.value and epoch >= newest.get(record.partition, (0, b""))[0]:
                newest[record.partition] = (epoch, record.value)
        return {
            (topic, partition): offset + 1
            for partition, (_, value) in newest.items()
            for topic, offset in decode_partition(value).applied.items()
        }

    def read(self) -> Logs:
        """Everything that lies on the brokers."""
        logs = Logs(self.partitions, self.prefix, self.app_id)
        for name in topics.RANKS:
            logs.inputs[name] = read_topic(self.bootstrap, self.topic(name))
        for name in (*DECISIONS, topics.HEALTH, topics.DEAD_LETTERS):
            logs.outputs[name] = read_topic(self.bootstrap, self.topic(name))
        logs.changelog = read_topic(self.bootstrap, self.changelog)
        logs.committed = self.committed()
        return logs

    def _reader(self) -> Consumer:
        if self._group is None:
            self._group = reader(self.bootstrap, self.app_id)
        return self._group

    def close(self) -> None:
        """Ends the connection."""
        if self._group is not None:
            self._group.close()
            self._group = None
