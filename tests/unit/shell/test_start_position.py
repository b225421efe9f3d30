"""Where a topic partition is read from, and when that must not be guessed."""

import pytest
from faust.types import TP

from streams.shell.failure import Unrecoverable
from streams.shell.positions import start_position

PLACE = TP("usage-events", 3)


def test_new_group_starts_at_the_first_record_that_there_is() -> None:
    assert start_position(PLACE, None, None, 40, 90) == 40


def test_state_decides_over_the_committed_offset() -> None:
    assert start_position(PLACE, 70, 60, 0, 90) == 70


@pytest.mark.parametrize(
    ("known", "committed", "first", "end", "message"),
    [
        (10, 10, 40, 90, "records 10 to 39 were deleted"),
        (91, 91, 0, 90, "the log ends at 89"),
        (None, 50, 0, 90, "the changelog topic was deleted or recreated"),
    ],
)
def test_gap_stops_the_worker_with_what_to_do(
    known: int | None, committed: int | None, first: int, end: int, message: str
) -> None:
    with pytest.raises(Unrecoverable, match=message) as stopped:
        start_position(PLACE, known, committed, first, end)
    assert "BACKONTRACK_APP_ID" in str(stopped.value)
