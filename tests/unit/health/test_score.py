"""The score: relative to the account's own normal, unknown when it is, and explained."""

import pytest

from streams import topics
from streams.domain.outputs import Origin
from streams.domain.time import DAY, HOUR
from streams.health import score
from tests.support.history import MONDAY, History, daily

ORIGIN = Origin("t", 0, 1)


def steady(level: float, days: int = 40) -> History:
    """An account at a constant level, beside one that keeps the feed alive."""
    history = History()
    for day in range(days):
        daily(history, day, level)
    return history


@pytest.mark.parametrize("level", [2.0, 200.0])
def test_an_account_at_its_own_normal_scores_the_same_whatever_its_size(level: float) -> None:
    """80 is normal, for the small as for the large."""
    assert steady(level).account.health.score == pytest.approx(80.0, abs=0.5)


def test_use_at_a_third_of_normal_is_at_risk() -> None:
    """After a week of it."""
    history = steady(90.0)
    for day in range(40, 47):
        daily(history, day, 30.0)
    assert history.account.health.band in {"at_risk", "critical"}


def test_a_new_account_has_a_row_and_no_score() -> None:
    """Nothing known never looks green."""
    history = History()
    history.commercial(MONDAY, "created", segment="enterprise")
    row = score.row(history.account, history.policy)
    assert (row["score"], row["band"], row["confidence"], row["covered"]) == (None, "unknown", 0.0, True)
    assert sum(d["weight"] for d in row["dimensions"]) == pytest.approx(1.0)
    assert [d["name"] for d in row["dimensions"]] == ["support", "service", "success", "sales", "sentiment"]


def test_unknown_dimensions_lower_the_confidence_and_not_the_score() -> None:
    """Only success is known, which has 0.35 of the weight."""
    health = steady(50.0).account.health
    assert health.confidence == pytest.approx(0.35, abs=0.01)
    assert health.dimensions["support"].score is None


def test_little_confidence_means_no_score() -> None:
    """Ten days of a metric whose dimension weighs little."""
    history = History()
    for day in range(40):
        daily(history, day, 40.0, "errors")
    assert history.account.health.dimensions["service"].score is not None
    assert history.account.health.score is None


def test_the_contributions_name_the_event_behind_an_angry_word() -> None:
    """And sum to the change."""
    history = steady(50.0)
    history.say(MONDAY + 39 * DAY + 20 * HOUR, 0.0)
    before = history.account.health.score
    history.say(MONDAY + 39 * DAY + 21 * HOUR, -1.0)
    health = history.account.health
    assert health.score is not None
    assert before is not None
    mood = next(c for c in health.last_change if c.name == "mood")
    assert mood.points < -1
    assert mood.event_id == f"e{history._number}"
    assert sum(c.points for c in health.last_change) == pytest.approx(health.score - before, abs=1e-9)


def test_what_time_alone_does_names_no_event() -> None:
    """An ageing blocker takes points each day."""
    history = steady(50.0)
    at = MONDAY + 40 * DAY
    history.ticket(at, "opened")
    for hour in range(1, 30):
        history.usage(at + hour * HOUR, 5.0)
    aged = [
        c for c in history.account.health.since_band_change + history.account.health.crossing if c.name == "tickets"
    ]
    assert min(c.points for c in aged) < 0
    assert all(c.event_id is None for c in aged if c.points < 0)


def test_contributions_since_the_band_change_sum_to_it() -> None:
    """From the score at the change of band to the present one, however many there were."""
    history = steady(50.0)
    for i in range(60):
        history.say(MONDAY + 40 * DAY + i * HOUR, -0.8 if i % 3 else 0.6, channel=f"c{i % 7}")
        health = history.account.health
        if health.score is not None and health.band_score is not None:
            total = sum(c.points for c in health.since_band_change)
            assert total == pytest.approx(health.score - health.band_score, abs=1e-9)
            assert len(health.since_band_change) <= history.policy.health.max_contributions


def test_a_change_of_policy_is_labelled_as_such() -> None:
    """Other weights, the same evidence: the whole change is the policy's."""
    history = steady(50.0)
    at = MONDAY + 40 * DAY
    history.say(at, -1.0)
    history.say(at, -1.0)
    before = history.account.health.score
    rule = history.policy.health.weights[0].model_copy(update={"weights": {"sentiment": 0.8, "success": 0.2}})
    health_policy = history.policy.health.model_copy(update={"weights": [rule]})
    changed = history.policy.model_copy(update={"version": "2", "health": health_policy})
    why = score.Change("tick", None, at, ORIGIN)
    assert score.refresh(history.account, history.partition, at, changed, why)
    health = history.account.health
    assert before is not None
    assert health.score is not None
    assert health.score < before - 5
    assert {c.name for c in health.last_change} == {"policy"}
    assert sum(c.points for c in health.last_change) == pytest.approx(health.score - before, abs=1e-9)


def test_nothing_new_changes_no_row() -> None:
    """A second look at the same moment."""
    history = steady(50.0)
    at = history.partition.stream_time
    why = score.Change("tick", None, at, ORIGIN)
    score.refresh(history.account, history.partition, at, history.policy, why)
    assert not score.refresh(history.account, history.partition, at, history.policy, why)


def test_segment_and_stage_choose_the_weights() -> None:
    """The last rule that fits wins."""
    rules = History().policy.health
    assert rules.weights_for("enterprise", "")["service"] == pytest.approx(0.2)
    assert rules.weights_for("enterprise", "renewal")["sales"] == pytest.approx(0.25)
    assert rules.weights_for("small", "")["success"] == pytest.approx(0.35)


def test_the_trend_follows_a_decline() -> None:
    """Points a week, negative while it goes down."""
    history = steady(90.0)
    for day in range(40, 48):
        daily(history, day, 90.0 - 9 * (day - 40))
    assert history.account.health.trend < -2


def test_an_intent_to_cancel_takes_the_sales_dimension_down() -> None:
    """Until it is renewed."""
    history = steady(50.0)
    history.commercial(MONDAY + 40 * DAY, "cancel_intent")
    assert history.account.health.dimensions["sales"].score == 10
    history.commercial(MONDAY + 41 * DAY, "renewed")
    assert history.account.health.dimensions["sales"].score == 90
    assert topics.ACCOUNTS in history.partition.sources


def test_contributions_start_anew_at_a_change_of_band() -> None:
    """What led into the band is kept apart from what has come since."""
    history = steady(50.0)
    bands = [history.account.health.band]
    for day in range(40, 50):
        daily(history, day, 15.0)
        health = history.account.health
        assert health.score is not None
        assert health.band_score is not None
        total = sum(c.points for c in health.since_band_change)
        assert total == pytest.approx(health.score - health.band_score, abs=1e-9)
        if health.band != bands[-1]:
            bands.append(health.band)
            assert sum(c.points for c in health.crossing) < 0
    assert len(bands) > 2, "the history must cross bands"
