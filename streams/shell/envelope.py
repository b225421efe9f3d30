"""Headers of output records: CloudEvents in Kafka's binary mode, and the trace context of what caused them.

A function of the record and the application alone: the same log gives the same headers in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.domain.outputs import Output
from streams.domain.time import format_time
from streams.shell import schemas
from streams.topics import HEALTH

CONTENT_TYPE = b"application/avro"


def headers(output: Output, app_id: str) -> dict[str, bytes]:
    """Headers of an output. `ce_id` is `<id>:<seq>`, by which consumers know a repeated record."""
    return _headers(output.topic, f"{output.id}:{output.seq}", output.account_id, output.at, output.record, app_id)


def health_headers(row: Mapping[str, Any], app_id: str) -> dict[str, bytes]:
    """Headers of an `account-health` row. `ce_id` is `<account>:<partition>:<offset>` of the record behind it."""
    origin = row["origin"]
    ce_id = f"{row['account_id']}:{origin['partition']}:{origin['offset']}"
    return _headers(HEALTH, ce_id, row["account_id"], row["as_of"], row, app_id)


def _headers(
    topic: str, ce_id: str, account_id: str, at: int, record: Mapping[str, Any], app_id: str
) -> dict[str, bytes]:
    made = {
        "ce_specversion": b"1.0",
        "ce_id": ce_id.encode(),
        "ce_source": f"/backontrack/{app_id}".encode(),
        "ce_type": f"backontrack.{topic}.v{schemas.newest(topic).version}".encode(),
        "ce_time": format_time(at).encode(),
        "ce_subject": account_id.encode(),
        "content-type": CONTENT_TYPE,
    }
    traceparent = record.get("traceparent")
    if traceparent:
        made["traceparent"] = traceparent.encode()
    return made
