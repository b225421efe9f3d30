"""Events that are not fit for the fold are told apart, each with its reason."""

import math
from typing import Any

import pytest

from streams.domain.validate import EARLIEST, LATEST, REASONS, check
from streams.topics import ACCOUNTS, CONTROL, RESPONSES, SENTIMENT, TICKETS, USAGE

NOW = 1_767_603_600_000


class Limits:
    """Event time may be an hour ahead of record time."""

    max_future = 3_600_000


BASE = {"event_id": "e", "account_id": "acme", "occurred_at": NOW, "traceparent": None}
_VOICE = {"channel": "email", "interaction_id": None, "score": 0.5, "survey": "none", "survey_value": None}
_NAMES = dict.fromkeys(("segment", "stage", "tier", "owner", "time_zone", "channel_preference"))
_WORDS = dict.fromkeys(("action", "reason", "alternative"))
_TIMES = dict.fromkeys(("promised_by", "snooze_until"))
EVENTS: dict[str, dict[str, Any]] = {
    USAGE: {**BASE, "metric": "logins", "value": 1.0},
    SENTIMENT: {**BASE, **_VOICE, "position": None},
    TICKETS: {**BASE, "ticket_id": "t", "theme": "", "satisfaction": None},
    ACCOUNTS: {**BASE, **_NAMES, "goals": [], "value": None, "renewal_at": None},
    RESPONSES: {**BASE, **_WORDS, **_TIMES, "intervention_id": "i", "actor": "", "cost": None},
}


def _check(topic: str, key: bytes | None = b"acme", at: int = NOW, **changes: Any) -> str | None:
    return check(topic, key, {**EVENTS[topic], **changes}, at, Limits)


@pytest.mark.parametrize("topic", EVENTS)
def test_an_ordinary_event_is_fit(topic: str) -> None:
    """No reason."""
    assert _check(topic) is None


@pytest.mark.parametrize("topic", EVENTS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": None}, "null_key"),
        ({"key": b"other"}, "key_mismatch"),
        ({"key": b"\xff\xfe"}, "key_mismatch"),
        ({"key": b"", "account_id": ""}, "empty_id"),
        ({"event_id": ""}, "empty_id"),
        ({"key": b"\0partition", "account_id": "\0partition"}, "bad_id"),
        ({"key": b"x" * 257, "account_id": "x" * 257}, "too_long"),
        ({"event_id": "x" * 257}, "too_long"),
        ({"traceparent": "x" * 257}, "too_long"),
        ({"occurred_at": -1}, "absurd_time"),
        ({"occurred_at": NOW // 1000}, "absurd_time"),
        ({"occurred_at": NOW * 1000}, "absurd_time"),
        ({"occurred_at": NOW + Limits.max_future + 1}, "absurd_time"),
        ({"at": -1}, "absurd_time"),
        ({"at": LATEST, "occurred_at": NOW}, "absurd_time"),
    ],
)
def test_what_holds_for_all_topics(topic: str, changes: dict[str, Any], reason: str) -> None:
    """Key, ids and times."""
    assert _check(topic, **changes) == reason


def test_times_at_the_bounds_are_fit() -> None:
    """The first and the last moment that are taken."""
    assert _check(USAGE, occurred_at=EARLIEST) is None
    assert _check(USAGE, occurred_at=NOW + Limits.max_future) is None


@pytest.mark.parametrize(
    ("topic", "changes", "reason"),
    [
        (USAGE, {"value": math.nan}, "not_finite"),
        (USAGE, {"value": math.inf}, "not_finite"),
        (USAGE, {"value": -math.inf}, "not_finite"),
        (USAGE, {"value": 1e300}, "out_of_range"),
        (USAGE, {"metric": ""}, "empty_id"),
        (USAGE, {"metric": "x" * 257}, "too_long"),
        (SENTIMENT, {"channel": "x" * 257}, "too_long"),
        (SENTIMENT, {"interaction_id": "x" * 257}, "too_long"),
        (SENTIMENT, {"position": 1 << 40}, "out_of_range"),
        (TICKETS, {"ticket_id": "x" * 257}, "too_long"),
        (TICKETS, {"theme": "x" * 257}, "too_long"),
        (ACCOUNTS, {"owner": "x" * 257}, "too_long"),
        (ACCOUNTS, {"goals": [""] * 5000}, "too_long"),
        (ACCOUNTS, {"goals": ["x" * 2048] * 2}, "too_long"),
        (RESPONSES, {"actor": "x" * 257}, "too_long"),
        (RESPONSES, {"reason": "x" * 4097}, "too_long"),
        (SENTIMENT, {"score": 1.01}, "out_of_range"),
        (SENTIMENT, {"score": math.nan}, "not_finite"),
        (SENTIMENT, {"survey": "nps", "survey_value": 11.0}, "out_of_range"),
        (SENTIMENT, {"survey": "csat", "survey_value": 0.0}, "out_of_range"),
        (SENTIMENT, {"survey": "ces", "survey_value": math.inf}, "not_finite"),
        (SENTIMENT, {"position": -1}, "out_of_range"),
        (TICKETS, {"ticket_id": ""}, "empty_id"),
        (SENTIMENT, {"score": -1.01}, "out_of_range"),
        (SENTIMENT, {"survey": "nps", "survey_value": -0.5}, "out_of_range"),
        (SENTIMENT, {"survey": "csat", "survey_value": 5.5}, "out_of_range"),
        (SENTIMENT, {"survey": "ces", "survey_value": 7.5}, "out_of_range"),
        (TICKETS, {"satisfaction": 0.5}, "out_of_range"),
        (TICKETS, {"satisfaction": 5.5}, "out_of_range"),
        (ACCOUNTS, {"value": -1.0}, "out_of_range"),
        (ACCOUNTS, {"renewal_at": 12}, "absurd_time"),
        (ACCOUNTS, {"renewal_at": LATEST}, "absurd_time"),
        (RESPONSES, {"intervention_id": ""}, "empty_id"),
        (RESPONSES, {"cost": math.nan}, "not_finite"),
        (RESPONSES, {"promised_by": NOW * 1000}, "absurd_time"),
        (RESPONSES, {"snooze_until": -5}, "absurd_time"),
    ],
)
def test_what_holds_for_one_topic(topic: str, changes: dict[str, Any], reason: str) -> None:
    """Numbers and scales."""
    assert _check(topic, **changes) == reason
    assert reason in REASONS


@pytest.mark.parametrize(("survey", "value"), [("nps", 0.0), ("nps", 10.0), ("csat", 5.0), ("ces", 1.0)])
def test_answers_on_their_scale_are_fit(survey: str, value: float) -> None:
    """Both ends of it included."""
    assert _check(SENTIMENT, survey=survey, survey_value=value, score=None) is None


@pytest.mark.parametrize(("at", "reason"), [(NOW, None), (-1, "absurd_time"), (LATEST, "absurd_time")])
def test_a_control_record_has_no_account(at: int, reason: str | None) -> None:
    """Only its key and time are looked at."""
    assert check(CONTROL, b"control", {"kind": "tick", "at": at}, NOW, Limits) == reason
    assert check(CONTROL, None, {"kind": "tick", "at": at}, NOW, Limits) == "null_key"
