"""The other detectors: one finding each, given once."""

import random

import pytest

from streams import topics
from streams.domain.time import DAY, HOUR, MINUTE, WEEK
from tests.support.history import MONDAY, History, daily


def test_a_blocker_is_found_at_its_age_and_once() -> None:
    """An urgent ticket after a day, by timer."""
    history = History()
    history.ticket(MONDAY, "opened", theme="login")
    history.pass_to(MONDAY + 5 * DAY)
    found = [f for _, f in history.findings if f.kind == "blocked"]
    assert [(f.subject, f.onset_at, f.at, f.dimension) for f in found] == [("T1", MONDAY, MONDAY + DAY, "support")]
    assert "login" in found[0].text


def test_a_ticket_of_low_priority_never_blocks() -> None:
    """The policy names high and urgent only."""
    history = History()
    history.ticket(MONDAY, "opened", priority="low")
    history.pass_to(MONDAY + 60 * DAY)
    assert history.kinds() == []


def test_a_resolved_ticket_does_not_block_and_a_reopened_one_may_again() -> None:
    """Resolved in time, reopened, forgotten: the age counts from the opening."""
    history = History()
    history.ticket(MONDAY, "opened")
    history.ticket(MONDAY + 20 * HOUR, "resolved", actor="agent")
    history.pass_to(MONDAY + 3 * DAY)
    assert history.kinds() == []
    history.ticket(MONDAY + 3 * DAY, "reopened")
    assert history.kinds() == ["blocked"]


def test_a_mood_that_falls_within_a_conversation_is_found_at_once() -> None:
    """At the utterance that makes it certain."""
    history = History()
    for i, value in enumerate((0.5, 0.4, -0.1, -0.6, -0.8)):
        history.say(MONDAY + i * MINUTE, value, interaction_id="c1", channel="chat")
    found = [f for _, f in history.findings]
    assert [(f.kind, f.subject, f.onset_at, f.at) for f in found] == [
        ("frustration", "c1", MONDAY, MONDAY + 3 * MINUTE)
    ]


@pytest.mark.parametrize(
    "scores", [(-0.6, -0.6, -0.6, -0.6), (0.9, 0.9, 0.2, 0.1), (-0.9, -0.5, 0.4, 0.8), (0.5, -0.9)]
)
def test_a_mood_that_was_low_or_stays_fair_or_is_too_short_is_no_fall(scores: tuple[float, ...]) -> None:
    """A customer who comes angry is not made angry here."""
    history = History()
    for i, value in enumerate(scores):
        history.say(MONDAY + i * MINUTE, value, interaction_id="c1", channel="chat")
    assert history.kinds() == []


def test_a_created_account_that_never_starts_is_found_after_the_onboarding_time() -> None:
    """Once."""
    history = History()
    history.commercial(MONDAY, "created")
    history.pass_to(MONDAY + 60 * DAY)
    found = [f for _, f in history.findings]
    assert [(f.kind, f.at, f.onset_at) for f in found] == [("silent_start", MONDAY + 14 * DAY, MONDAY)]


def test_an_account_that_starts_in_time_is_no_silent_start() -> None:
    """One login is a start."""
    history = History()
    history.commercial(MONDAY, "created")
    history.usage(MONDAY + 10 * DAY, 1.0)
    history.pass_to(MONDAY + 60 * DAY)
    assert "silent_start" not in history.kinds()


def test_readings_of_zero_are_no_activity() -> None:
    """A report that says nothing happened does not break the silence."""
    history = History()
    history.commercial(MONDAY, "created")
    for day in range(20):
        history.usage(MONDAY + day * DAY, 0.0)
    assert "silent_start" in history.kinds()


