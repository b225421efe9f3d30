"""Bytes to events and back beside fastavro alone, and states to the changelog and back.

fastavro alone is what is left when nothing is checked: the frame is cut off by number, the schema is the one that the
bytes were written with. Both sides of a ratio take turns, so that a change of the machine's speed meets both.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import fastavro

from streams import topics
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.state_codec import decode_account, encode_account
from tests.bench.fold import new_fold, run_through
from tests.bench.report import Report, Row
from tests.bench.workload import Workload
from tests.support.wire import schema

_HEADER = 10
"""Bytes of the single-object header."""

Call = Callable[[Any], object]


def microseconds(items: Sequence[Any], rounds: int, *calls: Call) -> list[float]:
    """CPU time a call in us, the median over the rounds, of each function; they take turns on the same items."""
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, times in zip(calls, found, strict=True):
            began = time.process_time()
            for item in items:
                call(item)
            times.append((time.process_time() - began) / len(items) * 1e6)
    return [median(times) for times in found]


def plain_schema() -> Any:
    """The file of the usage schema, parsed by fastavro without its logical types, so that both read integers."""
    source = {name: value for name, value in schema(topics.USAGE).items() if not name.startswith("__")}
    fields = [
        {**field, "type": field["type"]["type"] if isinstance(field["type"], dict) else field["type"]}
        for field in source["fields"]
    ]
    return fastavro.parse_schema({**source, "fields": fields})


def events(count: int, rounds: int) -> list[Row]:
    """Usage events: decode and encode, ours and fastavro alone."""
    items = list(Workload(count, max(1, count // 10)))
    codec = Codec(Settings())
    values = [codec.encode(topics.USAGE, item) for item in items]
    parsed, read, write = plain_schema(), fastavro.schemaless_reader, fastavro.schemaless_writer
    decode = codec.decoder(topics.USAGE)
    if [decode(value) for value in values] != items:
        raise AssertionError("events do not survive the codec")

    def read_alone(value: bytes) -> object:
        return read(io.BytesIO(value[_HEADER:]), parsed, None)

    def write_alone(item: dict[str, Any]) -> object:
        buffer = io.BytesIO()
        write(buffer, parsed, item)
        return buffer.getvalue()

    ours, alone = microseconds(values, rounds, decode, read_alone)
    rows: list[Row] = [_row("usage event, decode", ours, alone, values)]
    ours, alone = microseconds(items, rounds, lambda item: codec.encode(topics.USAGE, item), write_alone)
    rows.append(_row("usage event, encode", ours, alone, values))
    return rows


def _row(what: str, ours: float, alone: float, values: Sequence[bytes]) -> Row:
    return {
        "what": what,
        "us": ours,
        "fastavro_us": alone,
        "ratio": ours / alone,
        "bytes": sum(map(len, values)) / len(values),
    }


def states(count: int, accounts: int, rounds: int) -> list[Row]:
    """Account states as they are after a workload: encode and decode."""
    fold = new_fold()
    run_through(fold, list(Workload(count, accounts)))
    items = list(fold.accounts.values())
    values = [encode_account(item) for item in items]
    if [decode_account(value) for value in values] != items:
        raise AssertionError("account states do not survive the codec")
    (write,) = microseconds(items, rounds, encode_account)
    (read,) = microseconds(values, rounds, decode_account)
    size = sum(map(len, values)) / len(values)
    return [
        {"what": "account state, encode", "us": write, "bytes": size},
        {"what": "account state, decode", "us": read, "bytes": size},
    ]


def bench(count: int, accounts: int, rounds: int) -> Report:
    """Measures the codec.

    Args:
        count: Usage events, and events behind the states.
        accounts: Accounts behind the states.
        rounds: Turns of each function; the median counts.
    """
    report = Report(
        "codec: bytes to events and states, and back", events(count, rounds) + states(count, accounts, rounds)
    )
    report.remarks.append(f"States are those of {accounts} accounts after {count} usage events over ten weeks.")
    return report
