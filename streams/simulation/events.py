"""Complete input events, by the schemas. Every builder fills every field."""

from __future__ import annotations

from typing import Any

from streams.simulation.customers import Customer

Event = dict[str, Any]


def _base(account_id: str, event_id: str, at: int, source: str) -> Event:
    return {
        "event_id": event_id,
        "account_id": account_id,
        "occurred_at": at,
        "source": source,
        "cohort": None,
        "traceparent": None,
    }


def usage(account_id: str, event_id: str, at: int, metric: str, value: float, unit: str) -> Event:
    """A measurement of product use."""
    return {**_base(account_id, event_id, at, "product"), "metric": metric, "value": value, "unit": unit}


def utterance(account_id: str, event_id: str, at: int, **fields: Any) -> Event:
    """Something said, or a survey answered; what is not given has the schema's default."""
    defaults = {
        "channel": "chat",
        "interaction_id": None,
        "position": None,
        "speaker": "customer",
        "score": None,
        "text": None,
        "survey": "none",
        "survey_value": None,
    }
    return {**_base(account_id, event_id, at, "conversations"), **defaults, **fields}


def ticket(account_id: str, event_id: str, at: int, **fields: Any) -> Event:
    """A step in the life of a ticket."""
    defaults = {"priority": "normal", "area": "support", "actor": "agent", "theme": "", "satisfaction": None}
    return {**_base(account_id, event_id, at, "helpdesk"), **defaults, **fields}


def account(account_id: str, event_id: str, at: int, change: str, **fields: Any) -> Event:
    """A commercial event; fields that are not given leave the profile as it is."""
    defaults: Event = {
        "segment": None,
        "stage": None,
        "tier": None,
        "value": None,
        "renewal_at": None,
        "owner": None,
        "time_zone": None,
        "channel_preference": None,
        "goals": [],
    }
    return {**_base(account_id, event_id, at, "crm"), "change": change, **defaults, **fields}


def created(who: Customer, event_id: str, at: int) -> Event:
    """The account's first event, with its whole profile."""
    return account(
        who.account_id,
        event_id,
        at,
        "created",
        segment=who.segment.name,
        stage=who.stage,
        tier=who.tier,
        value=who.value,
        renewal_at=who.renewal_at,
        owner=who.owner,
        time_zone=who.time_zone,
    )


def response(account_id: str, event_id: str, at: int, intervention_id: str, change: str, **fields: Any) -> Event:
    """Something done about an intervention."""
    defaults = {
        "actor": "",
        "actor_kind": "human",
        "names_cause": False,
        "promised_by": None,
        "snooze_until": None,
        "action": None,
        "cost": None,
        "reason": None,
        "alternative": None,
    }
    head = _base(account_id, event_id, at, "desk")
    return {**head, "intervention_id": intervention_id, "change": change, **defaults, **fields}


def tick(at: int) -> Event:
    """A record of `partition-control` that only says what time it is."""
    return {
        "kind": "tick",
        "at": at,
        "policy_version": None,
        "policy": None,
        "switch": None,
        "on": None,
        "source": "clock",
    }
