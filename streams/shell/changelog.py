"""Records of the changelog topic: account states by account id, and one state for each partition itself."""

from __future__ import annotations

from streams.shell.producer import Outgoing

PARTITION_KEY = b"\x00partition"
"""Key of the partition's own state. No account id begins with a zero byte."""
EPOCH = "epoch"
"""Header with the number of the owner that wrote the record, in decimal digits."""


def state_record(topic: str, partition: int, key: bytes, value: bytes, epoch: int) -> Outgoing:
    """A state to be stored."""
    return Outgoing(topic, key, value, partition, [(EPOCH, b"%d" % epoch)])


def epoch_of(headers: list[tuple[str, bytes | None]] | None) -> int:
    """The owner's number in the headers of a changelog record; 0 when there is none."""
    for name, value in headers or ():
        if name == EPOCH and value is not None and value.isdigit():
            return int(value)
    return 0
