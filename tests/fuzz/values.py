"""Right records of every schema, drawn at random: what the mutations start from."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from streams import topics
from streams.domain.time import DAY, HOUR
from tests.fuzz.reference import names_of, sources
from tests.support.log import START

INPUTS = tuple(topics.RANKS)
METRICS = ("logins", "active_users", "feature_use", "seats_in_use", "errors", "spend", "cpu", "requests")
_KINDS = {
    "boolean": lambda rng: rng.random() < 0.5,
    "int": lambda rng: rng.randrange(1000),
    "long": lambda rng: START + rng.randrange(400 * DAY),
    "float": lambda rng: rng.random(),
    "double": lambda rng: rng.choice([0.0, 1.0, rng.random(), rng.gauss(0, 100)]),
    "string": lambda rng: rng.choice(["", "a", "größer 😀", f"id-{rng.randrange(10_000)}", "x" * rng.randrange(60)]),
    "bytes": lambda rng: rng.randbytes(rng.randrange(40)),
    "null": lambda _: None,
}


def event(rng: random.Random, topic: str, account: str, at: int) -> dict[str, Any]:
    """An event of an input topic as a customer's systems would send it, at `at` (ms) or a little earlier."""
    if topic == topics.CONTROL:
        return {**_drawn_record(rng, topic), "kind": "tick", "at": at, "policy": None, "switch": None, "on": None}
    made = {
        **_drawn_record(rng, topic),
        "event_id": f"e{rng.getrandbits(40):x}",
        "account_id": account,
        "occurred_at": at - rng.choice([0, 0, 1, HOUR, rng.randrange(3 * DAY)]),
    }
    return {**made, **_FITTING[topic](rng, at)}


def drawn(rng: random.Random, schema: Any) -> Any:
    """Any value of a schema."""
    return _drawn(rng, schema, names_of(schema))


def _drawn_record(rng: random.Random, topic: str) -> dict[str, Any]:
    record: dict[str, Any] = drawn(rng, sources(topic)[-1])
    return record


def _drawn(rng: random.Random, schema: Any, named: dict[str, Any]) -> Any:  # noqa: PLR0911  one return a type
    if isinstance(schema, list):
        return _drawn(rng, rng.choice(schema), named)
    if isinstance(schema, str):
        schema = named.get(schema.rpartition(".")[2], schema)
    if isinstance(schema, str):
        return _KINDS[schema](rng)
    kind = schema["type"]
    if kind == "record":
        return {field["name"]: _drawn(rng, field["type"], named) for field in schema["fields"]}
    if kind == "enum":
        return rng.choice(schema["symbols"])
    if kind == "fixed":
        return rng.randbytes(schema["size"])
    if kind == "array":
        return [_drawn(rng, schema["items"], named) for _ in range(rng.choice([0, 1, 1, 2, 5]))]
    if kind == "map":
        return {f"k{rng.randrange(99)}": _drawn(rng, schema["values"], named) for _ in range(rng.choice([0, 1, 2, 5]))}
    return _drawn(rng, kind, named)


def _usage(rng: random.Random, _at: int) -> Mapping[str, Any]:
    return {"metric": rng.choice(METRICS), "value": max(0.0, rng.gauss(50, 30)), "traceparent": None}


def _sentiment(rng: random.Random, _at: int) -> Mapping[str, Any]:
    text = rng.choice([None, "", "thanks, great work", "this is broken again, awful", "ok"])
    common = {"channel": rng.choice(["email", "chat", "call"]), "position": None, "text": text, "traceparent": None}
    if rng.random() < 0.3:
        return {**common, "survey": "nps", "survey_value": float(rng.randrange(11)), "score": None}
    return {**common, "survey": "none", "survey_value": None, "score": rng.choice([None, rng.uniform(-1, 1)])}


def _ticket(rng: random.Random, _at: int) -> Mapping[str, Any]:
    satisfaction = rng.choice([None, None, 1.0, 5.0])
    return {"ticket_id": f"t{rng.randrange(500)}", "satisfaction": satisfaction, "traceparent": None}


def _account(rng: random.Random, at: int) -> Mapping[str, Any]:
    zone = rng.choice([None, "Europe/Berlin", "UTC", "nowhere"])
    named = {"segment": rng.choice([None, "mid", "enterprise"]), "stage": rng.choice([None, "onboarding", "live"])}
    return {**named, "time_zone": zone, "value": rng.choice([None, 1e4]), "renewal_at": at + DAY, "traceparent": None}


def _response(rng: random.Random, at: int) -> Mapping[str, Any]:
    times = {"promised_by": rng.choice([None, at + DAY]), "snooze_until": rng.choice([None, at + DAY])}
    return {**times, "intervention_id": f"i{rng.randrange(99)}", "cost": rng.choice([None, 12.5]), "traceparent": None}


_FITTING: dict[str, Callable[[random.Random, int], Mapping[str, Any]]] = {
    topics.USAGE: _usage,
    topics.SENTIMENT: _sentiment,
    topics.TICKETS: _ticket,
    topics.ACCOUNTS: _account,
    topics.RESPONSES: _response,
}
