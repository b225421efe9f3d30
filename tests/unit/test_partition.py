"""One partition's fold: when timers fire, what is applied once, and what a control record does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import fold as core
from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, MINUTE
from streams.health import feeds
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.shell.codec import Codec
from tests.support.history import MONDAY
from tests.support.log import Entry, small_log
from tests.support.shell import START, fold, settings

CONTROL: dict[str, Any] = dict.fromkeys(("policy_version", "policy", "switch", "on"))
Fired = list[tuple[int, str, int]]


def usage(number: int, at: int = START, account: str = "a") -> dict[str, Any]:
    """A usage event; the number makes its id."""
    base = {"event_id": f"e{number}", "account_id": account, "occurred_at": at, "source": "", "traceparent": None}
    return {**base, "cohort": None, "metric": "logins", "value": 5.0, "unit": ""}


def tick(made: PartitionFold, at: int) -> None:
    """Time passes: the next control record."""
    offset = made.state.applied.get(topics.CONTROL, -1) + 1
    made.apply(topics.CONTROL, offset, at, {**CONTROL, "kind": "tick", "at": at})


def control(made: PartitionFold, **fields: Any) -> str:
    """The outcome of the next control record, at the time that it is."""
    made.tallies.clear()
    offset = made.state.applied.get(topics.CONTROL, -1) + 1
    made.apply(topics.CONTROL, offset, START, {**CONTROL, "at": START, **fields})
    [(_, outcome)] = made.tallies
    return outcome


def sleeping(*timers: tuple[str, int]) -> PartitionFold:
    """A fold of accounts that have one timer each, at stream time START."""
    accounts = {name: AccountState(name, timers={"guard": due}) for name, due in timers}
    policy = default_policy()
    state = PartitionState(0, stream_time=START, policy=policy.text)
    return PartitionFold(state, accounts, policy, lambda text: load_policy(text, "log"))


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> Fired:
    """Of each timer that fires: when it was due, whose it is, and stream time there. It really fires."""
    seen: Fired = []
    real = core.fire

    def watched(account: AccountState, partition: PartitionState, due: int, *rest: Any) -> core.Step:
        seen.append((due, account.account_id, partition.stream_time))
        return real(account, partition, due, *rest)

    monkeypatch.setattr(core, "fire", watched)
    return seen


def test_timers_fire_in_order_of_due_time_and_account(fired: Fired) -> None:
    """Each at its own time; what is due after the record waits."""
    made = sleeping(("d", START + 9), ("b", START + 20), ("c", START + 10), ("a", START + 10))
    tick(made, START + 19)
    assert fired == [(START + due, name, START + due) for due, name in ((9, "d"), (10, "a"), (10, "c"))]
    assert made.state.stream_time == START + 19
    assert made.dirty == {"a", "c", "d"}


def test_timer_that_is_due_at_the_time_of_a_record_fires_before_it(
    fired: Fired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline that is met at the very moment has passed."""
    made, real = sleeping(("a", START + 5)), core.step

    def watched(account: AccountState, *rest: Any) -> core.Step:
        assert fired == [(START + 5, "a", START + 5)]
        fired.clear()
        return real(account, *rest)

    monkeypatch.setattr(core, "step", watched)
    made.apply(topics.USAGE, 0, START + 5, usage(0, START + 5))
    assert fired == []


def test_timer_that_was_moved_fires_once_at_its_new_time(fired: Fired) -> None:
    """Entries that were replaced are passed over."""
    made = sleeping(("a", START + 5))
    made.apply(topics.USAGE, 0, START, usage(0))
    made.accounts["a"].timers = {"guard": START + 8}
    made.apply(topics.USAGE, 1, START, {**usage(1), "metric": "other"})
    tick(made, START + 9)
    assert [due - START for due, *_ in fired] == [8]


def test_record_with_an_older_time_does_not_turn_time_back() -> None:
    made = sleeping()
    made.apply(topics.USAGE, 0, START - HOUR, usage(0, START - HOUR))
    assert made.state.stream_time == START
    assert made.accounts["a"].first_seen_at == START


