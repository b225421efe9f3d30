"""Topics on the broker: as declared in `streams/topics.py`, created by command, checked before work starts.

Workers never create topics: one that is misspelt, or has the wrong number of partitions, would be used for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from streams import topics
from streams.settings import Settings
from streams.shell.acls import TOPICS, Denied, Right, rights
from streams.shell.connection import librdkafka
from streams.shell.credentials import refuse_remote

TIMEOUT_S = 15.0
"""Longest wait for an answer of the broker."""
COMPACTION_LAG_MS = 3_600_000
"""Age at which records of the changelog may be compacted."""
LARGEST_RECORD = 16 * 1_048_576
"""Bytes of the largest record that holds other records: a dead letter, or a state with its outbox."""


class BrokerUnreachable(Exception):  # noqa: N818  says what happened
    """No broker answers. The message names the address and the setting."""


class Unadministered(Exception):  # noqa: N818  says what the broker is
    """The broker has no administration interface."""


@dataclass(frozen=True, slots=True)
class Declared:
    """How a topic is to be on the broker."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str] = field(default_factory=dict)
    account_keyed: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that is not as declared, and what to do about it."""

    topic: str
    what: str
    declared: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, needed {self.declared}: {self.fix}"


def declared(settings: Settings) -> list[Declared]:
    """All topics of an application, the changelog included, with their names on the broker."""
    made = []
    for topic in topics.TOPICS:
        config = {"cleanup.policy": "compact" if topic.compacted else "delete", "message.timestamp.type": "CreateTime"}
        if not topic.compacted:
            # Record time of imported history is old: any limit would delete it as soon as it is written.
            config |= {"retention.ms": "-1", "retention.bytes": "-1"}
        if topic.name == topics.DEAD_LETTERS:
            config["max.message.bytes"] = str(LARGEST_RECORD)
        partitions = settings.partitions if topic.partitioned else 1
        name = settings.topic(topic.name)
        made.append(Declared(name, partitions, settings.replication_factor, config, topic.partitioned))
    compact = {
        "cleanup.policy": "compact",
        "message.timestamp.type": "CreateTime",
        "max.message.bytes": str(LARGEST_RECORD),
        # Compaction keeps the newest record of a key, even one of a worker that had lost the partition. Until then its
        # owner has long found it and stored its own again.
        "min.compaction.lag.ms": str(COMPACTION_LAG_MS),
    }
    name = topics.changelog(settings.app_id)
    made.append(Declared(name, settings.partitions, settings.replication_factor, compact))
    return made


class Admin:
    """The broker's administration interface.

    Args:
        settings: Where the broker is, and what the topics are called.
        role: Whose rights are meant when the broker refuses: one of `acls.ROLES`.

    Raises BrokerUnreachable from every method when nobody answers, and Denied when a right is missing.
    """

    def __init__(self, settings: Settings, role: str = TOPICS) -> None:
        self._role = role
        self._settings = settings
        self._trouble = ""
        config: dict[str, Any] = {**librdkafka(settings), "log_level": 0, "error_cb": self._on_error}
        self._client = AdminClient(config)

    def _on_error(self, error: KafkaError) -> None:
        # That no broker is left follows from the errors before it, which say why.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  its name
            self._trouble = error.str()

    def partitions(self, names: Iterable[str] | None = None) -> dict[str, tuple[int, int]]:
        """Number of partitions and replicas of each existing topic among `names` (all that may be seen when None)."""
        found = self._metadata().topics
        wanted = set(found if names is None else names)
        self._refuse_hidden(sorted(wanted - set(found)))
        return {
            name: (len(topic.partitions), min((len(p.replicas) for p in topic.partitions.values()), default=0))
            for name, topic in found.items()
            if name in wanted and topic.error is None
        }

    def config(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Configuration of existing topics; empty for a broker that cannot be asked."""
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not asked or not self._has_controller():
            return {}
        answers = self._client.describe_configs(asked, request_timeout=TIMEOUT_S)
        found: dict[str, dict[str, str]] = {}
        denied: list[Right] = []
        for resource, answer in answers.items():
            try:
                found[resource.name] = {name: entry.value for name, entry in answer.result().items()}
            except KafkaException as error:
                if not _is_denied(error):
                    raise
                denied.append(Right("topic", resource.name, "DescribeConfigs"))
        if denied:
            raise Denied(denied, self._role)
        return found

    def missing_rights(self) -> list[Right]:
        """The rights of the role that the brokers do not give; nothing for a broker that cannot be asked."""
        if not self._has_controller():
            return []
        needed = rights(self._settings, self._role)
        names = list(dict.fromkeys(right.name for right in needed if right.kind == "topic"))
        groups = list(dict.fromkeys(right.name for right in needed if right.kind == "group"))
        how: dict[str, Any] = {"include_authorized_operations": True, "request_timeout": TIMEOUT_S}
        held = {("topic", name): _held(answer) for name, answer in self._describe(names, **how).items()}
        if groups:
            answers = self._client.describe_consumer_groups(groups, **how)
            held |= {("group", name): _held(answer) for name, answer in answers.items()}
        # What is held on a transactional id cannot be asked; its first use tells.
        asked = [right for right in needed if (right.kind, right.name) in held]
        return [right for right in asked if not _covers(held[right.kind, right.name], right.operation)]

    def _describe(self, names: list[str], **how: Any) -> dict[str, Future[Any]]:
        return self._client.describe_topics(TopicCollection(names), **how) if names else {}

    def _metadata(self) -> ClusterMetadata:
        try:
            found = self._client.list_topics(timeout=TIMEOUT_S)
        except KafkaException as error:
            self._client.poll(0)
            place, reason = self._settings.bootstrap_servers, self._trouble or error.args[0].str()
            raise BrokerUnreachable(
                f"no Kafka broker answers at {place} ({reason}). "
                "Is it running? Its address is the setting BACKONTRACK_BOOTSTRAP_SERVERS, how it is spoken to "
                f"BACKONTRACK_SECURITY_PROTOCOL, now {self._settings.security_protocol}."
            ) from error
        # What was asked was no secret; everything after this may be.
        refuse_remote(self._settings, [str(broker.host) for broker in found.brokers.values()])
        return found

    def _has_controller(self) -> bool:
        """False for the embedded broker, which names a controller that does not exist; clients would wait for it."""
        cluster = self._metadata()
        return cluster.controller_id in cluster.brokers

    def create(self) -> list[str]:
        """Creates the topics that do not exist; returns their names. Existing ones are left as they are."""
        existing = self.partitions()
        missing = [topic for topic in declared(self._settings) if topic.name not in existing]
        if not missing:
            return []
        if not self._has_controller():
            raise Unadministered(
                f"{self._settings.bootstrap_servers} is an embedded broker: its topics appear when used"
            )
        answers: dict[str, Future[Any]] = self._client.create_topics(
            [
                NewTopic(t.name, num_partitions=t.partitions, replication_factor=t.replication_factor, config=t.config)
                for t in missing
            ],
            request_timeout=TIMEOUT_S,
        )
        created = []
        for name, answer in answers.items():
            try:
                answer.result()
            except KafkaException as error:
                if _is_denied(error):
                    raise Denied([Right("topic", name, "Create")], TOPICS) from error
                # Somebody else created it in the meantime.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            else:
                created.append(name)
        return created

    def alter(self, differences: Iterable[Difference]) -> None:
        """Sets the configurations that differ to what is declared."""
        by_name = {topic.name: topic for topic in declared(self._settings)}
        changed: dict[str, ConfigResource] = {}
        for difference in differences:
            topic = by_name[difference.topic]
            if difference.what in topic.config:
                entry = ConfigEntry(
                    difference.what, topic.config[difference.what], incremental_operation=AlterConfigOpType.SET
                )
                resource = changed.setdefault(topic.name, ConfigResource(ResourceType.TOPIC, topic.name))
                resource.add_incremental_config(entry)
        if changed:
            for resource, answer in self._client.incremental_alter_configs(list(changed.values())).items():
                try:
                    answer.result()
                except KafkaException as error:
                    if not _is_denied(error):
                        raise
                    raise Denied([Right("topic", resource.name, "AlterConfigs")], TOPICS) from error

    def check(self, *, partitions: int | None = None) -> list[Difference]:
        """Every way in which the topics differ from what is declared; empty when they fit.

        Account-keyed topics must have the same number of partitions: `partitions` when given, else any.
        """
        wanted = declared(self._settings)
        existing = self.partitions(topic.name for topic in wanted)
        configs = self.config(existing)
        keyed = [existing[topic.name][0] for topic in wanted if topic.account_keyed and topic.name in existing]
        count = partitions or (max(set(keyed), key=keyed.count) if keyed else self._settings.partitions)
        found: list[Difference] = []
        for topic in wanted:
            if topic.name not in existing:
                fix = "backontrack topics create"
                found.append(Difference(topic.name, "topic", f"{topic.partitions} partitions", "missing", fix))
                continue
            found += _shape(topic, existing[topic.name], count)
            found += _config(topic, configs.get(topic.name, {}))
        return found

    def _refuse_hidden(self, names: list[str]) -> None:
        """Raises Denied for topics that look missing because they may not be seen."""
        if not names or not self._has_controller():
            return
        hidden = {name for name, answer in self._describe(names, request_timeout=TIMEOUT_S).items() if _hidden(answer)}
        if hidden:
            needed = [right for right in rights(self._settings, self._role) if right.name in hidden]
            raise Denied(needed or [Right("topic", name, "Describe") for name in sorted(hidden)], self._role)


