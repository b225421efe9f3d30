"""Dead letters: the original record with headers that say what was wrong, in the form of KIP-1034."""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.domain.outputs import Header, OutboxRecord
from streams.shell.frames import BadRecord

PREFIX = "__streams.errors."
REASON = "backontrack.reason"
_EXCEPTION, _MESSAGE, _STACKTRACE = PREFIX + "exception", PREFIX + "message", PREFIX + "stacktrace"
_TOPIC, _PARTITION, _OFFSET = PREFIX + "topic", PREFIX + "partition", PREFIX + "offset"
_KIND = f"{BadRecord.__module__}.{BadRecord.__qualname__}".encode()
_LONGEST_MESSAGE = 2_000
"""Characters of a message that are kept: some repeat what was found in the record."""


def dead_letter(record: Any, error: BadRecord, at: int) -> OutboxRecord:
    """The dead letter of a consumer record, as it waits in the partition's outbox.

    Key, value and headers are the original's. It is a function of the record, so that a copy after a crash is the same
    bytes. `at` is the time that it gets, in ms.
    """
    message = error.message[:_LONGEST_MESSAGE]
    errors = {
        _EXCEPTION: _KIND,
        _MESSAGE: message.encode(errors="replace"),
        _STACKTRACE: f"{error.reason}: {message}".encode(errors="replace"),
        _TOPIC: record.topic.encode(),
        _PARTITION: str(record.partition).encode(),
        _OFFSET: str(record.offset).encode(),
        REASON: error.reason.encode(),
    }
    original = [Header(name, value) for name, value in record.headers]
    return OutboxRecord(topics.DEAD_LETTERS, record.key, record.value, errors, at, original)


def size(letter: OutboxRecord) -> int:
    """Bytes of key, value and headers: what the letter takes in the partition's outbox, about."""
    headers = sum(len(name) + len(value or b"") for name, value in letter.all_headers())
    return len(letter.key or b"") + len(letter.value or b"") + headers