@pytest.mark.parametrize("again", [0, 1])
def test_redelivered_record_changes_nothing(again: int, fired: Fired) -> None:
    """Whatever its time says: not even time moves."""
    made = fold(0)
    for number in range(2):
        made.apply(topics.USAGE, number, START + number, usage(number, START + number))
    state, accounts = copy.deepcopy((made.state, made.accounts))
    made.dirty.clear()
    made.tallies.clear()
    made.apply(topics.USAGE, again, START + 90 * DAY, usage(7, START + 90 * DAY))
    assert (made.state, made.accounts, made.dirty, fired) == (state, accounts, set(), [])
    assert made.tallies == {(topics.USAGE, "redelivered"): 1}


def test_account_that_is_ahead_of_its_partition_skips() -> None:
    """Up to where it was stored and no further; the partition moves on and its feed has been heard."""
    made = fold(0)
    made.accounts["a"] = AccountState("a", applied={topics.USAGE: 1})
    before = copy.deepcopy(made.accounts["a"])
    for number in range(2):
        made.apply(topics.USAGE, number, START, usage(number))
    assert made.accounts["a"] == before
    assert not made.dirty
    assert made.tallies == {(topics.USAGE, "redelivered"): 2}
    assert made.state.applied == {topics.USAGE: 1}
    assert made.state.sources[topics.USAGE].events == 2
    made.apply(topics.USAGE, 2, START, usage(2))
    assert made.dirty == {"a"}


def test_offsets_of_topics_are_independent() -> None:
    """A small offset of one topic is not a repetition of another's."""
    made = sleeping()
    made.apply(topics.USAGE, 5, START, usage(0))
    tick(made, START)
    assert made.tallies == {(topics.USAGE, "applied"): 1, (topics.CONTROL, "applied"): 1}


def test_skipped_record_moves_time_and_position_only(fired: Fired) -> None:
    """Timers that are due fire on the way."""
    made = sleeping(("a", START + 5))
    assert made.skip(topics.USAGE, 3, START + 10)
    assert made.state.stream_time == START + 10
    assert made.state.applied == {topics.USAGE: 3}
    assert made.tallies == {(topics.USAGE, "dead_lettered"): 1}
    assert fired == [(START + 5, "a", START + 5)]
    assert not made.state.sources


def test_record_that_was_skipped_before_is_not_skipped_again() -> None:
    made = sleeping()
    made.skip(topics.USAGE, 3, START)
    assert not made.skip(topics.USAGE, 3, START + DAY)
    assert made.state.stream_time == START
    assert made.tallies == {(topics.USAGE, "dead_lettered"): 1}


def test_account_is_dirty_and_owed_a_row_when_its_health_changes() -> None:
    """A duplicate is stored, because its offset is, but changes no row."""
    made = fold(0)
    made.apply(topics.USAGE, 0, START, usage(0))
    assert made.dirty == made.health_changed == {"a"}
    made.health_changed.clear()
    made.dirty.clear()
    made.apply(topics.USAGE, 1, START, usage(0))
    assert (made.dirty, made.health_changed) == ({"a"}, set())
    assert made.tallies[topics.USAGE, "duplicate"] == 1


def test_policy_in_the_log_rules_from_there_on() -> None:
    """And its text is what a later owner starts with."""
    made = fold(0)
    text = "extends: default\nversion: mine\n"
    assert control(made, kind="policy", policy=text) == "applied"
    assert made.policy.version == "mine"
    assert made.state.policy == text


def test_invalid_policy_leaves_the_old_one_in_force() -> None:
    """Counted; neither the rules nor the stored text change."""
    made = fold(0)
    assert control(made, kind="policy", policy="health: [") == "invalid_policy"
    assert made.policy == default_policy()
    assert made.state.policy == default_policy().text


