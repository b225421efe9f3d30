"""A simulated world through the whole core: the books balance, and most of what was seeded is found."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from streams.policy.load import default_policy, load_policy
from streams.sentiment.vader import VaderScorer
from streams.simulation.desk import Desk
from streams.simulation.fold_engine import FoldEngine
from streams.simulation.ledger import Ledger
from streams.simulation.loop import run
from streams.simulation.verdict import Verdict, judge
from streams.simulation.world import World
from streams.views.view import View


class Lived(NamedTuple):
    world: World
    view: View
    verdict: Verdict


def live(seed: int, accounts: int) -> Lived:
    world, view = World(seed, accounts, 56), View()
    engine = FoldEngine(default_policy(), lambda text: load_policy(text, "policy record"), VaderScorer())
    for step in run(world, Desk(world), engine):
        for topic, account_id, record in step.decided:
            view.apply(topic, account_id, dict(record))
    return Lived(world, view, judge(world, view, world.end))


@pytest.fixture(scope="module")
def lived() -> Lived:
    return live(seed=11, accounts=150)


def test_every_drop_and_every_episode_is_counted_once(lived: Lived) -> None:
    verdict = lived.verdict
    told = verdict.found.total() + verdict.held_back.total() + len(verdict.missed) + verdict.fresh.total()
    assert told == verdict.seeded.total() == len(lived.world.drops)
    assert sum(treated.drops for treated in verdict.treated.values()) == verdict.found.total()
    assert verdict.found_as.total() == verdict.found.total()
    assert len(verdict.false) <= verdict.episodes == len(lived.view.episodes)


def test_most_drops_are_found_and_few_episodes_are_false(lived: Lived) -> None:
    verdict = lived.verdict
    assert verdict.found.total() >= 0.85 * verdict.seeded.total()
    assert len(verdict.false) <= 0.2 * verdict.episodes


def test_the_outage_of_the_usage_feed_raises_next_to_nothing(lived: Lived) -> None:
    assert lived.verdict.false_in_outage <= 0.02 * len(lived.world.accounts)


def test_acting_brings_accounts_back_and_kind_words_do_not(lived: Lived) -> None:
    treated = lived.verdict.treated
    rates = {kind: part.recovered / part.drops for kind, part in treated.items()}
    assert rates["well"] > 0.7
    assert rates["well"] > 2 * rates["badly"]


def test_the_ledger_tells_each_drop_once_and_in_order(lived: Lived) -> None:
    world = lived.world
    ledger = Ledger(world)
    middle = (world.start + world.end) // 2
    lines = [*ledger.upto(middle, lived.verdict.seeded), *ledger.upto(world.end, lived.verdict.seeded)]
    times = [line["at"] for line in lines[1:]]
    assert times == sorted(times)
    assert [line["account_id"] for line in lines if line["entry"] == "drop"] == [
        drop.account_id for drop in sorted(world.drops, key=lambda drop: drop.start)
    ]
    assert sum(line["entry"] == "outage" for line in lines) == 1
    ended = {line["account_id"] for line in lines if line["entry"] == "ended"}
    assert ended == {drop.account_id for drop in world.drops if drop.closed_as}


def test_the_same_seed_gives_the_same_decisions() -> None:
    assert live(seed=3, accounts=20).view.episodes == live(seed=3, accounts=20).view.episodes