def _is_denied(error: KafkaException) -> bool:
    return error.args[0].code() in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}


def _hidden(answer: Future[Any]) -> bool:
    try:
        answer.result()
    except KafkaException as error:
        return _is_denied(error)
    return False


def _held(answer: Future[Any]) -> set[str] | None:
    """Operations that may be done, without underscores; None when that is not known."""
    try:
        found = answer.result().authorized_operations
    except KafkaException as error:
        code = error.args[0].code()
        if code in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}:
            return set()
        # Before its first group, a cluster has nobody who could answer; whatever it is, the work will tell.
        return None
    return None if found is None else {operation.name.replace("_", "").lower() for operation in found}


def _covers(held: set[str] | None, operation: str) -> bool:
    return held is None or operation.lower() in held


def _shape(topic: Declared, found: tuple[int, int], count: int) -> list[Difference]:
    differences = []
    if topic.account_keyed and found[0] != count:
        fix = "all account topics need the same number: create it anew (set BACKONTRACK_PARTITIONS to keep theirs)"
        differences.append(Difference(topic.name, "partitions", str(count), str(found[0]), fix))
    if found[1] < topic.replication_factor:
        fix = "kafka-reassign-partitions, or lower BACKONTRACK_REPLICATION_FACTOR"
        differences.append(Difference(topic.name, "replicas", str(topic.replication_factor), str(found[1]), fix))
    return differences


def _config(topic: Declared, found: dict[str, str]) -> list[Difference]:
    return [
        Difference(topic.name, name, value, found[name], "backontrack topics create --alter")
        for name, value in topic.config.items()
        if name in found and not _suffices(name, value, found[name])
    ]


def _suffices(name: str, value: str, found: str) -> bool:
    if name in {"max.message.bytes", "min.compaction.lag.ms"}:
        return int(found) >= int(value)
    return found == value
