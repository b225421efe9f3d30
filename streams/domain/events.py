"""Input events as the core sees them: the decoded Avro record itself, typed.

A `TypedDict` costs nothing: what fastavro returns is the event. Names, units and meaning stand in `schemas/`;
a test holds these types against the schemas. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from typing import TypedDict


class Event(TypedDict):
    """What every account event has."""

    event_id: str
    account_id: str
    occurred_at: int
    source: str
    cohort: str | None
    traceparent: str | None


class UsageEvent(Event):
    """One measurement of product use."""

    metric: str
    value: float
    unit: str


class SentimentEvent(Event):
    """A scored utterance, a survey answer, or raw text."""

    channel: str
    interaction_id: str | None
    position: int | None
    speaker: str
    score: float | None
    text: str | None
    survey: str
    survey_value: float | None


class TicketEvent(Event):
    """A step in the life of a ticket."""

    ticket_id: str
    change: str
    priority: str
    area: str
    actor: str
    theme: str
    satisfaction: float | None


class AccountEvent(Event):
    """Profile and commercial life."""

    change: str
    segment: str | None
    stage: str | None
    tier: str | None
    value: float | None
    renewal_at: int | None
    owner: str | None
    time_zone: str | None
    channel_preference: str | None
    goals: list[str]


class ResponseEvent(Event):
    """Something done about an intervention."""

    intervention_id: str
    change: str
    actor: str
    actor_kind: str
    names_cause: bool
    promised_by: int | None
    snooze_until: int | None
    action: str | None
    cost: float | None
    reason: str | None
    alternative: str | None


class ControlEvent(TypedDict):
    """A record of `partition-control`."""

    kind: str
    at: int
    policy_version: str | None
    policy: str | None
    switch: str | None
    on: bool | None
    source: str
