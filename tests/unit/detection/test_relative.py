"""A drop of a metric against its own normal."""

import random

import pytest

from streams.domain.time import DAY, HOUR, WEEK
from tests.support.history import MONDAY, History, daily


def week(level: float, day: int, noise: random.Random, spread: float = 0.1) -> float:
    """A working week: weekends are nearly empty."""
    return max(0.0, level * (1.0 if day % 7 < 5 else 0.1) * (1 + spread * noise.gauss(0, 1)))


def kept_alive(history: History, day: int) -> None:
    """A neighbour without a drop."""
    history.usage(MONDAY + day * DAY + 20 * HOUR, 10.0, name="other")


def test_a_fall_of_sixty_percent_over_three_days_is_found_within_a_week() -> None:
    """Once, with the normal as baseline and an onset where it began."""
    noise, history = random.Random(1), History()
    for day in range(63):
        daily(history, day, week(100, day, noise))
    for day in range(63, 80):
        level = {63: 80.0, 64: 60.0}.get(day, 40.0)
        daily(history, day, week(level, day, noise))
    drops = [f for _, f in history.findings if f.kind == "relative"]
    assert len(drops) == 1
    drop = drops[0]
    assert drop.at < MONDAY + 70 * DAY
    assert MONDAY + 62 * DAY <= drop.onset_at <= MONDAY + 65 * DAY
    assert drop.baseline == pytest.approx(72, rel=0.2)
    assert drop.severity > 0.4
    assert drop.evidence[0].expected == drop.baseline


@pytest.mark.parametrize("seed", range(12))
def test_a_working_week_alone_is_no_drop(seed: int) -> None:
    """Half a year of empty weekends and noise."""
    noise, history = random.Random(seed), History()
    for day in range(182):
        daily(history, day, week(100, day, noise, 0.2))
    assert history.kinds() == []


def test_growth_is_no_drop_and_becomes_the_normal() -> None:
    """Twice the use is a healthy account, and the fall back to the old level is then a drop."""
    noise, history = random.Random(2), History()
    for day in range(60):
        daily(history, day, week(100, day, noise))
    for day in range(60, 120):
        daily(history, day, week(250, day, noise))
    assert history.kinds() == []
    for day in range(120, 130):
        daily(history, day, week(80, day, noise))
    assert "relative" in history.kinds()


def test_a_recovered_drop_can_be_found_again() -> None:
    """Fall, return, fall: two findings."""
    noise, history = random.Random(3), History()
    for first, last, level in ((0, 60, 100), (60, 74, 30), (74, 110, 100), (110, 124, 30)):
        for day in range(first, last):
            daily(history, day, week(level, day, noise))
    assert history.kinds().count("relative") == 2


def test_a_lasting_lower_level_becomes_the_normal() -> None:
    """After six weeks nobody is asked to mourn it any longer."""
    noise, history = random.Random(4), History()
    for day in range(60):
        daily(history, day, week(100, day, noise))
    for day in range(60, 120):
        daily(history, day, week(40, day, noise))
    signal = history.account.signals.metrics["logins"]
    assert signal.base is None
    assert history.account.health.score == pytest.approx(80, abs=6)


def test_rising_errors_are_found_and_falling_ones_are_not() -> None:
    """For a cost the bad direction is up."""
    noise, history = random.Random(5), History()
    for day in range(40):
        daily(history, day, 20 + 2 * noise.random(), "errors")
    for day in range(40, 50):
        daily(history, day, 2.0, "errors")
    assert history.kinds() == []
    for day in range(50, 62):
        daily(history, day, 90.0, "errors")
    assert "relative" in history.kinds()


