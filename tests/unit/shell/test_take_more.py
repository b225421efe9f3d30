"""What was fetched is handed on in portions: how many records fit depends on how large they are."""

from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from faust.types import TP

from streams.shell.consumer_thread import _PORTION, FETCH_BYTES, FETCH_RECORDS, _take_more

PLACE = TP("usage", 0)


class Result(FetchResult):
    """Fetched records of one size, in portions; fails at one of them when told to."""

    def __init__(self, count: int, size: int, fails_at: int = -1) -> None:
        self.left, self.size, self.fails_at, self.portions = count, size, fails_at, 0

    def getall(self, max_records: int | None = None) -> list[Any]:
        self.portions += 1
        if self.portions == self.fails_at:
            raise ValueError("damaged")
        taken = min(self.left, max_records or self.left)
        self.left -= taken
        return [SimpleNamespace(serialized_value_size=self.size, serialized_key_size=1) for _ in range(taken)]

    def has_more(self) -> bool:
        return self.left > 0


def _fetcher(**results: Any) -> Any:
    notified: list[None] = []
    return SimpleNamespace(
        _records={TP(name, 0): result for name, result in results.items()},
        _notify=notified.append,
        _wait_consume_future=None,
        notified=notified,
    )


def _taken(fetcher: Any, *wanted: TP) -> dict[TP, list[Any]]:
    found: dict[TP, list[Any]] = {}
    _take_more(fetcher, wanted or (PLACE,), found)
    return found


def test_small_records_are_taken_by_their_number() -> None:
    fetcher = _fetcher(usage=Result(10_000, 100))
    assert FETCH_RECORDS <= len(_taken(fetcher)[PLACE]) < FETCH_RECORDS + _PORTION
    assert PLACE in fetcher._records


def test_large_records_are_taken_by_their_size() -> None:
    """A compressed batch of 1 MB may hold thousands of them."""
    found = _taken(_fetcher(usage=Result(5_000, 1 << 20)))
    assert len(found[PLACE]) == _PORTION
    assert len(found[PLACE]) * (1 << 20) >= FETCH_BYTES


def test_what_is_taken_whole_makes_room_for_the_next_fetch() -> None:
    fetcher = _fetcher(usage=Result(100, 10))
    assert len(_taken(fetcher)[PLACE]) == 100
    assert (fetcher._records, len(fetcher.notified)) == ({}, 1)


def test_only_what_is_wanted_is_taken() -> None:
    """A lane that is full gets no more."""
    fetcher = _fetcher(usage=Result(100, 10), tickets=Result(100, 10))
    assert set(_taken(fetcher, TP("tickets", 0))) == {TP("tickets", 0)}
    assert fetcher._records[PLACE].left == 100


def test_an_error_behind_good_records_does_not_take_them_along() -> None:
    """Their positions are moved already: nobody would fetch them again."""
    fetcher = _fetcher(usage=Result(1_000, 10, fails_at=3))
    assert len(_taken(fetcher)[PLACE]) == 2 * _PORTION


def test_an_error_of_the_fetch_is_left_for_the_next_one() -> None:
    fetcher = _fetcher(usage=SimpleNamespace())
    assert _taken(fetcher) == {}
    assert PLACE in fetcher._records