def test_kill_switch_is_turned_on_and_off() -> None:
    made = fold(0)
    assert control(made, kind="switch", switch="kill", on=True) == "applied"
    assert made.state.killed
    assert control(made, kind="switch", switch="kill", on=False) == "applied"
    assert not made.state.killed


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"kind": "switch", "switch": "turbo", "on": True}, "unknown_switch"),
        ({"kind": "other"}, "unknown_kind"),
        ({"kind": "policy"}, "unknown_kind"),
    ],
)
def test_control_record_of_a_later_version_is_counted_and_ignored(fields: dict[str, Any], outcome: str) -> None:
    made = fold(0)
    assert control(made, **fields) == outcome
    assert not made.state.killed
    assert made.state.policy == default_policy().text


def busy_feed() -> PartitionFold:
    """Two weeks of events every two minutes, and then nothing."""
    made = fold(0)
    for number in range(14 * 24 * 30):
        feeds.observe_feed(made.state, topics.USAGE, MONDAY + number * 2 * MINUTE, made.policy)
    made.state.stream_time = made.state.sources[topics.USAGE].last_at
    return made


def test_feed_turns_silent_once_as_time_passes() -> None:
    """No sooner than at its moment."""
    made = busy_feed()
    due = feeds.next_feed_check(made.state, made.policy)
    assert due is not None
    tick(made, due - 1)
    assert not made.state.silent(topics.USAGE)
    tick(made, due)
    assert made.state.silent(topics.USAGE)
    tick(made, due + 30 * DAY)
    assert made.tallies[topics.USAGE, "feed_silent"] == 1


