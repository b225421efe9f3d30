"""How likely an account is gone: learnt from the partition's own past, sensible before there is one."""

from __future__ import annotations

import csv
import gzip
import random
from math import exp, log

import pytest

from streams import topics
from streams.detection import dormancy
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.partitioner import partition_of
from streams.domain.signal import Rhythm
from streams.domain.time import DAY, WEEK, parse_time
from streams.health import panel, rhythm, silences
from streams.policy.load import default_policy
from tests.support.data import data_directory
from tests.support.history import MONDAY

POLICY = default_policy()


class Shop:
    """Partitions of customers who buy at given times: the panel and the accounts' rhythms, nothing else."""

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = [PartitionState(number) for number in range(partitions)]
        self.accounts: dict[str, AccountState] = {}

    def partition(self, name: str) -> PartitionState:
        """The partition of an account."""
        return self.partitions[partition_of(name.encode(), len(self.partitions))]

    def buy(self, name: str, at: int) -> None:
        """A purchase; record by record in order of time."""
        partition = self.partition(name)
        self.pass_to(partition, at)
        account = self.accounts.setdefault(name, AccountState(name))
        event = {"account_id": name, "occurred_at": at, "metric": "purchases", "value": 1.0}
        panel.observe(partition, topics.USAGE, event, account, POLICY)
        rhythm.active(account.signals.rhythm, partition, at, POLICY)

    def pass_to(self, partition: PartitionState, at: int) -> None:
        """Lets time pass."""
        if at >= partition.dormancy.due_at:
            dormancy.learn(partition, at)
        partition.stream_time = max(at, partition.stream_time)

    def gone(self, name: str, now: int) -> float:
        """Probability that the account is gone."""
        return dormancy.probability_gone(self.accounts[name], self.partition(name), now, POLICY)


def cohort(shop: Shop, number: int, weeks: int, death: float, start: int = MONDAY, seed: int = 1) -> dict[str, bool]:
    """Customers who buy about every second week until they die, each week with probability `death`. Who lives?"""
    rng = random.Random(seed)
    alive: dict[str, bool] = {}
    moments: list[tuple[int, str]] = []
    for i in range(number):
        name, at = f"c{i}", start + int(rng.random() * 8 * WEEK)
        dies = start + int(rng.expovariate(death) * WEEK)
        while at < start + weeks * WEEK and (at < dies or name not in alive):
            moments.append((at, name))
            alive[name] = True
            at += int(rng.expovariate(1 / 2) * WEEK) + DAY
        alive[name] = dies >= start + weeks * WEEK
    for at, name in sorted(moments):
        shop.buy(name, at)
    for partition in shop.partitions:
        shop.pass_to(partition, start + weeks * WEEK)
    return alive


def test_an_account_that_was_never_active_is_not_gone() -> None:
    """It has not come yet."""
    assert dormancy.probability_gone(AccountState("a"), PartitionState(0), MONDAY, POLICY) == 0.0


def test_before_anything_is_learnt_the_prior_decides() -> None:
    """By its formula."""
    shop = Shop()
    for week in range(3):
        shop.buy("a", MONDAY + week * WEEK)
    b0, b1, b2, b3, _ = dormancy.PRIOR
    logit = b0 + b1 * log(1 + 10) + b2 * log(1 + 2) + b3 * log(39)
    assert shop.gone("a", MONDAY + 12 * WEEK) == pytest.approx(1 / (1 + exp(-logit)))


def test_the_longer_the_silence_the_likelier_it_is_for_good() -> None:
    """And the more often an account came, the less likely."""
    shop = Shop()
    for week in range(12):
        shop.buy("often", MONDAY + week * WEEK)
    shop.buy("once", MONDAY + 12 * WEEK)
    now = MONDAY + 20 * WEEK
    assert shop.gone("often", now) < shop.gone("once", now)
    assert [shop.gone("often", now + i * WEEK) for i in range(50)] == sorted(
        shop.gone("often", now + i * WEEK) for i in range(50)
    )


