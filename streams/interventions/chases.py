"""Chases: the customer had to come back while an answer was owed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams import topics
from streams.domain.account import AccountState
from streams.domain.episode import TREATED, WAITING, Episode


def count_chases(account: AccountState, topic: str, event: Mapping[str, Any]) -> None:
    """Counts the event as a chase on the episodes that owe an answer.

    A customer's reply on a ticket, and an unhappy word, count while nobody has taken the episode up; opening a ticket
    again counts until the account is back on track. What belongs to the ticket or conversation of an episode counts
    there only; one conversation is one chase.
    """
    if topic == topics.TICKETS and event["actor"] == "customer" and event["change"] in {"replied", "reopened"}:
        for episode in _concerned(account, event["ticket_id"], event["occurred_at"]):
            if _owed(episode) or (event["change"] == "reopened" and episode.state in TREATED):
                episode.chases += 1
    elif topic == topics.SENTIMENT and event["speaker"] == "customer":
        said = account.signals.utterances[-1:]
        if not said or said[0].event_id != event["event_id"] or said[0].score >= 0:
            return
        conversation = event["interaction_id"] or ""
        for episode in account.episodes.values():
            if not _owed(episode) or event["occurred_at"] <= episode.since:
                continue
            if conversation and conversation in (episode.chased_in, episode.subject):
                continue
            episode.chases += 1
            episode.chased_in = conversation


def _owed(episode: Episode) -> bool:
    """True while nobody has taken up what is prescribed; in the untreated share nobody ever does."""
    return episode.state in WAITING or episode.state == "held_out"


def _concerned(account: AccountState, ticket_id: str, at: int) -> list[Episode]:
    """Episodes that began before the event: those of this ticket, else all of them."""
    begun = [episode for episode in account.episodes.values() if at > episode.since]
    return [episode for episode in begun if episode.subject == ticket_id] or begun
