"""Files of history, CSV and JSON Lines, plain and packed: rows are events or bad rows, a file is read or refused."""

from __future__ import annotations

import gzip
import io
import json
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.domain.validate import check
from streams.history import BadRow, HistoryFile
from streams.history_mapping import HistoryError
from streams.settings import Settings
from streams.shell.codec import Codec
from tests.fuzz import values

CODEC = Codec(Settings())
TOPICS = [name for name in topics.RANKS if name != topics.CONTROL]
_CELLS = (
    "",
    " ",
    "\0",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 5_000,
    "-1",
    "[]",
    "[1",
    '["a"]',
    "{}",
    "true",
    "null",
    "😀",
)
_CELLS += (
    "20170131",
    "2017-01-31",
    "0000-00-00",
    "9999-12-31T23:59:59+23:59",
    "x" * 300_000,
    '"',
    "'",
    ";",
    "=1+1",
    "\ud83d",
)


class _NoLead:
    max_future = 0


def _read(path: Path, topic: str) -> tuple[int, int]:
    """How many events and how many bad rows a file holds; each event is fit and can be written."""
    file = HistoryFile(path, topic)
    bad: list[BadRow] = []
    scan = file.scan(bad.append)
    assert all(row.reason and row.line >= 1 for row in bad)
    count = 0
    for event in file.events(scan):
        count += 1
        assert check(topic, event["account_id"].encode(), event, event["occurred_at"], _NoLead()) is None
        assert CODEC.decode(topic, CODEC.encode(topic, event))["event_id"] == event["event_id"]
    assert count == scan.rows
    return count, len(bad)


def _rows(rng: random.Random, topic: str) -> list[dict[str, Any]]:
    start = 1_700_000_000_000
    rows = [values.event(rng, topic, f"a{number % 3}", start + number * 1000) for number in range(5)]
    for row in rows:
        if rng.random() < 0.6:
            for name in rng.sample(list(row), rng.randrange(1, 3)):
                row[name] = rng.choice([*_CELLS, None, 1, 1.5, True, [], {}, [[]], 1 << 70, {"a": {"b": []}}])
    return rows


def _json_lines(rng: random.Random, topic: str) -> bytes:
    lines = [json.dumps(row) for row in _rows(rng, topic)]
    if rng.random() < 0.4:
        lines.insert(
            rng.randrange(5), rng.choice(["[", "7", "null", "[" * 5_000, "{" * 50, '{"a":}', "\0", "NaN", "{}" * 9])
        )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _csv(rng: random.Random, topic: str) -> bytes:
    rows = _rows(rng, topic)
    delimiter = rng.choice([",", ";", "\t"])
    lines = [delimiter.join(rows[0])]
    for row in rows:
        cells = ["" if value is None else str(value) for value in row.values()]
        quoted = ['"' + cell.replace('"', '""') + '"' if rng.random() < 0.5 else cell for cell in cells]
        lines.append(delimiter.join(quoted[: rng.randrange(len(quoted), len(quoted) + 1)]))
    return rng.choice(["\n", "\r\n", "\r"]).join(lines).encode("utf-8", "surrogatepass")


def _bytes_changed(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([0, 1, 4])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    if rng.random() < 0.2:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


@pytest.mark.parametrize(("suffix", "make"), [("jsonl", _json_lines), ("csv", _csv)])
@given(seed=st.integers(0, 1 << 32))
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, make: Callable[[random.Random, str], bytes], seed: int
) -> None:
    """Events that pass are fit, whatever stood beside them; a file that cannot be read says why."""
    rng = random.Random(seed)
    topic = rng.choice(TOPICS)
    content = _bytes_changed(rng, make(rng, topic))
    if rng.random() < 0.3:
        content = _bytes_changed(rng, gzip.compress(content))
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes(content)
    try:
        _read(path, topic)
    except HistoryError as refused:
        assert str(path) in str(refused)  # noqa: PT017  it may as well be read


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"\x1f\x8b",
        b"\x1f\x8b\x08\x00garbage",
        gzip.compress(b"account_id,x\n")[:-9],
        b"\xff\xfe\x00\x00",
        b"account_id\n" + b'"' + b"x" * 500_000,
        b"," * 10_000 + b"\n" + b"," * 10_000,
        b"\0" * 5_000,
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_that_is_none_is_refused_or_empty(tmp_path: Path, suffix: str, content: bytes) -> None:
    """With a reason, or with nothing but bad rows."""
    path = tmp_path / f"file.{suffix}"
    path.write_bytes(content)
    try:
        events, _ = _read(path, topics.USAGE)
    except HistoryError as refused:
        assert str(path) in str(refused)  # noqa: PT017  it may as well be empty
    else:
        assert events == 0


def test_a_packed_file_is_read_in_pieces(tmp_path: Path) -> None:
    """What is a thousand times as large once it is unpacked takes time, not memory: empty lines are passed over."""
    path = tmp_path / "bomb.jsonl.gz"
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=zlib.Z_BEST_COMPRESSION) as file:
        for _ in range(20):
            file.write(b"\n" * (1 << 20))
    path.write_bytes(packed.getvalue())
    began = time.thread_time()
    assert _read(path, topics.USAGE) == (0, 0)
    assert time.thread_time() - began < 60