def brier(shop: Shop, alive: dict[str, bool], now: int) -> float:
    """Mean squared error of the probabilities."""
    return sum((shop.gone(name, now) - (not living)) ** 2 for name, living in alive.items()) / len(alive)


@pytest.mark.parametrize("death", [0.002, 0.01, 0.03])
def test_a_partition_learns_how_its_own_customers_leave(death: float) -> None:
    """Customers who buy every other week: after two years it knows better than the prior, by far."""
    shop = Shop()
    alive = cohort(shop, 600, 104, death)
    now = MONDAY + 104 * WEEK
    learnt = brier(shop, alive, now)
    shop.partitions[0].dormancy.weights = []
    assert learnt < 0.6 * brier(shop, alive, now)
    assert learnt < 0.08


def test_few_accounts_teach_nothing_yet() -> None:
    """Below four hundred the prior stands; beyond, the weights move away from it."""
    few, many = Shop(), Shop()
    cohort(few, 390, 60, 0.002)
    cohort(many, 410, 60, 0.002)
    assert few.partitions[0].dormancy.weights == []
    learnt = many.partitions[0].dormancy.weights
    assert max(abs(b - a) for b, a in zip(learnt, dormancy.PRIOR, strict=True)) > 0.4


def test_segments_that_differ_are_told_apart() -> None:
    """Each has weights of its own, drawn to those of all."""
    rng, shop = random.Random(3), Shop()
    moments: list[tuple[int, str]] = []
    for i in range(900):
        name, at = f"{'short' if i % 2 else 'long'}-{i}", MONDAY
        life = (8 if i % 2 else 80) * WEEK
        while at < MONDAY + min(104 * WEEK, life):
            moments.append((at, name))
            at += int(rng.expovariate(1 / 3) * WEEK) + DAY
    for _, name in sorted(moments, key=lambda item: item[1]):
        if name not in shop.partitions[0].panel.members:
            event = {"account_id": name, "segment": name.split("-")[0]}
            panel.observe(shop.partitions[0], topics.ACCOUNTS, event, None, POLICY)
    for at, name in sorted(moments):
        shop.buy(name, at)
        shop.accounts[name].profile.segment = name.split("-")[0]
    shop.pass_to(shop.partitions[0], MONDAY + 60 * WEEK)
    pulse = Rhythm(last_at=MONDAY + 54 * WEEK, repeats=3)
    found = {}
    for segment in ("short", "long"):
        account = AccountState("x")
        account.signals.rhythm, account.profile.segment = pulse, segment
        found[segment] = dormancy.probability_gone(account, shop.partitions[0], MONDAY + 60 * WEEK, POLICY)
    assert found["long"] < found["short"]


def test_counts_add_up() -> None:
    """Each member of the panel is silent since exactly one week, and what returned is bounded."""
    shop = Shop()
    cohort(shop, 300, 80, 0.02)
    partition = shop.partitions[0]
    segment = partition.dormancy.segments[""]
    assert sum(sum(week.silent) for week in segment.weeks) == len(partition.panel.members) == 300
    assert min(min(week.silent, default=0) for week in segment.weeks) >= 0
    assert len(segment.weeks) <= silences.KEPT
    assert max(len(week.returned) for week in segment.weeks) <= silences.KEPT // silences.MARK * silences.CELLS


def test_what_is_older_than_two_years_is_forgotten() -> None:
    """Weeks make room; accounts of weeks that are gone may come back and are counted from then on."""
    shop = Shop()
    for i in range(20):
        shop.buy(f"old-{i}", MONDAY)
    for week in range(0, 300, 2):
        shop.buy("steady", MONDAY + week * WEEK)
    shop.buy("old-1", MONDAY + 300 * WEEK)
    segment = shop.partitions[0].dormancy.segments[""]
    assert len(segment.weeks) == silences.KEPT
    assert sum(sum(week.silent) for week in segment.weeks) == 2
    shop.buy("steady", MONDAY + 900 * WEEK)
    assert sum(sum(week.silent) for week in segment.weeks) == 1
    assert len(segment.weeks) == 1