def test_a_silence_is_dated_to_when_the_account_was_expected() -> None:
    """Its usual gap after its last activity. No metric is ever sure enough here to tell it before."""
    policy = History().policy
    metrics = {name: metric.model_copy(update={"evidence": 1e9}) for name, metric in policy.metrics.items()}
    history = History(policy.model_copy(update={"metrics": metrics}))
    for day in range(40):
        daily(history, day, 20.0)
        history.usage(MONDAY + day * DAY + 20 * HOUR, 20.0, name="other")
    for day in range(40, 60):
        history.usage(MONDAY + day * DAY + 20 * HOUR, 20.0, name="other")
    found = [f for _, f in history.findings if f.kind == "silence"]
    assert len(found) == 1
    last = MONDAY + 39 * DAY + 14 * HOUR
    assert last < found[0].onset_at <= last + DAY
    assert found[0].at >= last + 3 * DAY


def test_a_slow_decline_is_forecast_before_it_is_a_drop() -> None:
    """Two percent a day, told weeks before the half is lost."""
    history = History()
    for day in range(90):
        daily(history, day, 100.0 if day < 50 else 100.0 * 0.975 ** (day - 50))
    kinds = history.kinds()
    assert "forecast" in kinds
    first = next(f for _, f in history.findings if f.kind == "forecast")
    assert first.at < MONDAY + 78 * DAY
    assert first.onset_at >= MONDAY + 40 * DAY


def test_a_steady_account_has_no_forecast() -> None:
    """Nothing falls."""
    history = History()
    for day in range(90):
        daily(history, day, 100.0 + day % 3)
    assert history.kinds() == []


def test_a_metric_with_a_bound_of_its_own_is_found_below_it() -> None:
    """A goal that the policy sets, whatever the account's normal is."""
    policy = History().policy
    metrics = {**policy.metrics, "uptime": policy.metrics["goal_progress"].model_copy(update={"threshold": 0.9})}
    history = History(policy.model_copy(update={"metrics": metrics}))
    for day in range(8):
        history.usage(MONDAY + day * DAY, 0.99 if day < 4 else 0.7, "uptime")
    found = [f for _, f in history.findings if f.kind == "threshold"]
    assert [(f.subject, f.baseline, f.onset_at) for f in found] == [("uptime", 0.9, MONDAY + 4 * DAY)]


def test_a_score_below_the_bound_is_found_once_and_names_what_pulls_it_down() -> None:
    """Usage and mood together make it certain enough."""
    history = History()
    for day in range(40):
        daily(history, day, 50.0)
    for day in range(40, 50):
        daily(history, day, 5.0)
        history.say(MONDAY + day * DAY + 15 * HOUR, -0.9)
    found = [f for _, f in history.findings if f.kind == "threshold"]
    assert len(found) == 1
    assert (found[0].subject, found[0].dimension) == ("score", "success")
    assert found[0].onset_at >= MONDAY + 40 * DAY


def test_an_intent_to_cancel_is_found_at_once_and_once() -> None:
    """And again when it is stated anew."""
    history = History()
    history.commercial(MONDAY, "cancel_intent")
    history.commercial(MONDAY + 1, "updated")
    assert history.kinds() == ["cancel_intent"]
    history.commercial(MONDAY + DAY, "renewed")
    history.commercial(MONDAY + 2 * DAY, "cancel_intent")
    assert history.kinds() == ["cancel_intent", "cancel_intent"]


def test_an_account_that_has_left_is_left_in_peace() -> None:
    """No finding after it churned."""
    history = History()
    history.ticket(MONDAY, "opened")
    history.commercial(MONDAY + HOUR, "churned")
    history.pass_to(MONDAY + 30 * DAY)
    assert history.kinds() == []
    assert topics.TICKETS in history.partition.sources


def test_noise_of_metrics_alone_raises_no_low_score() -> None:
    """Two metrics of spend that go up and down together, without any change."""
    history, draw = History(), random.Random(4)
    for week in range(104):
        for account, at in enumerate(sorted(draw.randrange(WEEK) for _ in range(12))):
            value = draw.expovariate(1 / 40)
            if draw.random() < 0.7:
                history.usage(MONDAY + week * WEEK + at, value, "spend", f"a{account}")
                history.usage(MONDAY + week * WEEK + at, value / 4, "lines", f"a{account}")
    scores = [c[1] for c in history.changes if c[1] is not None]
    assert min(scores) < history.policy.detection.threshold.score
    assert sum(finding.kind == "threshold" for _, finding in history.findings) <= 2
