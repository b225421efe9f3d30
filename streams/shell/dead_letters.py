"""Dead letters: the original record with headers that say what was wrong, in the form of KIP-1034."""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.domain.outputs import Header, OutboxRecord
from streams.shell.frames import BadRecord

PREFIX = "__streams.errors."
REASON = "backontrack.reason"


def dead_letter(record: Any, error: BadRecord, at: int) -> OutboxRecord:
    """The dead letter of a consumer record, as it waits in the partition's outbox.

    Key, value and headers are the original's. It is a function of the record, so that a copy after a crash is the same
    bytes. `at` is the time that it gets, in ms.
    """
    errors = {
        PREFIX + "exception": f"{type(error).__module__}.{type(error).__qualname__}".encode(),
        PREFIX + "message": error.message.encode(errors="replace"),
        PREFIX + "stacktrace": f"{error.reason}: {error.message}".encode(errors="replace"),
        PREFIX + "topic": record.topic.encode(),
        PREFIX + "partition": str(record.partition).encode(),
        PREFIX + "offset": str(record.offset).encode(),
        REASON: error.reason.encode(),
    }
    original = [Header(name, value) for name, value in record.headers]
    return OutboxRecord(topics.DEAD_LETTERS, record.key, record.value, errors, at, original)
