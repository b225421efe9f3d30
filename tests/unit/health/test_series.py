"""A metric that is reported as a level: its drops, their ends, and what they do to health."""

from __future__ import annotations

import random
from itertools import pairwise
from math import isfinite
from typing import Literal

import pytest

from streams import topics
from streams.domain.time import DAY, HOUR, MINUTE, SECOND
from streams.outcomes.verification import verdict
from streams.policy.load import default_policy
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy
from tests.support.history import MONDAY, History

GAUGE = "free_capacity"
DIP = range(400, 420)


def policy_with(good: Literal["up", "down"] = "up", watch: Literal["harm", "both"] = "harm", **more: float) -> Policy:
    """The shipped policy with one gauge."""
    policy = default_policy()
    gauge = MetricPolicy.model_validate({"kind": "level", "good": good, "watch": watch, **more})
    return policy.model_copy(update={"metrics": {**policy.metrics, GAUGE: gauge}})


def fed(policy: Policy, shift: float, moments: range, step: int = HOUR, rows: int = 520) -> History:
    """Noise around 100, with another mean at some of the moments."""
    history, draw = History(policy), random.Random(11)
    for i in range(rows):
        value = 100.0 + draw.gauss(0, 1) + (shift if i in moments else 0.0)
        history.usage(MONDAY + i * step, value, GAUGE)
    return history


def test_a_dip_is_found_dated_and_over() -> None:
    """Opened within it, dated to its first sample, closed at the first sample behind it."""
    history = fed(policy_with(), -12.0, DIP)
    (_, finding), *others = history.findings
    assert (finding.kind, finding.subject, finding.harm, others) == ("relative", GAUGE, True, [])
    assert abs(finding.onset_at - (MONDAY + DIP.start * HOUR)) <= HOUR
    assert finding.onset_at <= finding.at < MONDAY + DIP.stop * HOUR
    (end,) = history.account.signals.metrics[GAUGE].ends
    assert (end.ended_as, end.onset_at) == ("recovered", finding.onset_at)
    assert abs(end.at - (MONDAY + DIP.stop * HOUR)) <= HOUR


def test_a_lower_level_that_lasts_becomes_the_normal() -> None:
    """It is never called recovered."""
    history = fed(policy_with(), -12.0, range(300, 520))
    ends = history.account.signals.metrics[GAUGE].ends
    assert [end.ended_as for end in ends] == ["new_normal"]


def test_a_rise_of_what_is_good_when_high_is_not_told() -> None:
    """Unless the policy asks for both sides."""
    assert fed(policy_with(), 12.0, DIP).findings == []


def test_a_rise_that_is_watched_is_told_but_is_no_harm() -> None:
    """So that nothing is fired for it."""
    ((_, finding),) = fed(policy_with(watch="both"), 12.0, DIP).findings
    assert not finding.harm
    assert "rose above" in finding.text


def test_a_rise_of_what_is_bad_when_high_is_harm() -> None:
    """The other way round for costs."""
    ((_, finding),) = fed(policy_with("down"), 12.0, DIP).findings
    assert finding.harm


def test_the_score_falls_with_a_dip_and_comes_back() -> None:
    """80 is the expectation, before as after."""
    policy = policy_with()
    during = fed(policy, -12.0, DIP, rows=DIP.stop).account.signals.metrics[GAUGE].score
    after = fed(policy, -12.0, DIP).account.signals.metrics[GAUGE].score
    assert during is not None
    assert during < 60.0
    assert after == 80.0


def test_a_bound_of_the_policy_holds_for_a_gauge_too() -> None:
    """As many samples as make a run, all below it."""
    history = fed(policy_with(threshold=90.0), -15.0, DIP)
    assert "threshold" in history.kinds()


def test_a_bound_that_is_passed_within_an_hour_is_seen_at_once() -> None:
    """Health of a gauge is looked at by the hour or day; a bound by each sample that is beyond it."""
    history = fed(policy_with(threshold=0.0), 0.0, DIP, 300 * SECOND, rows=300)
    low = MONDAY + 300 * 300 * SECOND
    for i, value in enumerate((-1.0, -1.0, -1.0, 100.0)):
        history.usage(low + i * 300 * SECOND, value, GAUGE)
    assert low // HOUR == (low + 900 * SECOND) // HOUR
    ((_, finding),) = [found for found in history.findings if found[1].kind == "threshold"]
    assert (finding.onset_at, finding.at) == (low, low + 600 * SECOND)


