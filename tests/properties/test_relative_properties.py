"""What holds for every series of periods: units, dates and the way in which it comes do not matter."""

import random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection import hurdle, relative
from streams.domain.signal import Signals, SignalState
from streams.domain.time import DAY, HOUR, WEEK
from streams.health import normal
from streams.policy.load import default_policy
from streams.shell.state_codec import decode_account, encode_account
from tests.support.history import MONDAY, History

POLICY = default_policy()
SPEND, LOGINS = POLICY.metrics["spend"], POLICY.metrics["logins"]
FEW = settings(max_examples=40, deadline=None)


class Told(NamedTuple):
    """What a series led to: alarms by period, ends of drops, evidence by period."""

    alarms: list[int]
    ends: list[tuple[int, int, str, int]]
    evidence: list[float]


def told(values: list[float], length: int = WEEK, start: int = MONDAY) -> Told:
    """Runs closed periods through normal and detector."""
    metric = SPEND if length == WEEK else LOGINS
    account, signal = Signals(), SignalState()
    account.metrics["m"] = signal
    alarms, evidence = [], []
    for number, value in enumerate(values):
        at = start + number * length
        normal.learn(signal, normal.working(value, metric), at, metric, POLICY.detection.relative)
        if relative.judge(account, "m", signal, metric, POLICY, at + length):
            alarms.append(number)
        evidence.append(signal.evidence)
    ends = [(e.onset_at - start, e.opened_at - start, e.ended_as, e.at - start) for e in account.ended]
    return Told(alarms, ends, evidence)


def shopper(seed: int, length: int = WEEK) -> list[float]:
    """Periods of money with a fall to a tenth, and for some a return."""
    rng = random.Random(seed)
    fall, back, count = rng.randint(30, 60), rng.randint(65, 90), 120
    empty = rng.choice((0.0, 0.2, 0.6))
    values = []
    for number in range(count):
        level = 0.1 if fall <= number < back or (seed % 2 and number >= back) else 1.0
        week = 0.2 if length == DAY and number % 7 > 4 else 1.0
        values.append(0.0 if rng.random() < empty else level * week * rng.gammavariate(4.0, 25.0))
    return values


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 0.1, 7.3, 1e4]), st.sampled_from([DAY, WEEK]))
def test_units_do_not_matter(seed: int, factor: float, length: int) -> None:
    """Cents or thousands: the same alarms, ends and evidence."""
    values = shopper(seed, length)
    here, there = told(values, length), told([value * factor for value in values], length)
    assert here.alarms == there.alarms
    assert here.ends == there.ends
    assert here.evidence == pytest.approx(there.evidence, abs=1e-6)


@FEW
@given(st.integers(0, 10_000), st.integers(-500, 500), st.sampled_from([DAY, WEEK]))
def test_dates_do_not_matter(seed: int, weeks: int, length: int) -> None:
    """The same series some weeks earlier or later."""
    values = shopper(seed, length)
    assert told(values, length) == told(values, length, MONDAY + weeks * WEEK)


@FEW
@given(st.integers(0, 10_000))
def test_the_past_does_not_depend_on_the_future(seed: int) -> None:
    """What is told of the first periods is the same when the rest is cut off."""
    values = shopper(seed)
    whole, part = told(values), told(values[:70])
    assert part.evidence == whole.evidence[:70]
    assert part.alarms == [number for number in whole.alarms if number < 70]


@FEW
@given(st.integers(0, 10_000))
def test_a_drop_ends_once_after_it_was_opened(seed: int) -> None:
    """Onset, opening and end in this order; a recovery is never dated before the onset."""
    for onset, opened, how, at in told(shopper(seed)).ends:
        assert onset < opened
        assert onset <= at
        assert how in {"recovered", "new_normal"}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_how_a_series_is_cut_into_pieces_does_not_matter(seed: int, data: Any) -> None:
    """Time that passes in between, and a state that is stored and read back, change nothing."""
    values = shopper(seed)[:80]
    cuts = set(data.draw(st.lists(st.integers(0, 79), max_size=6)))
    plain, cut = History(), History()
    for number, value in enumerate(values):
        at = MONDAY + number * WEEK + 2 * DAY
        plain.usage(at, value, "spend")
        cut.usage(at, value, "spend")
        if number in cuts:
            cut.pass_to(at + 3 * DAY)
            cut.pass_to(at + 3 * DAY + HOUR)
            cut.accounts["a"] = decode_account(encode_account(cut.account))
    assert [finding for _, finding in cut.findings] == [finding for _, finding in plain.findings]
    assert cut.account.signals.metrics["spend"] == plain.account.signals.metrics["spend"]


counts = st.integers(1, 60)


@given(counts, st.floats(0, 1), st.floats(0.1, 50), counts, st.floats(0, 1), st.floats(0, 50), st.floats(0.1, 100))
def test_evidence_of_mostly_empty_series_is_never_negative(
    periods: int, share: float, mean: float, later: int, later_share: float, later_mean: float, variance: float
) -> None:
    """And there is none when more happens than before."""
    active, later_active = round(share * periods), round(later_share * later)
    found = hurdle.evidence(periods, active, active * mean, later, later_active, later_active * later_mean, variance)
    assert found >= -1e-9
    if later_active * periods >= active * later and later_mean >= mean:
        assert found < 1e-9
