"""The simulated world is a function of its seed, speaks the schemas, and its drops are in its events."""

from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

import fastavro
import pytest

from streams import topics
from streams.domain import validate
from streams.domain.time import DAY
from streams.policy.load import default_policy
from streams.simulation.agenda import Dated
from streams.simulation.drops import RECIPES
from streams.simulation.world import World

SCHEMAS = Path(__file__).parents[3] / "schemas"
ACCOUNTS, DAYS = 120, 56
LIMITS = default_policy().time


def history(seed: int = 7, accounts: int = ACCOUNTS, days: int = DAYS) -> tuple[World, list[Dated]]:
    world = World(seed, accounts, days)
    return world, list(world.advance(world.end))


@pytest.fixture(scope="module")
def lived() -> tuple[World, list[Dated]]:
    return history()


def test_the_same_seed_is_the_same_history() -> None:
    assert history(accounts=20, days=20)[1] == history(accounts=20, days=20)[1]


def test_another_seed_is_another_history() -> None:
    assert history(seed=1, accounts=20, days=20)[1] != history(seed=2, accounts=20, days=20)[1]


def test_steps_do_not_change_the_history() -> None:
    whole = history(accounts=20, days=20)[1]
    world = World(7, 20, 20)
    stepped = [dated for day in range(21) for dated in world.advance(world.start + day * DAY)]
    assert stepped == whole


def test_events_come_in_order_of_record_time(lived: tuple[World, list[Dated]]) -> None:
    times = [at for at, _, _ in lived[1]]
    assert times == sorted(times)
    assert lived[0].start <= times[0] <= times[-1] < lived[0].end


def test_every_event_is_complete_and_valid(lived: tuple[World, list[Dated]]) -> None:
    schemas = {name: fastavro.schema.load_schema(str(SCHEMAS / name / "v1.avsc")) for name in topics.RANKS}
    for at, topic, event in lived[1]:
        fields = {field["name"] for field in schemas[topic]["fields"]}
        assert set(event) == fields
        assert fastavro.validate(event, schemas[topic], strict=True)
        assert validate.check(topic, event["account_id"].encode(), event, at, LIMITS) is None


def test_event_ids_repeat_only_as_whole_copies(lived: tuple[World, list[Dated]]) -> None:
    by_id = defaultdict(list)
    for _, topic, event in lived[1]:
        by_id[event["event_id"]].append((topic, event))
    copies = [events for events in by_id.values() if len(events) > 1]
    assert copies, "some usage is sent twice, as real feeds do"
    assert all(event == events[0] for events in copies for event in events)


def test_every_kind_of_drop_is_seeded(lived: tuple[World, list[Dated]]) -> None:
    assert {drop.kind for drop in lived[0].drops} == {recipe.kind for recipe in RECIPES}


def test_nobody_sends_usage_in_the_outage(lived: tuple[World, list[Dated]]) -> None:
    outage = lived[0].outage
    measured = Counter(outage.covers(event["occurred_at"]) for _, topic, event in lived[1] if topic == topics.USAGE)
    assert measured[False] > 1_000
    # A report is measured over a few seconds, so only rows of one that began just before the outage may lie in it.
    assert measured[True] < 10


def usage(events: list[Dated], account_id: str, metric: str, since: int, until: int) -> list[float]:
    return [
        event["value"]
        for _, topic, event in events
        if topic == topics.USAGE
        and event["account_id"] == account_id
        and event["metric"] == metric
        and since <= event["occurred_at"] < until
    ]


def test_a_relative_drop_lowers_use_by_its_depth(lived: tuple[World, list[Dated]]) -> None:
    world, events = lived
    ratios = []
    for drop in world.drops:
        if drop.kind == "relative" and drop.alone_after is None and not drop.closed_as:
            before = usage(events, drop.account_id, "active_users", drop.start - 14 * DAY, drop.start)
            low = drop.start + drop.ramp
            after = usage(events, drop.account_id, "active_users", low, low + 7 * DAY)
            ratios.append(sum(after) / 7 / (sum(before) / 14) / (1 - drop.depth))
    assert 0.8 < mean(ratios) < 1.2


def test_a_silent_account_sends_no_usage_while_it_lasts(lived: tuple[World, list[Dated]]) -> None:
    world, events = lived
    for drop in world.drops:
        if drop.kind == "silence":
            until = drop.start + drop.alone_after if drop.alone_after else world.end
            assert usage(events, drop.account_id, "active_users", drop.start - 20 * DAY, drop.start)
            # A report that was late may still arrive; nothing new is measured.
            assert not usage(events, drop.account_id, "active_users", drop.start + 2 * DAY // 12, until)


def test_a_silent_start_is_an_account_created_without_any_use(lived: tuple[World, list[Dated]]) -> None:
    world, events = lived
    for drop in world.drops:
        if drop.kind == "silent_start":
            theirs = [(topic, event) for _, topic, event in events if event["account_id"] == drop.account_id]
            assert theirs[0][1]["change"] == "created"
            assert theirs[0][1]["occurred_at"] == drop.start
            if drop.alone_after is None:
                assert all(topic == topics.ACCOUNTS for topic, _ in theirs)


def test_people_who_act_by_themselves_heal_their_accounts() -> None:
    world = World(7, ACCOUNTS, DAYS)
    world.attend()
    for _ in world.advance(world.end):
        pass
    acted = [drop for drop in world.drops if drop.responder == "well"]
    other = [drop for drop in world.drops if drop.responder != "well" and drop.alone_after is None]
    assert mean(drop.recovered_at(world.end) is not None for drop in acted) > 0.7
    assert not any(drop.recovered_at(world.end) for drop in other)
