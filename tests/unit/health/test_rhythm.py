"""The account's own rhythm, and what its segment adds to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import exp

import pytest

from streams import topics
from streams.domain.account import AccountState
from streams.domain.gap_pool import GapPool
from streams.domain.partition import PartitionState, SourceState
from streams.domain.signal import Rhythm
from streams.domain.time import DAY, HOUR, MINUTE
from streams.health import panel, rhythm
from streams.policy.load import default_policy
from tests.support.history import MONDAY

POLICY = default_policy()
YEAR = 365.25 * DAY
PERMITTED = POLICY.detection.silence.share * POLICY.detection.max_false_alarms_per_account_year


def regular(gap: int, times: int, partition: PartitionState | None = None) -> AccountState:
    """An account of equal gaps."""
    account = AccountState("a")
    for i in range(1, times + 1):
        rhythm.active(account.signals.rhythm, partition or PartitionState(0), i * gap, POLICY)
    return account


def patience(account: AccountState, partition: PartitionState | None = None) -> float:
    """In ms; the rhythm must be known."""
    found = rhythm.patience(account, partition or PartitionState(0), POLICY)
    assert found is not None
    return found


def test_patience_grows_with_the_usual_gap() -> None:
    """Weekly customers are waited for longer than daily ones."""
    assert 3 * DAY <= patience(regular(DAY, 40)) < 9 * DAY
    assert 14 * DAY < patience(regular(7 * DAY, 40)) < 60 * DAY


def test_an_unknown_rhythm_has_no_patience_to_exceed() -> None:
    """Too few gaps."""
    assert rhythm.patience(regular(DAY, 7), PartitionState(0), POLICY) is None


def test_the_fewer_alarms_are_permitted_the_longer_is_the_patience() -> None:
    """The operator's knob is what turns it."""
    detection = POLICY.detection.model_copy(update={"max_false_alarms_per_account_year": 0.02})
    strict = POLICY.model_copy(update={"detection": detection})
    account, partition = regular(2 * DAY, 40), PartitionState(0)
    longer = rhythm.patience(account, partition, strict)
    assert longer is not None
    assert longer > patience(account)


def test_events_of_one_session_are_one_activity() -> None:
    """Gaps inside a session are not learnt."""
    pulse = regular(DAY, 14).signals.rhythm
    n = pulse.n
    assert not rhythm.active(pulse, PartitionState(0), 14 * DAY + MINUTE, POLICY)
    assert (pulse.n, pulse.repeats, pulse.last_at) == (n, 13, 14 * DAY + MINUTE)


def test_a_gap_over_a_silence_of_the_feed_is_not_learnt() -> None:
    """The account may have been there. It is active again all the same."""
    pulse = regular(DAY, 14).signals.rhythm
    n = pulse.n
    outage = PartitionState(0, sources={topics.USAGE: SourceState(silent_until=19 * DAY)})
    rhythm.active(pulse, outage, 20 * DAY, POLICY)
    assert (pulse.n, pulse.repeats, pulse.last_at) == (n, 14, 20 * DAY)


def test_activity_after_being_overdue_is_a_return() -> None:
    """Of that gap only the part is learnt that the account was waited for."""
    waited, long = (regular(DAY, 14).signals.rhythm for _ in range(2))
    waited.overdue_at = long.overdue_at = 16 * DAY
    rhythm.active(waited, PartitionState(0), 20 * DAY, POLICY)
    rhythm.active(long, PartitionState(0), 90 * DAY, POLICY)
    assert waited.overdue_at is None
    assert waited.resumed_at == 20 * DAY
    assert (waited.mean, waited.spread) == (long.mean, long.spread)


def test_a_customer_who_once_went_away_is_waited_for_longer() -> None:
    """The gap has widened the distribution."""
    account = regular(DAY, 20)
    before = patience(account)
    rhythm.active(account.signals.rhythm, PartitionState(0), 30 * DAY, POLICY)
    assert patience(account) > 1.5 * before


def test_the_tail_of_the_segment_decides_once_it_is_known() -> None:
    """Where long absences are unusual one waits less than where nothing is known, or where they are usual."""
    account = regular(2 * DAY, 40)
    account.profile.segment = "x"
    steady = PartitionState(0, gaps={"x": GapPool(gaps=100_000, tail=[200] * 16, spread=0.3)})
    loose = PartitionState(0, gaps={"x": GapPool(gaps=100_000, tail=[200] * 60, spread=0.3)})
    assert patience(account, steady) < patience(account) < patience(account, loose)


