"""History through the core without Kafka: where events lie, in what order they come, what is passed over."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.partitioner import partition_of
from streams.domain.time import DAY, HOUR
from streams.domain.validate import EARLIEST, LATEST
from streams.offline import OfflinePartition, fold_history, in_time, tick_at
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.policy.model import Policy
from streams.shell.codec import Codec
from tests.support.log import small_log
from tests.support.offline import LoggedEvent, OfflineLog, fold_log
from tests.support.shell import START, settings

POLICY = default_policy()


def load(text: str) -> Policy:
    return load_policy(text, "log")


def usage(name: str, at: int = START, account: str = "a") -> dict[str, Any]:
    """A usage event."""
    base = {"event_id": name, "account_id": account, "occurred_at": at, "source": "", "traceparent": None}
    return {**base, "cohort": None, "metric": "logins", "value": 5.0, "unit": ""}


def created(name: str, at: int = START, account: str = "a") -> dict[str, Any]:
    """An account event."""
    unknown = dict.fromkeys(
        ("segment", "stage", "tier", "value", "renewal_at", "owner", "time_zone", "channel_preference", "cohort")
    )
    base = {"event_id": name, "account_id": account, "occurred_at": at, "source": "", "traceparent": None}
    return {**base, **unknown, "goals": [], "change": "created"}


def logged(*events: dict[str, Any], partitions: int = 1) -> OfflineLog:
    """Usage events in their order, at their times."""
    made = OfflineLog(partitions)
    for event in events:
        made.append(topics.USAGE, event["account_id"], event["occurred_at"], event)
    return made


def places(found: list[LoggedEvent]) -> list[tuple[str, int]]:
    return [(item.topic, item.offset) for item in found]


def test_account_lies_where_the_producer_would_put_it() -> None:
    """All its events on the one partition of its key."""
    made = logged(
        *(usage(f"{account}-{number}", account=account) for account in "abcdef" for number in range(2)), partitions=4
    )
    for number in range(4):
        accounts = [item.event["account_id"] for item in made.merged(number)]
        expected = [account for account in "abcdef" if partition_of(account.encode(), 4) == number]
        assert accounts == [account for account in expected for _ in range(2)]


def test_offsets_count_from_zero_by_topic_and_partition() -> None:
    """As in a new topic; so the origins in the outputs are those of the import."""
    made = OfflineLog(1)
    for number in range(3):
        made.append(topics.USAGE, "a", START + number, usage(f"e{number}"))
    made.append(topics.ACCOUNTS, "a", START + 9, created("c"))
    assert places(list(made.merged(0))) == [*((topics.USAGE, n) for n in range(3)), (topics.ACCOUNTS, 0)]


def test_topics_are_merged_by_time_and_rank() -> None:
    """A profile comes before the use of the same moment, whatever was appended first."""
    made = OfflineLog(1)
    made.append(topics.USAGE, "a", START, usage("e0"))
    made.append(topics.USAGE, "a", START + 5, usage("e1"))
    made.append(topics.ACCOUNTS, "a", START, created("c0"))
    made.append(topics.ACCOUNTS, "a", START + 3, created("c1"))
    assert [item.event["event_id"] for item in made.merged(0)] == ["c0", "e0", "c1", "e1"]


def test_each_event_is_handed_out_once() -> None:
    """A log is folded once; its memory is given back on the way."""
    made = logged(*(usage(f"e{number}") for number in range(25_000)))
    assert [item.offset for item in made.merged(0)] == list(range(25_000))
    assert list(made.merged(0)) == []


def test_tick_ends_the_history_of_every_partition() -> None:
    """Also of one without events."""
    made = logged(usage("e"), partitions=3)
    made.tick(START + DAY)
    made.tick(START + 2 * DAY)
    times = [fold.state.stream_time for fold, _ in fold_log(made, POLICY)]
    assert times == [START + 2 * DAY] * 3
    assert all(fold.state.applied == {} for fold, _ in fold_log(made, POLICY)), "handed out before"


def test_outputs_are_those_of_the_partition_fold() -> None:
    """Decision for decision, with the same origins, when the log is applied by hand in the order of time."""
    codec, offline = Codec(settings()), OfflineLog(2)
    by_hand = [PartitionFold(PartitionState(number, policy=POLICY.text), {}, POLICY, load) for number in range(2)]
    for entry in small_log(accounts=4):
        event = codec.decode(entry.topic, codec.encode(entry.topic, entry.event))
        offline.append(entry.topic, entry.key, entry.time, event)
        fold = by_hand[partition_of(entry.key.encode(), 2)]
        fold.apply(entry.topic, fold.state.applied.get(entry.topic, -1) + 1, entry.time, event)
    for (fold, outputs), expected in zip(fold_log(offline, POLICY), by_hand, strict=True):
        assert outputs == expected.outputs != []
        assert (fold.state, fold.accounts) == (expected.state, expected.accounts)


def test_bad_event_is_passed_over_and_counted() -> None:
    """Its neighbours are applied, at the offsets that they have in the log."""
    future = {**usage("e1"), "occurred_at": START + POLICY.time.max_future + 1}
    made = OfflineLog(1)
    for event in (usage("e0"), future, {**usage("e2"), "metric": ""}, usage("e3")):
        made.append(topics.USAGE, "a", START, event)
    [(fold, _)] = fold_log(made, POLICY)
    assert fold.tallies == {(topics.USAGE, "applied"): 2, (topics.USAGE, "dead_lettered"): 2}
    assert fold.state.applied == {topics.USAGE: 3}
    assert fold.accounts["a"].applied == {topics.USAGE: 3}


def test_event_may_be_ahead_of_its_record_by_what_the_policy_allows() -> None:
    event = usage("e", START + POLICY.time.max_future)
    assert OfflinePartition(0, POLICY).apply(topics.USAGE, START, event)
    assert not OfflinePartition(0, POLICY).apply(topics.USAGE, START - 1, event)


def test_absurd_record_time_moves_nothing() -> None:
    """As in the worker: its record is passed over, and those behind it keep their own times."""
    made = OfflineLog(1)
    for time, name in ((START, "e0"), (LATEST, "e1"), (EARLIEST - 1, "e2"), (START + HOUR, "e3")):
        made.append(topics.USAGE, "a", time, usage(name, min(time, START)))
    [(fold, _)] = fold_log(made, POLICY)
    assert fold.tallies == {(topics.USAGE, "applied"): 2, (topics.USAGE, "dead_lettered"): 2}
    assert (fold.state.stream_time, fold.state.applied) == (START + HOUR, {topics.USAGE: 3})


def test_tick_at_an_absurd_time_is_passed_over() -> None:
    """It would end time for the partition."""
    made = logged(usage("e"))
    made.tick(LATEST)
    [(fold, _)] = fold_log(made, POLICY)
    assert fold.tallies[topics.CONTROL, "dead_lettered"] == 1
    assert fold.state.stream_time == START


def test_limits_are_those_of_the_active_policy() -> None:
    """A policy in the log rules the events behind it."""
    strict = POLICY.text.replace("max_future: 1d", "max_future: 1m")
    assert strict != POLICY.text
    made = OfflineLog(1)
    ahead = [usage(f"e{n}", START + n * HOUR + HOUR) for n in range(2)]
    made.append(topics.USAGE, "a", START, ahead[0])
    made.place(topics.CONTROL, 0, START + 1, {**tick_at(START + 1), "kind": "policy", "policy": strict})
    made.append(topics.USAGE, "a", START + HOUR, ahead[1])
    [(fold, _)] = fold_log(made, POLICY)
    assert fold.tallies[topics.USAGE, "applied"] == 1
    assert fold.tallies[topics.USAGE, "dead_lettered"] == 1


_TIMES = st.lists(
    st.tuples(st.sampled_from([topics.USAGE, topics.ACCOUNTS]), st.sampled_from("abcd"), st.integers(0, 5))
)


@given(_TIMES, st.none() | st.integers(0, 6))
def test_events_as_they_are_read_come_in_the_order_of_the_log(
    wanted: list[tuple[str, str, int]], until: int | None
) -> None:
    """For each partition, with the tick in its place, without the whole history in memory."""
    wanted.sort(key=itemgetter(2))
    offline = OfflineLog(3)
    histories: dict[str, list[dict[str, Any]]] = {topics.USAGE: [], topics.ACCOUNTS: []}
    for number, (topic, account, at) in enumerate(wanted):
        event = (usage if topic == topics.USAGE else created)(f"e{number}", START + at, account)
        histories[topic].append(event)
        offline.append(topic, account, START + at, event)
    end = None if until is None else START + until
    if end is not None:
        offline.tick(end)
    streamed = list(in_time(histories, end))
    for partition in range(3):
        seen = [
            (time, topic, event)
            for time, topic, event in streamed
            if topic == topics.CONTROL or partition_of(event["account_id"].encode(), 3) == partition
        ]
        assert seen == [(item.timestamp, item.topic, item.event) for item in offline.merged(partition)]


def test_history_is_folded_on_the_partitions_that_are_wanted_and_ends_with_a_tick_on_each() -> None:
    """Accounts of others are passed over; events that would be dead-lettered take their offsets."""
    wanted = {"a": OfflinePartition(0, POLICY), "b": OfflinePartition(1, POLICY)}
    nameless = {**usage("e1", START + 1), "metric": ""}
    history = [usage("e0"), nameless, usage("e2", START + 2, "c"), usage("e3", START + 3)]
    profiles = [created("c0")]
    fold_history({topics.USAGE: history, topics.ACCOUNTS: profiles}, wanted.values(), wanted.get, START + DAY)
    a, b = (partition.fold for partition in wanted.values())
    assert a.tallies == {
        (topics.ACCOUNTS, "applied"): 1,
        (topics.USAGE, "applied"): 2,
        (topics.USAGE, "dead_lettered"): 1,
        (topics.CONTROL, "applied"): 1,
    }
    assert (a.state.applied[topics.USAGE], wanted["a"].ends[topics.USAGE]) == (2, 3)
    assert (list(a.accounts), list(b.accounts)) == (["a"], [])
    assert a.state.stream_time == b.state.stream_time == START + DAY


def test_progress_adds_up_to_all_events() -> None:
    """Bad ones and those of others too, so that a bar reaches its end."""
    told: list[int] = []
    partition = OfflinePartition(0, POLICY)
    history = [{**usage(f"e{n}", START + n), "metric": "logins" if n % 2 else ""} for n in range(2_500)]
    fold_history(
        {topics.USAGE: history}, [partition], lambda _: partition if len(told) < 2 else None, None, told.append
    )
    assert len(told) > 1
    assert sum(told) == 2_500


def test_partitions_are_folded_in_order_each_with_its_own_accounts() -> None:
    made = logged(*(usage(account, account=account) for account in "abcdef"), partitions=3)
    folds = [fold for fold, _ in fold_log(made, POLICY)]
    assert [fold.state.partition for fold in folds] == [0, 1, 2]
    assert [name for fold in folds for name in fold.accounts] == [
        account for number in range(3) for account in "abcdef" if partition_of(account.encode(), 3) == number
    ]


def test_partition_starts_with_the_policy_that_it_is_folded_under() -> None:
    """As a new partition of the worker does."""
    [(fold, outputs)] = fold_log(OfflineLog(1), POLICY)
    assert fold.state == PartitionState(0, policy=POLICY.text)
    assert outputs == []
