"""Ids are derived, never drawn: the same history gives the same ids in every run."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID, uuid5

# uuid5 of the DNS name `backontrack`: any constant would do, as long as it never changes.
_NAMESPACE = UUID("6a3ba40d-2d5c-5d0c-8a53-4b1d5d2d9a0f")


def intervention_id(account_id: str, cause: str, number: int) -> str:
    """Id of the `number`-th episode (from 1) of a cause (`kind:dimension:subject`) in an account."""
    return str(uuid5(_NAMESPACE, f"{account_id}\x00{cause}\x00{number}"))


def suppression_id(account_id: str, cause: str, number: int) -> str:
    """Id of the `number`-th suppression of a cause in an account."""
    return str(uuid5(_NAMESPACE, f"{account_id}\x00{cause}\x00suppressed\x00{number}"))


def record_id(topic: str, partition: int, offset: int) -> str:
    """Id of what belongs to no account, such as a dead letter: the place in the log that caused it."""
    return f"{topic}/{partition}/{offset}"


def event_hash(event_id: str) -> int:
    """Signed 64-bit hash by which repeated event ids are known; stable between processes, unlike `hash()`."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "big", signed=True)
