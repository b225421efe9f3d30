"""What the read API answers about an application, and what it should by the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from streams import topics
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.views import payloads
from streams.views.view import View
from tests.faults.expected import Expected
from tests.support.board import running_board, wait_for

MOST = 500
"""Rows of one answer."""


@dataclass
class Answers:
    """First rows of the two lists, and how many there are in all."""

    accounts: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    totals: tuple[int, int]
    unreadable: int = 0


def ask(settings: Settings, patience_s: float = 120.0) -> Answers:
    """Starts a board beside the brokers, and asks it by HTTP once it has read everything."""
    with running_board(settings) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        wait_for(lambda: client.get("readyz").status_code == 200, "the board has read everything", patience_s)
        accounts, episodes = (client.get(f"api/{name}?limit={MOST}").json() for name in ("accounts", "episodes"))
        totals = accounts["total"], episodes["total"]
        return Answers(accounts["accounts"], episodes["episodes"], totals, accounts["unreadable"])


def should(expected: Expected, settings: Settings) -> Answers:
    """The same from what the model has decided."""
    view, codec = View(), Codec(settings)
    for (topic, _), decided in expected.outputs.items():
        if topic in topics.OUTPUTS and topic != topics.DEAD_LETTERS:
            view.apply(topic, decided.account, codec.decode(topic, decided.value))
    for account, row in expected.health.items():
        view.apply(topics.HEALTH, account, codec.decode(topics.HEALTH, row))
    accounts = sorted(map(payloads.account_row, view.accounts.values()), key=_by_score)
    newest = sorted(view.episodes.values(), key=lambda e: (-int(e.latest["at"]), e.intervention_id))
    episodes = [payloads.episode_row(episode, view.stream_time) for episode in newest]
    return Answers(accounts[:MOST], episodes[:MOST], (len(accounts), len(episodes)))


def _by_score(row: dict[str, Any]) -> tuple[float, str]:
    return (1_000.0 if row["score"] is None else float(row["score"]), row["account_id"])
