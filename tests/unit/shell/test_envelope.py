"""Headers say what the record is, the same in every run."""

from streams.domain.outputs import Output
from streams.shell.envelope import headers, health_headers
from streams.topics import INTERVENTIONS

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_an_output_has_cloudevents_headers() -> None:
    """Binary mode of the Kafka binding."""
    output = Output(INTERVENTIONS, "acme", "i-1", 3, 1_767_603_600_500, {"traceparent": TRACE})
    assert headers(output, "app") == {
        "ce_specversion": b"1.0",
        "ce_id": b"i-1:3",
        "ce_source": b"/backontrack/app",
        "ce_type": b"backontrack.interventions.v1",
        "ce_time": b"2026-01-05T09:00:00.500Z",
        "ce_subject": b"acme",
        "content-type": b"application/avro",
        "traceparent": TRACE.encode(),
    }


def test_without_a_trace_there_is_no_trace_header() -> None:
    """An empty one would be invalid."""
    output = Output(INTERVENTIONS, "acme", "i-1", 0, 0, {"traceparent": None})
    assert "traceparent" not in headers(output, "app")


def test_a_health_row_is_named_by_the_record_behind_it() -> None:
    """However many rows are written for it."""
    row = {"account_id": "acme", "as_of": 0, "origin": {"topic": "usage-events", "partition": 2, "offset": 17}}
    made = health_headers(row, "app")
    assert made["ce_id"] == b"acme:2:17"
    assert made["ce_type"] == b"backontrack.account-health.v1"
