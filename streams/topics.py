"""Every topic, once: name, key, who writes it, how it is kept.

Read by the topology, by `topics create`, by the docs and the tests.
"""

from __future__ import annotations

from dataclasses import dataclass

USAGE = "usage-events"
SENTIMENT = "sentiment-events"
TICKETS = "ticket-events"
ACCOUNTS = "account-events"
RESPONSES = "response-events"
NOTICES = "cause-notices"
CONTROL = "partition-control"
HEALTH = "account-health"
INTERVENTIONS = "interventions"
OUTCOMES = "intervention-outcomes"
SUPPRESSED = "suppressed-interventions"
CRISES = "crises"
DEAD_LETTERS = "dead-letters"


@dataclass(frozen=True, slots=True)
class Topic:
    """How a topic is declared.

    `rank` orders records of equal time within a partition (smaller first) and is None for what the worker does not
    read; `compacted` keeps the newest record a key; `partitioned` says that it has as many partitions as the
    account topics, the others have one.
    """

    name: str
    direction: str
    key: str
    doc: str
    rank: int | None = None
    compacted: bool = False
    partitioned: bool = True


# Control first: at equal times a policy rules the events beside it. Then the profile, then what happened.
TOPICS: tuple[Topic, ...] = (
    Topic(CONTROL, "internal", "the word control", "ticks, policy activations, switches; one copy a partition", rank=0),
    Topic(ACCOUNTS, "in", "account_id", "profile and commercial life of accounts", rank=1),
    Topic(USAGE, "in", "account_id", "product use", rank=2),
    Topic(SENTIMENT, "in", "account_id", "utterances, surveys, raw text", rank=3),
    Topic(TICKETS, "in", "account_id", "life of tickets", rank=4),
    Topic(RESPONSES, "in", "account_id", "what was done about interventions", rank=5),
    Topic(NOTICES, "in", "cause", "incidents, delays and recalls upstream"),
    Topic(HEALTH, "out", "account_id", "health of accounts, a view", compacted=True),
    Topic(INTERVENTIONS, "out", "account_id", "life of episodes"),
    Topic(OUTCOMES, "out", "account_id", "how episodes ended"),
    Topic(SUPPRESSED, "out", "account_id", "what was not fired, and why"),
    Topic(CRISES, "out", "cause", "one parent for many drops of one cause", compacted=True),
    Topic(DEAD_LETTERS, "out", "as it came", "what could not be read or processed", partitioned=False),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
RANKS = {topic.name: topic.rank for topic in TOPICS if topic.rank is not None}
"""Rank of each topic that an account's fold reads."""
OUTPUTS = (HEALTH, INTERVENTIONS, OUTCOMES, SUPPRESSED)


def changelog(app_id: str) -> str:
    """The compacted topic that holds account and partition states of an application."""
    return f"{app_id}-account-state-changelog"
