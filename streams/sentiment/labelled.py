"""Reads labelled texts: a CSV file with the columns `text` and `label`, plain or gzip."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streams.sentiment.errors import SentimentError
from streams.sentiment.linear import LABELS

_AUTHORS = ("author", "account_id")
"""Columns that say who wrote a text, the first one present counts."""
_LONGEST_FIELD = 10_000_000


class LabelledText(NamedTuple):
    """One text and what people said of it. `label` counts from 0 in the order of `LABELS`."""

    text: str
    label: int
    author: str


class LabelledTexts(NamedTuple):
    """A file's texts. When it does not say who wrote them, `by_author` is False and equal texts count as one author."""

    rows: list[LabelledText]
    by_author: bool


def read_labelled(path: Path) -> LabelledTexts:
    """All rows of a file. Raises SentimentError with file, line and reason for the first one that is wrong."""
    rows: list[LabelledText] = []
    by_author = False
    for line, row in read_rows(path, ("text", "label")):
        label = row["label"].strip().lower()
        if label not in LABELS:
            raise SentimentError(f"{path}:{line}: label {row['label']!r} is none of {', '.join(LABELS)}")
        column = next((name for name in _AUTHORS if name in row), None)
        by_author = column is not None
        author = row[column].strip() if column else row["text"]
        if column and not author:
            raise SentimentError(f"{path}:{line}: {column} is empty")
        rows.append(LabelledText(row["text"], LABELS.index(label), author))
    if not rows:
        raise SentimentError(f"{path}:1: there are no texts below the header")
    return LabelledTexts(rows, by_author)


def read_rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header, each with the number of its last line. `needed` columns must be there."""
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in head]
            if missing:
                raise SentimentError(
                    f"{path}:1: the header has no column {missing[0]}; it has {', '.join(head) or 'nothing'}"
                )
            if len(set(head)) < len(head):
                raise SentimentError(f"{path}:1: a column stands twice in the header")
            try:
                for values in reader:
                    if not values:
                        continue
                    if len(values) != len(head):
                        raise SentimentError(
                            f"{path}:{reader.line_num}: {len(values)} values where the header has {len(head)}"
                        )
                    yield reader.line_num, dict(zip(head, values, strict=True))
            except csv.Error as error:
                raise SentimentError(f"{path}:{reader.line_num}: {error}") from None
    except UnicodeDecodeError as error:
        raise SentimentError(f"{path}: is not UTF-8 text: {error.reason}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SentimentError(f"{path}: is no whole gzip file: {error}") from None
    except OSError as error:
        raise SentimentError(f"{path}: cannot be read: {error.strerror or error}") from None
