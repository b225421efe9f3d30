"""Records of the changelog topic: account states by account id, and one state for each partition itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.shell import trace
from streams.shell.producer import Outgoing

PARTITION_KEY = b"\x00partition"
"""Key of the partition's own state. No account id begins with a zero byte."""
EPOCH = "epoch"
"""Header with the number of the owner that wrote the record, in decimal digits."""


def state_record(
    topic: str, partition: int, key: bytes, value: bytes, epoch: int, traced: bytes | None = None
) -> Outgoing:
    """A state to be stored; `traced` is the order of application, where tests ask for it."""
    headers = {EPOCH: b"%d" % epoch}
    if traced is not None:
        headers[trace.HEADER] = traced
    return Outgoing(topic, key, value, partition, headers)


def epoch_of(headers: Mapping[str, object] | Iterable[tuple[str, object]] | None) -> int:
    """The owner's number in the headers of a changelog record; 0 when there is none."""
    value = dict(headers or ()).get(EPOCH)
    return int(value) if isinstance(value, bytes) and value.isdigit() else 0
