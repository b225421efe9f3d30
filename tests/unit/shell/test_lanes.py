"""Lanes: what is fetched, what is handed on, what is known to lie on the broker."""

from types import SimpleNamespace
from typing import Any

from streams.shell.lanes import LANE_BYTES, LANE_LIMIT, PartitionLanes

T0 = 1_700_000_000_000


def _lanes(clock: int = 0, **starts: tuple[int, int]) -> PartitionLanes:
    return PartitionLanes(0, {topic: rank for rank, topic in enumerate(starts)}, starts, clock)


def _records(topic: str, first: int, *times: int) -> list[Any]:
    return [_record(topic, first + i, T0 + t) for i, t in enumerate(times)]


def _record(topic: str, offset: int, timestamp: int, size: int = 100) -> Any:
    return SimpleNamespace(
        topic=topic, offset=offset, timestamp=timestamp, serialized_value_size=size, serialized_key_size=-1
    )


def _fetched(lanes: PartitionLanes, topic: str, first: int, *times: int) -> None:
    lanes.push(topic, _records(topic, first, *times))
    lanes.seen(topic, first + len(times), None)


def _names(records: list[Any]) -> list[tuple[str, int]]:
    return [(record.topic, record.offset) for record in records]


def test_topic_that_holds_more_is_waited_for() -> None:
    """Usage ends at 1 and is fetched; of tickets, one record is known to lie on the broker."""
    lanes = _lanes(usage=(0, 1), tickets=(0, 1))
    _fetched(lanes, "usage", 0, 5)
    assert lanes.take() == []
    _fetched(lanes, "tickets", 0, 3)
    assert _names(lanes.take()) == [("tickets", 0), ("usage", 0)]


def test_topic_that_is_caught_up_is_not_waited_for() -> None:
    lanes = _lanes(usage=(4, 5), tickets=(9, 9))
    _fetched(lanes, "usage", 4, 5)
    assert _names(lanes.take()) == [("usage", 4)]


def test_log_that_starts_above_zero_is_read_from_there() -> None:
    lanes = _lanes(usage=(100, 102))
    _fetched(lanes, "usage", 100, 1, 2)
    assert _names(lanes.take()) == [("usage", 100), ("usage", 101)]
    assert lanes.lag("usage", 101) == 0


def test_order_after_a_restart_is_that_of_an_undisturbed_run() -> None:
    """Usage's record 1 is older than its record 0: undisturbed it counts as being at 10, behind the ticket at 8.

    A run that starts behind record 0 knows only the stream time 10.
    """
    undisturbed = _lanes(usage=(0, 2), tickets=(0, 2))
    _fetched(undisturbed, "usage", 0, 10, 4)
    _fetched(undisturbed, "tickets", 0, 8, 12)
    order = _names(undisturbed.take())
    assert order == [("tickets", 0), ("usage", 0), ("usage", 1), ("tickets", 1)]
    restarted = _lanes(T0 + 10, usage=(1, 2), tickets=(1, 2))
    _fetched(restarted, "usage", 1, 4)
    _fetched(restarted, "tickets", 1, 12)
    assert _names(restarted.take()) == order[2:]


def test_absurd_time_does_not_hold_back_what_follows() -> None:
    lanes = _lanes(usage=(0, 2), tickets=(0, 1))
    lanes.push("usage", [_record("usage", 0, 1 << 60), *_records("usage", 1, 5)])
    lanes.seen("usage", 2, 2)
    _fetched(lanes, "tickets", 0, 7)
    assert _names(lanes.take()) == [("usage", 0), ("usage", 1), ("tickets", 0)]


def test_full_lane_is_not_fetched_for() -> None:
    lanes = _lanes(usage=(0, LANE_LIMIT * 2), tickets=(0, 1))
    _fetched(lanes, "usage", 0, *range(LANE_LIMIT))
    assert lanes.wanted() == ["tickets"]


def test_lag_counts_what_is_not_applied() -> None:
    lanes = _lanes(usage=(10, 15))
    assert lanes.lag("usage", 9) == 5
    lanes.seen("usage", 10, 20)
    assert lanes.lag("usage", 9) == 10


def test_lag_counts_what_is_known_of_from_elsewhere() -> None:
    lanes = _lanes(usage=(10, 15))
    assert lanes.lag("usage", 9, 30) == 20
    assert lanes.lag("usage", 9, 12) == 5


def test_markers_at_the_end_are_no_lag() -> None:
    """The last offset is a transaction marker: position passes it, but no record is ever handed out."""
    lanes = _lanes(usage=(0, 2))
    lanes.push("usage", _records("usage", 0, 1))
    lanes.seen("usage", 2, 2)
    assert _names(lanes.take()) == [("usage", 0)]
    assert lanes.lag("usage", 0) == 0
    assert lanes.reached("usage", 2, 0)


def test_target_is_reached_when_everything_before_it_is_applied() -> None:
    lanes = _lanes(usage=(0, 3))
    _fetched(lanes, "usage", 0, 1, 2, 3)
    assert not lanes.reached("usage", 2, -1), "still in the lane"
    lanes.take()
    assert not lanes.reached("usage", 2, 0), "handed on, one is not applied"
    assert lanes.reached("usage", 2, 1)


def test_news_that_is_older_than_what_is_known_changes_nothing() -> None:
    """Neither how far the topic was read nor where its log ends goes back."""
    lanes = _lanes(usage=(0, 2))
    lanes.seen("usage", 5, 9)
    lanes.seen("usage", 3, 4)
    lane = lanes.topics["usage"]
    assert (lane.position, lane.end, lane.more) == (5, 9, True)


def test_lanes_go_on_at_the_stream_time_of_the_partition() -> None:
    """What is older than what was applied before a restart comes in the order that an undisturbed run has: by rank."""
    lanes = _lanes(clock=T0 + 100, usage=(7, 8), tickets=(3, 4))
    _fetched(lanes, "tickets", 3, 50)
    _fetched(lanes, "usage", 7, 70)
    assert _names(lanes.take()) == [("usage", 7), ("tickets", 3)]


def test_large_records_fill_a_lane_as_well() -> None:
    """2,000 records of 1 MB would not fit into the memory; once they are taken, more is fetched."""
    lanes = _lanes(usage=(0, 10), tickets=(0, 0))
    lanes.push("usage", [_record("usage", offset, T0, LANE_BYTES // 4) for offset in range(5)])
    lanes.seen("usage", 5, None)
    assert lanes.wanted() == ["tickets"]
    assert len(lanes.take()) == 5
    assert lanes.wanted() == ["usage", "tickets"]


def test_closed_lanes_hand_on_nothing() -> None:
    """While the partition waits, what is fetched stays in them."""
    lanes = _lanes(usage=(0, 1))
    _fetched(lanes, "usage", 0, 5)
    lanes.closed = True
    assert lanes.take() == []
    lanes.closed = False
    assert len(lanes.take()) == 1
