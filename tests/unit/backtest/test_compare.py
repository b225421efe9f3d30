"""Figures of policies on a history: rates, lead times, differences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.compare import account_years, agreed, differences, figures, leads, names_of, quantile
from streams.backtest.episodes import EpisodeRow
from streams.backtest.fold import Harm, PolicyResult, Result
from streams.domain.time import DAY, YEAR

T = 1_700_000_000_000
WINDOW, END = 90 * DAY, T + 1000 * DAY


def row(
    opened: int, account: str = "a", metric: str = "m", onset: int | None = None, *, harm: bool = True
) -> EpisodeRow:
    """An episode; times in days from T."""
    began = T + (opened if onset is None else onset) * DAY
    return EpisodeRow(account, metric, "relative", began, T + opened * DAY, harm=harm)


def churned(day: int, account: str = "a") -> Harm:
    return Harm(account, "churned", T + day * DAY)


def test_lead_time_is_from_the_opening_to_the_next_event_of_the_account() -> None:
    found = leads([row(0), row(50)], [churned(60), churned(61, "b")], WINDOW, END)
    assert found.leads == [10 * DAY, 60 * DAY]
    assert (found.events, found.preceded, found.share_preceded) == (2, 1, 0.5)


def test_event_beyond_the_window_was_not_preceded_and_the_episode_is_unconfirmed() -> None:
    found = leads([row(0)], [churned(91)], WINDOW, END)
    assert (found.leads, found.preceded, found.without, found.share_without) == ([], 0, 1, 1.0)
    assert leads([row(0)], [churned(90)], WINDOW, END).preceded == 1


def test_event_at_the_moment_of_the_opening_was_not_foreseen() -> None:
    """An intent to cancel is found when it is told, which is no lead."""
    found = leads([row(5)], [churned(5)], WINDOW, END)
    assert (found.leads, found.preceded) == ([], 0)


def test_episode_near_the_end_of_the_history_is_not_held_unconfirmed() -> None:
    found = leads([row(950)], [], WINDOW, END)
    assert (found.without, found.untold, found.share_without) == (0, 1, None)


def test_change_for_the_better_warns_of_nothing() -> None:
    found = leads([row(0, harm=False)], [churned(10)], WINDOW, END)
    assert (found.leads, found.without, found.preceded) == ([], 0, 0)


def test_account_years_end_when_the_account_leaves() -> None:
    result = Result([], {"a": (T, None), "b": (T, T + YEAR), "c": (T + 2 * YEAR, None)}, [], T + 2 * YEAR)
    assert account_years(result) == 3.0


def test_only_groups_of_which_the_history_holds_events_have_figures() -> None:
    """No lead time is made up where nothing says what was missed."""
    made = Result([PolicyResult([row(0)])], {"a": (T, None)}, [], END)
    assert figures(made, [("1", "1")], WINDOW)[0].leads == {}
    made.harms = [Harm("a", "ticket", T + DAY)]
    assert set(figures(made, [("1", "1")], WINDOW)[0].leads) == {"complaint"}
    made.harms.append(churned(5))
    assert set(figures(made, [("1", "1")], WINDOW)[0].leads) == {"loss", "complaint", "any"}


def test_rates_are_per_account_year() -> None:
    made = Result([PolicyResult([row(0), row(50)])], {"a": (T, None)}, [], T + YEAR // 2)
    [one] = figures(made, [("1", "1")], WINDOW)
    assert one.rate(one.episodes) == 4.0
    assert figures(Result([PolicyResult()]), [("1", "1")], WINDOW)[0].rate(1) is None


def test_episodes_of_near_onsets_on_one_metric_are_the_same() -> None:
    assert differences([row(10, onset=1)], [row(20, onset=8)], 7 * DAY) == []


@pytest.mark.parametrize("other", [row(20, onset=9), row(10, onset=1, metric="n"), row(10, "b", onset=1)])
def test_other_onset_metric_or_account_is_another_episode(other: EpisodeRow) -> None:
    first = row(10, onset=1)
    found = differences([first], [other], 7 * DAY)
    assert [one for d in found for one in d.first_only] == [first]
    assert [one for d in found for one in d.other_only] == [other]


def test_nearest_onsets_are_matched_first_and_one_to_one() -> None:
    first, other = [row(3, onset=0), row(5, onset=4)], [row(6, onset=5)]
    [found] = differences(first, other, 7 * DAY)
    assert (found.both, found.first_only, found.other_only) == (1, [first[0]], [])
    assert agreed(first, [found]) == 1


def test_account_that_differs_most_comes_first() -> None:
    found = differences([row(0, "a"), row(0, "b"), row(50, "b"), row(0, "c")], [row(0, "c")], DAY)
    assert [one.account_id for one in found] == ["b", "a"]


_ROWS = st.lists(
    st.builds(row, st.integers(0, 60), st.sampled_from(["a", "b"]), st.sampled_from(["m", "n"]), st.integers(0, 9)),
    max_size=12,
)


@given(_ROWS, _ROWS, st.integers(0, 20))
def test_every_episode_is_in_both_or_in_one_only(first: list[EpisodeRow], other: list[EpisodeRow], days: int) -> None:
    """And it does not matter which policy is named first."""
    found = differences(first, other, days * DAY)
    back = differences(other, first, days * DAY)
    both = agreed(first, found)
    assert both == len(other) - sum(len(one.other_only) for one in found)
    assert both == agreed(other, back)
    assert differences(first, first, days * DAY) == []


def test_quantile_is_a_value_that_occurs() -> None:
    assert [quantile([1, 2, 3, 4], share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, 4]
    assert quantile([], 0.5) is None


def test_policies_are_told_apart_by_file_else_by_number() -> None:
    assert names_of(["a", "b"]) == ["a", "b"]
    assert names_of(["a", "a", "b"]) == ["a-1", "a-2", "b"]


def test_no_two_policies_have_the_same_name() -> None:
    """Files are named by it: one would overwrite the other."""
    assert names_of(["a-2", "a", "a"]) == ["a-2", "a-1", "a-3"]
