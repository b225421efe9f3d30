"""Records of the changelog topic: account states by account id, one state for each partition itself, and schemas.

Each record names its owner in the header `epoch`. A partition's state also says how many accounts it knows, in the
header `accounts`, so that missing records are noticed; and in `since` where its owner took over, so that later records
of former owners are known for what they are even after compaction. Schemas make the changelog readable for other
releases: whoever writes states puts theirs before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.shell import trace
from streams.shell.outgoing import Outgoing

PARTITION_KEY = b"\x00partition"
"""Key of the partition's own state. No account id begins with a zero byte."""
SCHEMA_PREFIX = b"\x00schema:"
"""Begins the key of a schema; its fingerprint in hex digits follows."""
EPOCH = "epoch"
"""Header with the number of the owner that wrote the record, in decimal digits."""
ACCOUNTS = "accounts"
"""Header of a partition's state: how many accounts it knows, in decimal digits."""
SINCE = "since"
"""Header of a partition's state: offset of its owner's claim, in decimal digits."""
CLAIM = "claim"
"""Header of the record by which an owner takes over: bytes that nobody else has."""

Headers = Mapping[str, object] | Iterable[tuple[str, object]] | None

_GENERATION_BITS = 20


def state_record(
    topic: str, partition: int, key: bytes, value: bytes, epoch: int, traced: bytes | None = None
) -> Outgoing:
    """A state to be stored; `traced` is the order of application, where tests ask for it."""
    headers = {EPOCH: b"%d" % epoch}
    if traced is not None:
        headers[trace.HEADER] = traced
    return Outgoing(topic, key, value, partition, headers)


def partition_record(
    topic: str, partition: int, value: bytes, epoch: int, accounts: int, since: int, traced: bytes | None = None
) -> Outgoing:
    """A partition's state, stored after all `accounts` that it knows, by the owner whose claim is at `since`."""
    headers = {EPOCH: b"%d" % epoch, ACCOUNTS: b"%d" % accounts, SINCE: b"%d" % since}
    if traced is not None:
        headers[trace.HEADER] = traced
    return Outgoing(topic, PARTITION_KEY, value, partition, headers)


def claim_record(topic: str, partition: int, value: bytes, epoch: int, accounts: int, mark: bytes) -> Outgoing:
    """A partition's state as it was found, by which a new owner takes over."""
    headers = {EPOCH: b"%d" % epoch, ACCOUNTS: b"%d" % accounts, CLAIM: mark}
    return Outgoing(topic, PARTITION_KEY, value, partition, headers)


def schema_record(topic: str, partition: int, fingerprint: bytes, source: bytes, epoch: int) -> Outgoing:
    """A schema of states, as JSON."""
    return Outgoing(topic, schema_key(fingerprint), source, partition, {EPOCH: b"%d" % epoch})


def schema_key(fingerprint: bytes) -> bytes:
    """Key of the schema with this CRC-64-AVRO fingerprint."""
    return SCHEMA_PREFIX + fingerprint.hex().encode()


def tombstone(topic: str, partition: int, key: bytes, epoch: int) -> Outgoing:
    """Removes a key that only a former owner has written: no account that counts."""
    return Outgoing(topic, key, None, partition, {EPOCH: b"%d" % epoch, ACCOUNTS: b"0"})


def next_epoch(generation: int, seen: int) -> int:
    """The number of a new owner: larger than that of every owner before it.

    A member of an older generation that claims late has the smaller number, whatever either has read. Generations
    begin again when a group was forgotten, so what was seen counts as well.
    """
    return max(generation << _GENERATION_BITS, seen + 1)


def epoch_of(headers: Headers) -> int:
    """The owner's number in the headers of a changelog record; 0 when there is none."""
    return _number(headers, EPOCH) or 0


def accounts_of(headers: Headers) -> int | None:
    """How many accounts a partition's state knows; None when it does not say."""
    return _number(headers, ACCOUNTS)


def since_of(headers: Headers) -> int | None:
    """Offset of the claim of a partition state's owner; None when it does not say."""
    return _number(headers, SINCE)


def claim_of(headers: Headers) -> object:
    """The mark of a claim, as bytes; None for other records."""
    return dict(headers or ()).get(CLAIM)


def _number(headers: Headers, name: str) -> int | None:
    value = dict(headers or ()).get(name)
    return int(value) if isinstance(value, bytes) and value.isdigit() else None
