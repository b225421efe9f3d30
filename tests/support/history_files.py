"""Files of history for commands that read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from streams import topics
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
