"""What holds for every history: sums, ranges, scale, time, repetition."""

import copy
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.time import DAY, HOUR, WEEK
from tests.support.history import MONDAY, History, daily

FEW = settings(max_examples=40, deadline=None)

steps = st.lists(
    st.tuples(
        st.sampled_from(["usage", "errors", "say", "ticket", "commercial", "wait"]),
        st.integers(0, 3 * DAY),
        st.floats(-1, 1),
        st.integers(0, 5),
    ),
    max_size=60,
)


def play(history: History, todo: list[tuple[str, int, float, int]], start: int = MONDAY) -> History:
    """Plays steps one after the other."""
    at = start
    for kind, wait, value, choice in todo:
        at += wait
        if kind == "usage":
            history.usage(at, abs(value) * 10, ("logins", "feature_use", "spend")[choice % 3])
        elif kind == "errors":
            history.usage(at, abs(value) * 10, "errors")
        elif kind == "say":
            history.say(at, value, channel=("chat", "email")[choice % 2], interaction_id=f"c{choice}")
        elif kind == "ticket":
            changes = ("opened", "replied", "resolved", "reopened", "closed", "escalated")
            history.ticket(at, changes[choice], f"T{wait % 3}", actor="agent" if value > 0 else "customer")
        elif kind == "commercial":
            changes = ("created", "renewed", "cancel_intent", "contracted", "updated", "expanded")
            history.commercial(at, changes[choice], stage=("onboarding", "renewal", None)[choice % 3])
        else:
            history.pass_to(at)
    return history


def warmed() -> History:
    """Five weeks of use, mood and a ticket, so that most dimensions are known."""
    history = History()
    for day in range(35):
        daily(history, day, 40.0 if day % 7 < 5 else 4.0)
        if day % 3 == 0:
            history.say(MONDAY + day * DAY + 20 * HOUR, 0.3, channel="email")
    history.ticket(MONDAY + 35 * DAY, "opened", "T1", priority="normal")
    return history


WARM = warmed()


@FEW
@given(steps)
def test_contributions_sum_to_each_change(todo: list[tuple[str, int, float, int]]) -> None:
    """Within 1e-9, whatever happens; scores and confidences stay in their ranges; lists stay bounded."""
    history = copy.deepcopy(WARM)
    play(history, todo, MONDAY + 36 * DAY)
    for before, after, points in history.changes:
        if before is not None and after is not None:
            assert abs(sum(points) - (after - before)) < 1e-9
    health = history.account.health
    if health.score is not None and health.band_score is not None:
        assert abs(sum(c.points for c in health.since_band_change) - (health.score - health.band_score)) < 1e-9
        assert 0 <= health.score <= 100
    assert 0 <= health.confidence <= 1 + 1e-9
    assert len(health.since_band_change) <= history.policy.health.max_contributions
    for dimension in health.dimensions.values():
        assert dimension.score is None or -1e-9 <= dimension.score <= 100 + 1e-9


@FEW
@given(steps)
def test_the_same_history_gives_the_same_state(todo: list[tuple[str, int, float, int]]) -> None:
    """Twice from the start, and once interrupted by a copy of the state."""
    whole = play(History(), todo)
    again = play(History(), todo)
    assert whole.accounts == again.accounts
    assert whole.findings == again.findings


@FEW
@given(steps)
def test_findings_are_sound(todo: list[tuple[str, int, float, int]]) -> None:
    """Severity and confidence lie in [0, 1], onset is not after detection, and no finding is repeated at its moment."""
    history = copy.deepcopy(WARM)
    play(history, todo, MONDAY + 36 * DAY)
    for _, finding in history.findings:
        assert 0 <= finding.severity <= 1
        assert 0 <= finding.confidence <= 1
        assert finding.onset_at <= finding.at
    moments = [(f.cause, f.at) for _, f in history.findings]
    assert len(set(moments)) == len(moments)


def drop(scale: float, shift: int, seed: int, metric: str) -> list[tuple[Any, ...]]:
    """Relative and forecast findings of a noisy series with a fall, in units of scale and time."""
    noise, history = random.Random(seed), History()
    for day in range(90):
        value = (100 if day < 55 else 35) * (1 if day % 7 < 5 else 0.2) * (1 + 0.2 * noise.gauss(0, 1))
        at = MONDAY + shift + day * DAY + 9 * HOUR
        history.usage(at, scale * max(0.0, value), metric)
        history.usage(at + HOUR, 1.0, "logins", name="other")
    return [
        (f.kind, f.onset_at - shift, f.at - shift, round(f.severity, 6), f.baseline and round(f.baseline / scale, 6))
        for name, f in history.findings
        if name == "a" and f.kind in ("relative", "forecast")
    ]


@FEW
@given(st.integers(0, 1_000), st.sampled_from([2.0**-12, 0.25, 8.0, 2.0**20]))
def test_relative_detection_knows_no_unit(seed: int, scale: float) -> None:
    """Dollars or cents, people or thousands: the same findings."""
    assert drop(scale, 0, seed, "feature_use") == drop(1.0, 0, seed, "feature_use")


@FEW
@given(st.integers(0, 1_000), st.integers(-100, 500))
def test_relative_detection_knows_no_calendar_beyond_the_week(seed: int, weeks: int) -> None:
    """Whole weeks earlier or later: the same findings, moved."""
    assert drop(1.0, weeks * WEEK, seed, "spend") == drop(1.0, 0, seed, "spend")
    assert drop(1.0, weeks * WEEK, seed, "feature_use") == drop(1.0, 0, seed, "feature_use")


def test_the_invariance_tests_look_at_something() -> None:
    """The series they use has a drop that is found."""
    found = [drop(1.0, 0, seed, "feature_use") for seed in range(20)]
    assert sum(bool(findings) for findings in found) >= 18
