"""The order in which the records of several topics are applied."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streams.merge import Lane, merge


@dataclass(frozen=True)
class Record:
    topic: str
    offset: int
    timestamp: int


def lane(rank: int, times: list[int], *, more: bool = False) -> Lane[Record]:
    """A lane that holds records of these times."""
    built: Lane[Record] = Lane(rank)
    for offset, time in enumerate(times):
        built.push(Record(str(rank), offset, time))
    built.more = more
    return built


def order(records: list[Record]) -> list[tuple[str, int]]:
    return [(r.topic, r.offset) for r in records]


def test_smaller_record_times_come_first() -> None:
    """Two topics interleave as things happened."""
    assert order(merge([lane(1, [10, 30]), lane(2, [20])], 99)) == [("1", 0), ("2", 0), ("1", 1)]


def test_equal_times_go_by_rank() -> None:
    """A profile comes before the usage of the same moment."""
    assert order(merge([lane(2, [10]), lane(1, [10])], 99)) == [("1", 0), ("2", 0)]


def test_a_record_that_is_older_than_its_predecessor_keeps_its_place() -> None:
    """Order inside a topic never changes: times count as their running maximum."""
    assert order(merge([lane(1, [20, 5]), lane(2, [10])], 99)) == [("2", 0), ("1", 0), ("1", 1)]


def test_a_topic_that_may_hold_more_is_waited_for() -> None:
    """Nothing can be ordered while a topic with unfetched records has an empty buffer."""
    assert merge([lane(1, [10]), lane(2, [], more=True)], 99) == []


def test_a_topic_that_is_caught_up_is_not_waited_for() -> None:
    """A quiet topic does not hold up the others."""
    assert order(merge([lane(1, [10]), lane(2, [])], 99)) == [("1", 0)]


def test_only_what_the_fetched_part_settles_is_taken() -> None:
    """Beyond the last fetched record of an unfinished topic the order is not known yet."""
    assert order(merge([lane(1, [10, 40]), lane(2, [20, 30], more=True)], 99)) == [("1", 0), ("2", 0), ("2", 1)]


def test_a_limit_leaves_the_rest_in_its_order() -> None:
    """What was not taken comes out of the next merge, in the same order."""
    lanes = [lane(1, [10, 30]), lane(2, [20, 40])]
    assert order(merge(lanes, 3) + merge(lanes, 3)) == [("1", 0), ("2", 0), ("1", 1), ("2", 1)]


def test_what_a_limit_has_left_is_taken_next_also_of_an_unfinished_topic() -> None:
    """It is settled already: nothing has to be fetched for it."""
    lanes = [lane(1, [10, 20, 30], more=True)]
    assert [order(merge(lanes, 1)) for _ in range(4)] == [[("1", 0)], [("1", 1)], [("1", 2)], []]


@given(
    times=st.lists(st.lists(st.integers(0, 20), max_size=30), min_size=2, max_size=4),
    chunks=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=60),
    limit=st.integers(1, 7),
)
def test_the_order_does_not_depend_on_how_the_log_was_fetched(
    times: list[list[int]],
    chunks: list[tuple[int, int]],
    limit: int,
) -> None:
    """Whatever the batches and the limit, the order is that of the whole log merged at once."""
    whole = order(merge([lane(rank, column) for rank, column in enumerate(times)], 10_000))
    lanes: list[Lane[Record]] = [Lane(rank) for rank in range(len(times))]
    fetched = [0] * len(times)
    out: list[tuple[str, int]] = []

    def fetch(which: int, count: int) -> None:
        for offset in range(fetched[which], min(fetched[which] + count, len(times[which]))):
            lanes[which].push(Record(str(which), offset, times[which][offset]))
        fetched[which] = min(fetched[which] + count, len(times[which]))
        for rank, item in enumerate(lanes):
            item.more = fetched[rank] < len(times[rank])

    fetch(0, 0)
    for which, count in chunks:
        fetch(which % len(times), count)
        out += order(merge(lanes, limit))
    for which in range(len(times)):
        fetch(which, 10_000)
    while taken := order(merge(lanes, limit)):
        out += taken
    assert out == whole