def test_feed_is_judged_before_the_timers_of_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no account is blamed for what its feed did not deliver."""
    made = busy_feed()
    due = feeds.next_feed_check(made.state, made.policy)
    assert due is not None
    made.accounts["a"] = AccountState("a", timers={"guard": due})
    restored = PartitionFold(made.state, made.accounts, made.policy, load_nothing)
    seen: list[bool] = []
    real = core.fire

    def watched(account: AccountState, partition: PartitionState, *rest: Any) -> core.Step:
        seen.append(partition.silent(topics.USAGE))
        return real(account, partition, *rest)

    monkeypatch.setattr(core, "fire", watched)
    tick(restored, due + HOUR)
    assert seen == [True]


def test_feed_that_came_back_is_watched_again() -> None:
    """It can turn silent a second time."""
    made = busy_feed()
    back = made.state.stream_time + 2 * DAY
    made.apply(topics.USAGE, 0, back, usage(0, back))
    assert made.tallies[topics.USAGE, "feed_silent"] == 1
    assert not made.state.silent(topics.USAGE)
    tick(made, back + 5 * DAY)
    assert made.tallies[topics.USAGE, "feed_silent"] == 2


def load_nothing(text: str) -> Any:
    """For logs without a policy."""
    raise ValueError(text)


class Run:
    """Folds a log on one partition; can be taken up from stored states."""

    def __init__(self, state: PartitionState | None = None, accounts: dict[str, AccountState] | None = None) -> None:
        policy = default_policy()
        self.fold = PartitionFold(state or PartitionState(0, policy=policy.text), accounts or {}, policy, load_nothing)

    def apply(self, log: list[tuple[Origin, Entry]]) -> Run:
        for origin, entry in log:
            self.fold.apply(origin.topic, origin.offset, entry.time, entry.event)
        return self


def _numbered(log: list[Entry]) -> list[tuple[Origin, Entry]]:
    ends: dict[str, int] = {}
    found = []
    for entry in log:
        offset = ends[entry.topic] = ends.get(entry.topic, -1) + 1
        found.append((Origin(entry.topic, 0, offset), entry))
    return found


@pytest.fixture(scope="module")
def log() -> list[tuple[Origin, Entry]]:
    """Three accounts over seventy days; one falls."""
    codec = Codec(settings())
    entries = small_log(accounts=3)
    whole = [
        entry._replace(event=codec.decode(entry.topic, codec.encode(entry.topic, entry.event))) for entry in entries
    ]
    return _numbered(whole)


@pytest.fixture(scope="module")
def undisturbed(log: list[tuple[Origin, Entry]]) -> Run:
    made = Run().apply(log)
    assert made.fold.outputs, "the log must lead to decisions"
    return made


@pytest.mark.parametrize("part", [0.2, 0.5, 0.7])
def test_fold_that_is_taken_up_from_its_states_goes_on_as_if_nothing_had_happened(
    log: list[tuple[Origin, Entry]], undisturbed: Run, part: float
) -> None:
    """Timers, feeds and decisions: all that matters is in the states."""
    cut = int(len(log) * part)
    first = Run().apply(log[:cut])
    second = Run(*copy.deepcopy((first.fold.state, first.fold.accounts))).apply(log[cut:])
    assert first.fold.outputs + second.fold.outputs == undisturbed.fold.outputs
    assert second.fold.state == undisturbed.fold.state
    assert second.fold.accounts == undisturbed.fold.accounts


@given(
    dues=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    ticks=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    limit=st.integers(1, 4),
)
def test_timers_that_fire_in_pieces_are_those_that_fire_at_once(dues: list[int], ticks: list[int], limit: int) -> None:
    """Also those that are due at the very time of a record, however many they are."""
    timers = [(f"a{number}", START + due) for number, due in enumerate(dues)]
    pieces, whole = sleeping(*timers), sleeping(*timers)
    for offset, at in enumerate(ticks):
        tick(whole, START + at)
        while not pieces.advance(topics.CONTROL, offset, START + at, limit):
            assert pieces.advancing
        assert not pieces.advancing
        tick(pieces, START + at)
        assert pieces.state == whole.state
        assert pieces.accounts == whole.accounts


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_time_that_passes_in_pieces_comes_to_where_it_would_have_come_at_once(
    log: list[tuple[Origin, Entry]], undisturbed: Run, limit: int
) -> None:
    made = Run()
    pieces = 0
    for origin, entry in log:
        while not made.fold.advance(origin.topic, origin.offset, entry.time, limit):
            assert made.fold.advancing
            pieces += 1
        assert not made.fold.advancing
        made.apply([(origin, entry)])
    assert pieces > 10, "the log must fire several timers at once"
    assert made.fold.outputs == undisturbed.fold.outputs
    assert made.fold.state == undisturbed.fold.state
    assert made.fold.accounts == undisturbed.fold.accounts


@pytest.mark.parametrize("ahead", [{"account-000"}, {"account-001", "account-002"}])
def test_replay_over_accounts_that_were_stored_later_ends_in_the_same_states(
    log: list[tuple[Origin, Entry]], undisturbed: Run, ahead: set[str]
) -> None:
    """After a crash the partition is read again from its checkpoint, and accounts with an outbox are beyond it."""
    checkpoint, crash = len(log) // 2, len(log) * 3 // 4
    made = Run().apply(log[:checkpoint])
    state, stored = copy.deepcopy((made.fold.state, made.fold.accounts))
    made.apply(log[checkpoint:crash])
    stored |= {name: copy.deepcopy(made.fold.accounts[name]) for name in ahead}
    again = Run(state, stored).apply(log[checkpoint:])
    assert again.fold.state == undisturbed.fold.state
    assert again.fold.accounts == undisturbed.fold.accounts


def test_replay_past_the_end_of_a_feed_leaves_accounts_that_are_beyond_it_alone(
    log: list[tuple[Origin, Entry]],
) -> None:
    """When a feed falls silent every account of the partition is looked at; those stored later have been through it."""
    end = log[-1][1].time + 20 * DAY
    tick = Entry(topics.CONTROL, "control", end, {"kind": "tick", "at": end})
    whole = [*log, (Origin(topics.CONTROL, 0, 0), tick)]
    undisturbed = Run().apply(whole)
    assert undisturbed.fold.tallies[topics.USAGE, "feed_silent"], "a feed must fall silent"
    checkpoint = len(log) // 2
    made = Run().apply(whole[:checkpoint])
    state, stored = copy.deepcopy((made.fold.state, made.fold.accounts))
    ahead = sorted(stored)[:2]
    stored |= {name: copy.deepcopy(undisturbed.fold.accounts[name]) for name in ahead}
    again = Run(state, stored).apply(whole[checkpoint:])
    assert again.fold.accounts == undisturbed.fold.accounts
