"""The files of a backtest: what a look at them tells, and what is read of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.backtest.history import Survey, events, first_refusal, measurements, survey
from streams.domain.partitioner import partition_of
from streams.history_mapping import HistoryError
from streams.topics import TICKETS, USAGE
from tests.support.history_files import read_history

HEAD = "account_id,time,metric,value\n"


def usage(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "usage.csv"
    path.write_text(HEAD + "".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def test_survey_counts_rows_by_partition(tmp_path: Path) -> None:
    path = usage(tmp_path, *(f"{name},2026-01-0{day},logins,1" for day in range(1, 4) for name in "abcde"))
    found = survey({USAGE: path}, 4)
    expected = {n: 3 * sum(partition_of(name.encode(), 4) == n for name in "abcde") for n in range(4)}
    assert found.rows == 15
    assert {n: found.by_partition.get(n, 0) for n in range(4)} == expected


@pytest.mark.parametrize(
    ("times", "in_order"),
    [
        (("2026-01-01", "2026-01-01T10:00Z", "2026-01-02"), True),
        (("2026-01-02", "2026-01-01"), False),
        (("2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z"), True),
        (("2026-01-01T10:00:00Z", "2026-01-01T11:00:00+02:00"), False),
        (("1767225600000", "2026-01-02"), False),
        ((), True),
    ],
)
def test_survey_tells_whether_a_file_is_in_time_order(tmp_path: Path, times: tuple[str, ...], in_order: bool) -> None:  # noqa: FBT001  a parameter
    """By the moment, not by the text; when in doubt it is sorted."""
    path = usage(tmp_path, *(f"a,{time},logins,1" for time in times))
    assert survey({USAGE: path}, 1).in_order == {USAGE: in_order}


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "not in order"])
def test_events_are_those_of_the_wanted_accounts_in_time_order(tmp_path: Path, order: int) -> None:
    """As `import` would publish them, with the same ids."""
    rows = [f"{name},2026-01-0{day},logins,{day}" for day in range(1, 5) for name in "abc"]
    path = usage(tmp_path, *rows[::order])
    found = list(events(survey({USAGE: path}, 1), lambda name: name != "b")[USAGE])
    assert found == [event for event in read_history(path, USAGE) if event["account_id"] != "b"]


def test_events_of_json_lines_are_filtered_too(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    line = '{{"account": "{}", "at": "2026-01-01", "ticket_id": "T", "change": "opened"}}\n'
    path.write_text("".join(line.format(name) for name in "aba"), encoding="utf-8")
    found = list(events(survey({TICKETS: path}, 1), "a".__eq__)[TICKETS])
    assert found == [event for event in read_history(path, TICKETS) if event["account_id"] == "a"]
    assert len(found) == 2


def test_row_that_is_none_stops_the_reading_with_file_and_line(tmp_path: Path) -> None:
    path = usage(tmp_path, "a,2026-01-01,logins,1", "a,2026-01-02,logins,many")
    with pytest.raises(HistoryError, match=r"usage\.csv:3: value = 'many'"):
        list(events(survey({USAGE: path}, 1), lambda _: True)[USAGE])


@pytest.mark.parametrize("row", ["a,2026-01-01,logins", ",2026-01-01,logins,1"], ids=["cell missing", "no account"])
def test_row_whose_account_cannot_be_told_is_nobody_elses(tmp_path: Path, row: str) -> None:
    """Whoever reads the file meets it."""
    path = usage(tmp_path, row)
    with pytest.raises(HistoryError, match=r"usage\.csv:2"):
        list(events(Survey({USAGE: path}, 1, 1, {}, {USAGE: True}), lambda _: False)[USAGE])


def test_first_refusal_goes_by_the_order_of_the_files(tmp_path: Path) -> None:
    good = usage(tmp_path, "a,2026-01-01,logins,1")
    assert first_refusal({USAGE: good}) is None
    bad = tmp_path / "bad.csv"
    bad.write_text(HEAD + "b,2026-01-01,logins,x\na,1970-01-01,logins,1\n", encoding="utf-8")
    assert str(first_refusal({USAGE: bad})).startswith(f"{bad}:2: value")


def test_measurements_are_by_account_and_metric_in_time_order(tmp_path: Path) -> None:
    path = usage(
        tmp_path, "a,2026-01-02,logins,2", "a,2026-01-01,logins,1", "b,2026-01-01,logins,9", "a,2026-01-03,x,3"
    )
    found = measurements(path, USAGE, frozenset({"a", "none"}))
    assert {name: [value for _, value in points] for name, points in found["a"].items()} == {"logins": [1, 2], "x": [3]}
    assert found["none"] == {}
