"""Is a decoded event fit for the fold? The same answer in the worker and in a backtest, as it is a function of the log.

A record that is not goes to the dead letters with the reason; its neighbours are unaffected. What merely is late or a
duplicate is fit: the fold counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from streams.topics import ACCOUNTS, CONTROL, RESPONSES, SENTIMENT, TICKETS, USAGE

EARLIEST = 631_152_000_000
"""1990-01-01 UTC in ms. Nobody sends older events; what looks like it is in seconds, or zero."""
LATEST = 4_102_444_800_000
"""2100-01-01 UTC in ms. A record time beyond it is in microseconds, and would end time for its partition."""
LARGEST = 1e100
"""Largest magnitude of a measured value or an amount: squares of it can still be summed."""
LONGEST_NAME = 256
"""Characters of an id or a name at most. They are kept in the state, which has to fit a record."""
LONGEST_TEXT = 4_096
"""Characters of the free words that are kept, goals or a reason, at most."""
LARGEST_INT = (1 << 31) - 1
SURVEY_SCALES: dict[str, tuple[float, float]] = {"nps": (0.0, 10.0), "csat": (1.0, 5.0), "ces": (1.0, 7.0)}
"""Least and largest answer by survey."""
REASONS: dict[str, str] = {
    "null_key": "the record has no key",
    "key_mismatch": "the key is not the account_id in UTF-8",
    "empty_id": "an id or name is empty",
    "bad_id": "the account_id holds a zero character",
    "too_long": f"an id or name has more than {LONGEST_NAME} characters, or words more than {LONGEST_TEXT}",
    "absurd_time": "a time before 1990 or after 2099, or an event further ahead of its record than max_future",
    "not_finite": "a number is NaN or infinite",
    "out_of_range": "a number is outside its scale",
}
"""Every reason that `check` gives, and what it means."""


class TimeLimits(Protocol):
    """The policy's section `time`."""

    @property
    def max_future(self) -> int:
        """How far event time may be ahead of record time, in ms."""


def check(  # noqa: PLR0911  one line for each way to be unfit
    topic: str, key: bytes | None, event: Mapping[str, Any], record_time: int, policy_time: TimeLimits
) -> str | None:
    """Why an event of a logical topic is not fit for the fold; None when it is. `record_time` in ms."""
    if key is None:
        return "null_key"
    if not EARLIEST <= record_time < LATEST:
        return "absurd_time"
    if topic == CONTROL:
        return None if EARLIEST <= event["at"] < LATEST else "absurd_time"
    account_id = event["account_id"]
    if key != account_id.encode():
        return "key_mismatch"
    if not account_id or not event["event_id"]:
        return "empty_id"
    if "\0" in account_id:  # such keys of the changelog are not accounts
        return "bad_id"
    if not EARLIEST <= event["occurred_at"] <= record_time + policy_time.max_future:
        return "absurd_time"
    traceparent = event["traceparent"]
    if (
        len(account_id) > LONGEST_NAME
        or len(event["event_id"]) > LONGEST_NAME
        or (traceparent is not None and len(traceparent) > LONGEST_NAME)
    ):
        return "too_long"
    return _CHECKS[topic](event)


def _usage(event: Mapping[str, Any]) -> str | None:
    metric = event["metric"]
    if not metric or len(metric) > LONGEST_NAME:
        return "too_long" if metric else "empty_id"
    if not -LARGEST <= event["value"] <= LARGEST:
        return _wrong_number(event["value"])
    return None


def _sentiment(event: Mapping[str, Any]) -> str | None:
    least, largest = SURVEY_SCALES.get(event["survey"], (-LARGEST, LARGEST))
    return (
        _long(event, "channel", "interaction_id")
        or _number(event["score"], -1.0, 1.0)
        or _number(event["survey_value"], least, largest)
        or _number(event["position"], 0, LARGEST_INT)
    )


def _ticket(event: Mapping[str, Any]) -> str | None:
    if not event["ticket_id"]:
        return "empty_id"
    return _long(event, "ticket_id", "theme") or _number(event["satisfaction"], 1.0, 5.0)


def _account(event: Mapping[str, Any]) -> str | None:
    return (
        _long(event, "segment", "stage", "tier", "owner", "time_zone", "channel_preference")
        or _long_text(sum(len(goal) + 1 for goal in event["goals"]))
        or _number(event["value"], 0.0, LARGEST)
        or _time(event["renewal_at"])
    )


def _response(event: Mapping[str, Any]) -> str | None:
    if not event["intervention_id"]:
        return "empty_id"
    return (
        _long(event, "intervention_id", "actor")
        or _long_text(max(len(event[name] or "") for name in ("action", "reason", "alternative")))
        or _number(event["cost"], 0.0, LARGEST)
        or _time(event["promised_by"])
        or _time(event["snooze_until"])
    )


_CHECKS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    USAGE: _usage,
    SENTIMENT: _sentiment,
    TICKETS: _ticket,
    ACCOUNTS: _account,
    RESPONSES: _response,
}


def _long(event: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        text = event[name]
        if text is not None and len(text) > LONGEST_NAME:
            return "too_long"
    return None


def _long_text(length: int) -> str | None:
    return "too_long" if length > LONGEST_TEXT else None


def _number(value: float | None, least: float, largest: float) -> str | None:
    return None if value is None or least <= value <= largest else _wrong_number(value)


def _wrong_number(value: float) -> str:
    # The difference of NaN or an infinity with itself is NaN, which equals nothing.
    return "out_of_range" if value - value == 0 else "not_finite"


def _time(value: int | None) -> str | None:
    return None if value is None or EARLIEST <= value < LATEST else "absurd_time"