def test_weekly_spend_that_falls_to_a_tenth_is_found() -> None:
    """Within eight weeks, through the noise of a shopper who still comes."""
    noise, history = random.Random(6), History()
    for number in range(40):
        for shop in range(2):
            at = MONDAY + number * WEEK + (1 + 3 * shop) * DAY
            history.usage(at, (30 if number < 30 else 3) * noise.gammavariate(2, 0.5), "spend")
            history.usage(at, 30.0, "spend", name="other")
    drops = [f for name, f in history.findings if f.kind == "relative" and name == "a"]
    assert len(drops) == 1
    assert drops[0].at <= MONDAY + 38 * WEEK
    assert drops[0].dimension == "sales"


def test_the_evidence_grows_with_the_drop_and_lies_between_zero_and_one() -> None:
    """It is what a score of the series is made of."""
    noise, history = random.Random(7), History()
    seen = []
    for day in range(70):
        daily(history, day, week(100 if day < 60 else 20, day, noise))
        kept_alive(history, day)
        seen.append(history.account.signals.metrics["logins"].evidence)
    assert max(seen[:60]) < 0.9
    assert seen[-1] == 1.0
    assert all(0 <= value <= 1 for value in seen)


def test_single_lost_reports_are_no_drop() -> None:
    """A zero before a weekend, a zero in the middle of a week: the rest is as it was."""
    noise, history = random.Random(8), History()
    for day in range(120):
        daily(history, day, 0.0 if day in {53, 75, 95, 110} else week(100, day, noise))
        kept_alive(history, day)
    assert history.kinds() == []


def ends_of(history: History, metric: str = "logins") -> list[tuple[str, int]]:
    """How the drops of a metric ended, and when, in days."""
    return [(end.ended_as, (end.at - MONDAY) // DAY) for end in history.account.signals.metrics[metric].ends]


def test_a_recovery_is_dated_to_the_first_day_that_is_back() -> None:
    """And told once, with the onset of its drop."""
    noise, history = random.Random(9), History()
    for day in range(90):
        daily(history, day, (30.0 if 60 <= day < 72 else 100.0) * (1 + 0.05 * noise.gauss(0, 1)))
    drop = next(f for _, f in history.findings if f.kind == "relative")
    assert ends_of(history) == [("recovered", 72)]
    assert history.account.signals.metrics["logins"].ends[0].onset_at == drop.onset_at
    assert history.account.signals.metrics["logins"].base is None


def test_a_drop_that_deepens_is_held_to_the_normal_before_it() -> None:
    """Told again, and not over when only the second step is undone."""
    history = History()
    for day in range(86):
        daily(history, day, 100.0 if day < 40 else 40.0 if day < 55 else 8.0 if day < 70 else 40.0)
    drops = [f for _, f in history.findings if f.kind == "relative"]
    assert [round(f.baseline or 0) for f in drops] == [100, 100]
    assert ends_of(history) == []


def test_nothing_at_all_never_becomes_the_normal() -> None:
    """Who is gone has not settled at a lower level."""
    history = History()
    for day in range(150):
        if day < 40:
            daily(history, day, 100.0)
        else:
            history.usage(MONDAY + day * DAY, 0.0)
        kept_alive(history, day)
    assert history.account.signals.metrics["logins"].base is not None
    assert ends_of(history) == []


def test_of_many_ends_the_newest_four_are_kept() -> None:
    """The state of a metric stays small."""
    history = History()
    for day in range(60 + 7 * 40):
        daily(history, day, 100.0 if day < 60 or (day - 60) % 40 >= 12 else 20.0)
    assert len(ends_of(history)) == 4
    assert {how for how, _ in ends_of(history)} == {"recovered"}
    assert len([f for _, f in history.findings if f.kind == "relative"]) == 7


def test_chance_gaps_of_a_rare_shopper_are_no_drop() -> None:
    """Three weeks in four are empty; a run of nine empty ones happens."""
    noise, history = random.Random(10), History()
    for number in range(104):
        at = MONDAY + number * WEEK + DAY
        empty = noise.random() < 0.75 or 50 <= number < 58
        history.usage(at, 0.0 if empty else 40 * noise.expovariate(1), "spend")
    assert [f for _, f in history.findings if f.kind == "relative"] == []
