"""What the logs of an application should hold, by the model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from streams import topics
from streams.domain.outputs import OutboxRecord


class Decided(NamedTuple):
    """An output that the brokers must hold."""

    partition: int
    account: str
    value: bytes
    headers: dict[str, bytes]
    at: int


@dataclass
class Expected:
    """What the logs should hold."""

    outputs: dict[tuple[str, str], Decided] = field(default_factory=dict)
    """By topic and ce_id."""
    resendable: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often an output or a letter was found waiting by a new owner: so many copies of it are explained."""
    poison: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Reason by topic, partition and offset of what was passed over as a dead letter."""
    health: dict[str, bytes] = field(default_factory=dict)
    """Newest row by account, for those that have one."""
    partition_states: dict[int, list[tuple[int, dict[str, int]]]] = field(default_factory=dict)
    """Offsets of live partition states on the changelog with what they hold as applied, in order."""
    compared: int = 0
    """Stored states that were compared."""
    stale: int = 0
    """Stored states that came from an owner after a newer one had taken over."""
    overwritten: int = 0
    """Keys of which compaction would keep such a state."""
    owners: int = 0
    """Owners of partitions, one after the other."""
    ordered: int = 0
    """Records of which the order of application was checked against the merge."""
    at_risk: int = 0
    """Records that an owner had applied beyond its last stored partition state when the next one took over."""


def name_of(record: OutboxRecord) -> tuple[str, str]:
    """What tells an output from others: topic and ce_id, of a dead letter the place of the record that it is about."""
    if record.topic == topics.DEAD_LETTERS:
        place = (record.headers.get(f"__streams.errors.{part}", b"") for part in ("topic", "partition", "offset"))
        return record.topic, "/".join(part.decode() for part in place)
    return record.topic, record.headers["ce_id"].decode()