def test_a_gauge_is_back_beyond_its_bound_when_that_has_held() -> None:
    """Also where a single sample is enough to be found."""
    history = fed(policy_with(threshold=90.0, min_run=1), -15.0, DIP)
    ((_, finding),) = [found for found in history.findings if found[1].kind == "threshold"]
    judged = verdict(
        history.account,
        history.partition,
        finding.kind,
        finding.dimension,
        GAUGE,
        finding.baseline,
        finding.onset_at,
        finding.at,
        MONDAY + (DIP.stop + 5) * HOUR,
        history.policy,
    )
    assert judged.outcome == "recovered"


def test_an_older_sample_changes_nothing() -> None:
    """Its moment has been judged."""
    history = fed(policy_with(), 0.0, DIP, rows=60)
    signal = history.account.signals.metrics[GAUGE]
    before = (signal.n, signal.newest_at)
    old = {"metric": GAUGE, "value": -1e6, "unit": "", "occurred_at": MONDAY + 29 * HOUR}
    history.event(topics.USAGE, MONDAY + 59 * HOUR, old)
    assert (signal.n, signal.newest_at) == before


@pytest.mark.parametrize("step", [HOUR, DAY])
def test_a_steady_gauge_raises_nothing(step: int) -> None:
    """Neither by the hour nor by the day."""
    assert fed(policy_with(watch="both"), 0.0, DIP, step).findings == []


def test_episodes_of_a_gauge_never_overlap() -> None:
    """One ends before, or when, the next begins."""
    history, draw = History(policy_with(watch="both")), random.Random(5)
    level = 100.0
    for i in range(3_000):
        if i % 170 == 0:
            level += draw.choice([-9.0, 9.0])
        history.usage(MONDAY + i * HOUR, level + draw.gauss(0, 1), GAUGE)
    ends = history.account.signals.metrics[GAUGE].ends
    assert len(ends) == 4
    assert all(end.onset_at <= end.opened_at for end in ends)
    assert all(before.opened_at < after.opened_at for before, after in pairwise(ends))


@pytest.mark.parametrize("size", [1e100, 1e38, 1e-160, 1e-320])
@pytest.mark.parametrize("step", [HOUR, DAY])
def test_no_reading_that_is_let_in_breaks_a_gauge(size: float, step: int) -> None:
    """Whatever comes, what is known stays a number."""
    history, draw = History(policy_with(watch="both")), random.Random(2)
    for i in range(400):
        value = draw.gauss(0, 1) * size if i < 200 else draw.choice([size, -size, 0.0, 1.0])
        history.usage(MONDAY + i * step, value, GAUGE)
    signal = history.account.signals.metrics[GAUGE]
    assert all(isfinite(known) for known in (signal.level, signal.noise, signal.recent, signal.evidence))
    assert signal.score is not None
    assert 0.0 <= signal.score <= 100.0


def test_a_gauge_that_comes_at_another_pace_is_learnt_anew() -> None:
    """Each row would else be a gap, and nothing would ever be seen."""
    history, draw = History(policy_with()), random.Random(2)
    for i in range(60):
        history.usage(MONDAY + i * MINUTE, 100.0 + draw.gauss(0, 1), GAUGE)
    slow = MONDAY + DAY
    for i in range(300):
        value = 100.0 + draw.gauss(0, 1) - (30.0 if i >= 250 else 0.0)
        history.usage(slow + i * 6 * HOUR, value, GAUGE)
    series = history.account.signals.metrics[GAUGE].series
    assert series is not None
    assert abs(series.step - 6 * HOUR) < HOUR
    ((_, finding),) = history.findings
    assert finding.onset_at >= slow + 249 * 6 * HOUR


def test_a_few_long_gaps_are_lost_reports() -> None:
    """What was learnt stays."""
    history, draw = History(policy_with()), random.Random(2)
    at = MONDAY
    for i in range(200):
        at += 2 * DAY if i % 20 == 19 else HOUR
        history.usage(at, 100.0 + draw.gauss(0, 1), GAUGE)
    assert history.account.signals.metrics[GAUGE].n == 200


def opened(rate: float, metrics: int) -> int:
    """How many changes a year of pure hourly noise of one gauge shows, among so many metrics."""
    policy = policy_with(watch="both")
    detection = policy.detection.model_copy(update={"max_false_alarms_per_account_year": rate})
    history, draw = History(policy.model_copy(update={"detection": detection})), random.Random(8)
    for extra in range(metrics - 1):
        history.usage(MONDAY, 1.0, f"other-{extra}")
    for i in range(4_000):
        history.usage(MONDAY + i * HOUR, draw.gauss(0, 1), GAUGE)
    return sum(finding.subject == GAUGE for _, finding in history.findings)


def test_the_permitted_rate_reaches_gauges_and_is_shared_by_metrics() -> None:
    """More alarms when more are permitted, fewer when others have a part in them."""
    assert opened(0.2, 1) <= 1
    assert opened(52.0, 1) > opened(52.0, 4) > 0
