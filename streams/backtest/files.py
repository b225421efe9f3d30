"""What the backtest writes: CSV and JSON Lines, compressed when the name ends with .gz."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, cast

from streams.backtest.episodes import COLUMNS, EpisodeRow
from streams.domain.time import format_time


def writable(path: Path) -> None:
    """Tells before the work that there is no folder for the file. Raises OSError."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def of_policy(path: Path, name: str, *, several: bool) -> Path:
    """Where the file of one of several policies goes: `out.csv` becomes `out.NAME.csv`."""
    if not several:
        return path
    stem, dot, rest = path.name.partition(".")
    return path.with_name(f"{stem}.{name}{dot}{rest}")


def put_together(path: Path, parts: Iterable[Path], head: Sequence[str] = ()) -> None:
    """One file of many parts, in their order. Parts that do not exist are empty."""
    with _writer(path) as file:
        if head:
            file.write(",".join(head) + "\n")
        for part in parts:
            if part.exists():
                with part.open(encoding="utf-8", newline="") as text:
                    shutil.copyfileobj(text, file, 1 << 20)


def write_episodes(path: Path, rows: Iterable[EpisodeRow]) -> None:
    """The file of episodes."""
    with _writer(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            recovered = "" if row.recovered_at is None else format_time(row.recovered_at)
            times = (format_time(row.onset_at), format_time(row.opened_at), recovered)
            writer.writerow((row.account_id, row.metric, row.kind, *times, row.ended_as))


@contextmanager
def _writer(path: Path) -> Iterator[TextIO]:
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw as packed,
        io.TextIOWrapper(cast("IO[bytes]", packed), encoding="utf-8", newline="") as file,
    ):
        yield file
