"""Files of history for commands that read them."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from streams import topics
from streams.backtest.history import refusal
from streams.history import BadRow, HistoryFile
from streams.history_mapping import TopicMapping
from tests.support.log import small_log

OPTIONS = {
    topics.USAGE: "--usage",
    topics.SENTIMENT: "--sentiment",
    topics.TICKETS: "--tickets",
    topics.ACCOUNTS: "--accounts",
}


def write_history(directory: Path, accounts: int = 30, days: int = 70) -> list[str]:
    """Profiles, usage with drops, sentiment and tickets as JSON Lines; gives the options that name the files."""
    lines: dict[str, list[dict[str, Any]]] = {topic: [] for topic in OPTIONS}
    for entry in small_log(accounts=accounts, days=days):
        if entry.topic in lines:
            lines[entry.topic].append(entry.event)
    words = []
    for topic, events in lines.items():
        path = directory / f"{topic}.jsonl"
        path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
        words += [OPTIONS[topic], str(path)]
    return words


def read_history(path: Path, topic: str, mapping: TopicMapping | None = None) -> Iterator[dict[str, Any]]:
    """Events of a file, complete with the schema's defaults, in time order.

    Raises HistoryError at the first row that is none, naming `file:line`.
    """
    events = []
    for row in HistoryFile(path, topic, mapping).rows():
        if isinstance(row, BadRow):
            raise refusal(path, row)
        events.append(row.event)
    return iter(sorted(events, key=itemgetter("occurred_at")))
