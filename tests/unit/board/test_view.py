"""The view keeps what the output topics said, whatever order and copies they come in."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.domain.time import DAY, HOUR
from streams.views.summary import summarise
from streams.views.view import HISTORY_POINTS, SUPPRESSED_KEPT, Point, View, thin
from tests.support.sample_outputs import START, health, outcome, samples, step, suppressed


def test_a_copy_of_a_record_is_dropped_and_counted() -> None:
    view = View()
    record = step("a", "opened", 0, START, START)
    assert view.apply(topics.INTERVENTIONS, "a", record)
    assert not view.apply(topics.INTERVENTIONS, "a", dict(record))
    assert (len(view.episodes), view.duplicates, view.records[topics.INTERVENTIONS]) == (1, 1, 1)


def test_records_of_an_episode_are_ordered_by_seq_over_both_topics() -> None:
    view = View()
    opened = step("a", "opened", 0, START, START)
    view.apply(topics.OUTCOMES, "a", outcome(opened, "back_on_track", 2, START + 3 * DAY))
    view.apply(topics.INTERVENTIONS, "a", step("a", "back_on_track", 1, START + 3 * DAY, START))
    view.apply(topics.INTERVENTIONS, "a", opened)
    [episode] = view.accounts["a"].episodes.values()
    assert [seq for seq, _ in episode.records()] == [0, 1, 2]
    assert (episode.state, episode.phase, episode.first["state"]) == ("back_on_track", "recovered", "opened")


def test_stream_time_is_the_newest_time_in_any_record() -> None:
    view = View()
    view.apply(topics.HEALTH, "a", health("a", START + DAY, 80.0))
    view.apply(topics.SUPPRESSED, "a", suppressed("a", "cooldown", START))
    assert view.stream_time == START + DAY


def test_newest_health_row_wins_and_history_keeps_the_others() -> None:
    view = View()
    for day, score in enumerate((90.0, 60.0, None)):
        view.apply(topics.HEALTH, "a", health("a", START + day * DAY, score))
    account = view.accounts["a"]
    assert account.band == "unknown"
    assert [point.score for point in account.history] == [90.0, 60.0, None]


def test_tombstone_forgets_the_account_everywhere() -> None:
    view = View()
    view.apply(topics.INTERVENTIONS, "a", step("a", "opened", 0, START, START))
    view.apply(topics.SUPPRESSED, "a", suppressed("a", "cooldown", START))
    view.apply(topics.HEALTH, "b", health("b", START, 80.0))
    assert view.apply(topics.HEALTH, "a", None)
    assert (set(view.accounts), view.episodes, view.suppressed["cooldown"], list(view.recent)) == ({"b"}, {}, 0, [])
    assert not view.apply(topics.HEALTH, "a", None), "there is nothing left to forget"


def test_suppressed_are_all_counted_and_only_the_newest_kept() -> None:
    view = View()
    for number in range(SUPPRESSED_KEPT + 30):
        view.apply(topics.SUPPRESSED, "a", suppressed("a", "cooldown", START + number, number))
    account = view.accounts["a"]
    assert (len(account.suppressed), account.suppressed_total) == (SUPPRESSED_KEPT, SUPPRESSED_KEPT + 30)
    assert view.suppressed["cooldown"] == SUPPRESSED_KEPT + 30


def test_a_topic_that_is_not_an_output_changes_nothing() -> None:
    view = View()
    assert not view.apply(topics.USAGE, "a", {"account_id": "a"})
    assert view.version == 0


def test_a_long_history_is_thinned_and_keeps_every_change_of_band() -> None:
    view = View()
    for number in range(HISTORY_POINTS * 3):
        band_low = number == 17
        view.apply(topics.HEALTH, "a", health("a", START + number * HOUR, 20.0 if band_low else 90.0))
    history = view.accounts["a"].history
    assert len(history) <= HISTORY_POINTS
    assert [point.at for point in history] == sorted(point.at for point in history)
    assert any(point.band == "critical" for point in history)
    assert history[-1].at == START + (HISTORY_POINTS * 3 - 1) * HOUR


@given(st.lists(st.sampled_from(["healthy", "watch", "critical"]), min_size=HISTORY_POINTS + 1, max_size=900))
def test_thinning_is_bounded_and_keeps_order(bands: list[str]) -> None:
    """However wild the bands, thinning ends within the bound and keeps the newest point."""
    history = [Point(at, 50.0, band) for at, band in enumerate(bands)]
    thinned = thin(history)
    assert len(thinned) < len(history)
    assert thinned == sorted(thinned)
    assert thinned[-1] == history[-1]


@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_figures_do_not_depend_on_the_order_between_topics_nor_on_copies(rng: random.Random, copies: int) -> None:
    """Topics are read independently: any interleaving that keeps each topic's own order gives the same figures."""
    records = samples(accounts=8, days=30)
    expected = View()
    for topic, account_id, record in records:
        expected.apply(topic, account_id, record)
    queues = {topic: [r for r in records if r[0] == topic] for topic in topics.OUTPUTS}
    view = View()
    while any(queues.values()):
        topic = rng.choice([topic for topic, queue in queues.items() if queue])
        view.apply(*queues[topic].pop(0))
    episodes = [r for r in records if r[0] in {topics.INTERVENTIONS, topics.OUTCOMES}]
    for topic, account_id, record in rng.sample(episodes, min(copies, len(episodes))):
        view.apply(topic, account_id, dict(record))
    # Reasons that came equally often have no order of their own.
    assert summarise(view).record() == summarise(expected).record()
    assert {a: v.history for a, v in view.accounts.items()} == {a: v.history for a, v in expected.accounts.items()}
