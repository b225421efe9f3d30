"""The two frames in which an Avro datum stands in a record value.

Single-object encoding (Avro specification): the marker C3 01, the CRC-64-AVRO fingerprint of the writer's schema, eight
bytes little-endian, then the datum. Confluent frame: magic 0, the registry's schema id, four bytes big-endian, then the
datum. Their first bytes differ, so a reader needs no setting to tell them apart.
"""

from __future__ import annotations

MARKER = b"\xc3\x01"
"""Begins the single-object encoding."""
MAGIC = b"\x00"
"""Begins the Confluent frame."""
SINGLE_OBJECT_SIZE = 10
CONFLUENT_SIZE = 5


class BadRecord(Exception):  # noqa: N818  named for what it is to the caller: a record to be dead-lettered
    """A record value that cannot be read, whoever reads it and however often.

    `reason` is a short code for headers and metrics: empty, wrong_magic, unknown_schema, truncated, trailing_bytes,
    too_large or undecodable here; `domain/validate.py` adds its own.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def single_object_header(fingerprint: bytes) -> bytes:
    """Header of a datum written with the schema of this fingerprint (8 bytes, little-endian)."""
    return MARKER + fingerprint


def confluent_header(schema_id: int) -> bytes:
    """Header of a datum written with the schema that the registry knows by this id."""
    return MAGIC + schema_id.to_bytes(4, "big")


def confluent_id(header: bytes) -> int:
    """Schema id of a Confluent header."""
    return int.from_bytes(header[1:CONFLUENT_SIZE], "big")