def test_the_panel_stays_bounded_and_fair() -> None:
    """Of many accounts a sample is followed: counts fall with it, and the answer is much the same."""
    shop = Shop()
    alive = cohort(shop, 5_000, 48, 0.03)
    partition = shop.partitions[0]
    members = len(partition.panel.members)
    assert panel.MOST / 2 < members <= panel.MOST
    segment = partition.dormancy.segments[""]
    assert sum(sum(week.silent) for week in segment.weeks) == members
    learnt = brier(shop, alive, MONDAY + 48 * WEEK)
    partition.dormancy.weights = []
    assert learnt < 0.6 * brier(shop, alive, MONDAY + 48 * WEEK)


def test_a_machine_leaves_the_panel() -> None:
    """Its reports are no activity of a customer."""
    shop = Shop()
    shop.buy("a", MONDAY)
    shop.buy("b", MONDAY)
    panel.leave(shop.partitions[0], "a")
    panel.leave(shop.partitions[0], "never seen")
    assert sorted(shop.partitions[0].panel.members) == ["b"]
    assert sum(sum(week.silent) for week in shop.partitions[0].dormancy.segments[""].weeks) == 1


def test_the_fit_is_the_maximum_of_its_likelihood() -> None:
    """No small step in any direction is better."""
    shop = Shop()
    cohort(shop, 400, 60, 0.02)
    known = shop.partitions[0].dormancy
    rows = dormancy._rows(known.segments[""], known)
    weights = dormancy.fit(rows, dormancy.PRIOR, [])

    def loss(b: list[float]) -> float:
        pulls = zip(dormancy._RIDGES, b, dormancy.PRIOR, strict=True)
        total = sum(ridge / 2 * (x - p) ** 2 for ridge, x, p in pulls)
        for (_, cell, horizon), (silence, n, gone) in rows.items():
            activity, usual = silences.of_cell(cell)
            missed = log(1 + (exp(silence / n) - 1) / usual)
            z = b[0] + b[1] * silence / n + b[2] * activity + b[3] * log(4 * horizon) + b[4] * missed
            total += n * log(1 + exp(z)) - gone * z
        return total

    best = loss(weights)
    for i in range(5):
        for step in (-0.01, 0.01):
            assert loss([b + step * (i == j) for j, b in enumerate(weights)]) > best


@pytest.mark.parametrize("partitions", [1, 8, 64])
def test_the_public_cdnow_cohort_is_told_apart(partitions: int) -> None:
    """Nine months of purchases, and who bought in the nine months after: as good on one partition as on many."""
    base = data_directory()
    if base is None or not (base / "cdnow").is_dir():
        pytest.skip("the public CDNOW data are not here")
    with gzip.open(base / "cdnow" / "usage.csv.gz", "rt") as file:
        bought = sorted((parse_time(row["time"]), row["account_id"]) for row in csv.DictReader(file))
    with gzip.open(base / "cdnow" / "labels.csv.gz", "rt") as file:
        labels = list(csv.DictReader(file))
    shop, until = Shop(partitions), parse_time(labels[0]["until"])
    for at, name in bought:
        shop.buy(name, at)
    for partition in shop.partitions:
        shop.pass_to(partition, until)
    pairs = [(shop.gone(row["account_id"], until), row["purchase_days_next_39_weeks"] == "0") for row in labels]
    error = sum((p - gone) ** 2 for p, gone in pairs) / len(pairs)
    right = sum((p >= 0.5) == gone for p, gone in pairs) / len(pairs)
    assert error < 0.157
    assert right > 0.775
    pairs.sort()
    size = len(pairs) // 5
    for part in (pairs[i * size : (i + 1) * size] for i in range(5)):
        expected = sum(p for p, _ in part) / size
        assert abs(expected - sum(gone for _, gone in part) / size) < 0.06
