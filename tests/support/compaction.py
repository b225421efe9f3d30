"""Topics that the brokers compact at once, instead of when it pays."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

EAGER = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.0",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
}
"""Compaction of all but the newest segment, as soon as the cleaner looks."""


def configure(bootstrap: str, name: str, values: Mapping[str, str], kind: ResourceType = ResourceType.TOPIC) -> None:
    """Changes the configuration of a topic, or of the broker with this number."""
    resource = ConfigResource(kind, name)
    for key, value in values.items():
        resource.add_incremental_config(ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET))
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(30)
