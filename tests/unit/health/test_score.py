"""The score: relative to the account's own normal, unknown when it is, and explained."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams import topics
from streams.domain.health import DimensionState, Part
from streams.domain.outputs import Origin
from streams.domain.time import DAY, HOUR, WEEK
from streams.health import contributions, score
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


def test_a_day_that_time_closes_names_its_newest_event() -> None:
    """What moved the score are the day's events, though the timer that closed it is what made us look."""
    history = steady(50.0)
    daily(history, 40, 0.5)
    newest = f"e{history._number}"
    history.pass_to(MONDAY + 41 * DAY + 2 * HOUR)
    assert ("logins", newest) in {(c.name, c.event_id) for c in history.account.health.last_change}


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


def test_old_words_that_weigh_otherwise_are_the_doing_of_the_policy() -> None:
    """Another half-life makes another mood of the same words: no event did that."""
    history = steady(50.0)
    history.say(history.partition.stream_time, -0.9)
    for day in range(40, 46):
        daily(history, day, 50.0)
    now = history.partition.stream_time
    history.say(now, 0.9)
    rules = history.policy.health.model_copy(update={"half_life": 2 * DAY})
    changed = history.policy.model_copy(update={"version": "2", "health": rules})
    assert score.refresh(history.account, history.partition, now, changed, score.Change("tick", None, now, ORIGIN))
    names = {c.name for c in history.account.health.last_change}
    assert score.POLICY in names
    assert "mood" not in names


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


def test_the_first_word_is_named_by_the_contribution_it_makes() -> None:
    """A dimension that becomes known names the event by which it did."""
    history = steady(50.0)
    history.say(MONDAY + 39 * DAY + 20 * HOUR, -1.0)
    change = history.account.health.last_change
    assert {(c.dimension, c.name, c.event_id) for c in change} >= {("sentiment", "mood", f"e{history._number}")}


def test_confidence_at_the_bound_is_too_little() -> None:
    """It must be exceeded: what is known of one light dimension alone makes no score."""
    history = steady(50.0)
    confidence, now = history.account.health.confidence, history.partition.stream_time
    for version, bound, known in (("2", confidence, False), ("3", confidence - 0.001, True)):
        rules = history.policy.health.model_copy(update={"min_confidence": bound})
        policy = history.policy.model_copy(update={"version": version, "health": rules})
        assert score.refresh(history.account, history.partition, now, policy, score.Change("tick", None, now, ORIGIN))
        assert (history.account.health.score is not None) is known


def test_a_signal_that_grows_old_does_not_make_its_dimension_better_known() -> None:
    """Nor less known than it is by its other signal alone."""
    history = steady(50.0)
    alone = history.account.health.dimensions["success"].confidence
    for day in range(30):
        daily(history, day + 40, 50.0, "logins")
    signals = history.account.signals
    signals.metrics["old"] = copy.deepcopy(signals.metrics["logins"])
    signals.metrics["logins"].n = 25  # by itself it is not known for sure
    confidences = []
    for week in range(8):
        signals.metrics["old"].ats[-1] -= week * WEEK
        now = history.partition.stream_time + week
        score.refresh(history.account, history.partition, now, history.policy, score.Change("t", None, now, ORIGIN))
        confidences.append(history.account.health.dimensions["success"].confidence)
    assert alone == 1
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > confidences[-1] >= 25 / 31.5


known_parts = st.dictionaries(
    st.sampled_from(["p", "q", "r"]), st.tuples(st.floats(0, 100), st.floats(0.01, 2), st.floats(0.02, 1)), max_size=3
)
sides = st.dictionaries(st.sampled_from(["support", "success", "sales"]), known_parts, min_size=1)


def _side(found: dict[str, dict[str, tuple[float, float, float]]]) -> dict[str, DimensionState]:
    """Dimensions of equal weight made of parts (score, weight, confidence)."""
    made = {}
    for name, parts in found.items():
        held = {key: Part(value, weight, confidence) for key, (value, weight, confidence) in parts.items()}
        total = sum(part.weight for part in held.values())
        mean = sum(part.weight * part.score for part in held.values()) / total if held else None
        made[name] = DimensionState(mean, max((p.confidence for p in held.values()), default=0.0), 1.0, 0, held)
    return made


@given(sides, sides)
def test_addends_sum_to_the_change_before_rounding_is_shared_out(old: Any, new: Any) -> None:
    """Also each signal's own: its weight now, times how far its score has moved."""
    before, after = (contributions.shares(_side(found)) for found in (old, new))
    assume(before and after)
    start, end = (sum(share * value for share, value, _ in side.values()) for side in (before, after))
    found = contributions.between(before, after, start, 0)
    assert sum(c.points for c in found) == pytest.approx(end - start, abs=1e-9)
    told = {(c.dimension, c.name): c.points for c in found}
    for name in before.keys() & after.keys():
        held, total = after[name][2].parts, sum(part.weight for part in after[name][2].parts.values())
        for key in held.keys() & before[name][2].parts.keys():
            moved = held[key].score - before[name][2].parts[key].score
            own = after[name][0] * held[key].weight / total * moved
            assert told.get((name, key), 0.0) == pytest.approx(own, abs=1e-9)


def test_what_is_back_is_clearly_above_its_bound() -> None:
    """Dimension and score, each by its own bound; noted since when."""
    history = steady(50.0)
    now = history.partition.stream_time
    bounds = {name: score.recovery_bound(name, history.policy) for name in (score.SCORE, "success")}
    assert bounds == {score.SCORE: 43.0, "success": 58.0}
    for value in (30.0, 42.9, 43.1, 57.9, 58.1):
        now += 1
        history.account.signals.metrics["logins"].score = value
        score.refresh(history.account, history.partition, now, history.policy, score.Change("t", None, now, ORIGIN))
        for name, bound in bounds.items():
            assert (name in history.account.health.above) is (value > bound), (name, value)
    assert history.account.health.above["success"] == now
    assert history.account.health.above[score.SCORE] == now - 2