@pytest.mark.parametrize("gaps", [0, 10, 1_000, 1_000_000])
def test_the_quantile_is_passed_by_no_more_than_is_permitted(gaps: int) -> None:
    """Counted over the pool and its prior, at the edge that was chosen and beyond the last bin."""
    tail = [gaps // 2 ** (i + 2) for i in range(24)]
    pool = GapPool(gaps=gaps, tail=tail)
    for permitted in (1e-2, 1e-3, 1e-4, 1e-6):
        z = rhythm._quantile(pool, permitted)
        beyond = sum(tail[round(z * 8 + 0.499) :])
        prior = rhythm._TAIL_GAPS * exp(-rhythm._TAIL_RATE * z)
        assert beyond + prior <= permitted * (gaps + rhythm._TAIL_GAPS) * 1.001


def test_a_pool_stays_bounded() -> None:
    """Whatever comes, and however much."""
    pulse, pool = Rhythm(n=40, mean=18.0, spread=0.001), GapPool(gaps=(1 << 22) - 1, tail=[8], spread=0.001)
    rhythm.count(pulse, pool, 10**15)
    assert len(pool.tail) == 96
    assert (pool.gaps, pool.tail[0]) == (1 << 21, 4)


def test_further_segments_share_one_pool() -> None:
    """Segments are texts of users: there may be any number."""
    partition = PartitionState(0)
    for number in range(100):
        rhythm.pool_of(f"s{number}", partition)
    assert len(partition.gaps) == 33


Draw = Callable[[random.Random, float], float]


def false_alarms(draw: Draw, accounts: int, years: int, mean: float, seed: int) -> float:
    """False silences per account-year of accounts whose gaps are independent; `mean` in days, theirs around it."""
    rng = random.Random(seed)
    sessions: list[tuple[int, int]] = []
    for number in range(accounts):
        own = mean * 2.718281828 ** rng.gauss(0, 0.5)
        at = MONDAY + rng.random() * own * DAY
        while at < MONDAY + years * YEAR:
            sessions.append((int(at), number))
            at += max(draw(rng, own) * DAY, 9 * HOUR)
    return _replayed(sorted(sessions), accounts) / (accounts * years)


def _replayed(sessions: Iterable[tuple[int, int]], accounts: int) -> int:
    """How many gaps went beyond the patience of their account at that time."""
    partition = PartitionState(0)
    known = [AccountState(f"account-{number}") for number in range(accounts)]
    alarms = 0
    for at, number in sessions:
        account, partition.stream_time = known[number], at
        pulse = account.signals.rhythm
        waited = rhythm.patience(account, partition, POLICY)
        if waited is not None and at - pulse.last_at > waited:
            alarms += 1
            pulse.overdue_at = pulse.last_at + waited
        event = {"account_id": account.account_id, "occurred_at": at, "metric": "logins", "value": 1.0}
        panel.observe(partition, topics.USAGE, event, account, POLICY)
        rhythm.active(pulse, partition, at, POLICY)
    return alarms


def _weeks(rng: random.Random, _mean: float) -> float:
    """Rows at the end of each week, each left out by chance."""
    weeks = 1
    while rng.random() < 0.2:
        weeks += 1
    return 7.0 * weeks


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        pytest.param(lambda rng, mean: rng.expovariate(1 / mean), 2.0, id="poisson"),
        pytest.param(lambda rng, mean: rng.expovariate(1 / mean), 20.0, id="rare-poisson"),
        pytest.param(lambda rng, mean: rng.gammavariate(2, mean / 2), 3.0, id="gamma"),
        pytest.param(lambda rng, mean: rng.gammavariate(0.5, 2 * mean), 5.0, id="bursts"),
        pytest.param(lambda rng, mean: mean * 2.718281828 ** rng.gauss(0, 0.6), 3.0, id="log-normal"),
        pytest.param(_weeks, 7.0, id="weekly-rows"),
    ],
)
@pytest.mark.parametrize("accounts", [60, 240])
def test_independent_gaps_stay_at_the_promised_rate(draw: Draw, mean: float, accounts: int) -> None:
    """No more silences than the policy permits, but for two standard errors of what was counted, from the first day."""
    years = 2
    found = false_alarms(draw, accounts, years, mean, seed=1)
    assert found <= PERMITTED + 2 * (PERMITTED / (accounts * years)) ** 0.5


def test_a_rhythm_that_is_read_back_goes_on_as_before() -> None:
    """Nothing but its fields counts."""
    pulse = regular(DAY, 30).signals.rhythm
    other = replace(pulse)
    for one in (pulse, other):
        rhythm.active(one, PartitionState(0), 33 * DAY, POLICY)
    assert pulse == other
