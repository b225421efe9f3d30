"""Files of history become the events that would be on the topics."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history import BadRow, HistoryFile
from streams.history_mapping import HistoryError, RowError, Rows, load_mapping
from streams.topics import ACCOUNTS, RESPONSES, SENTIMENT, TICKETS, USAGE
from tests.support.history_files import read_history

USAGE_CSV = """account_id,time,metric,value
b,2026-01-05T09:00:00Z,logins,3
a,2026-01-04,logins,2.5
b,2026-01-05T09:00:00+02:00,errors,1e2
"""


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_csv_rows_become_complete_events_in_time_order(tmp_path: Path) -> None:
    """Every field of the schema is there; rows are sorted by time, stably."""
    events = list(read_history(_file(tmp_path, "u.csv", USAGE_CSV), USAGE))
    assert [(e["account_id"], e["occurred_at"], e["value"]) for e in events] == [
        ("a", 1_767_484_800_000, 2.5),
        ("b", 1_767_596_400_000, 100.0),
        ("b", 1_767_603_600_000, 3.0),
    ]
    assert events[0]["unit"] == ""
    assert events[0]["cohort"] is None
    assert type(events[2]["value"]) is float


def test_rows_of_equal_time_keep_their_order(tmp_path: Path) -> None:
    """The order of the file is the order of the log."""
    rows = "".join(f"a,2026-01-05T09:00:00Z,m{i},1\n" for i in range(50))
    path = _file(tmp_path, "u.csv", "account_id,time,metric,value\nz,2026-02-01,x,1\n" + rows)
    assert [e["metric"] for e in read_history(path, USAGE)] == [*(f"m{i}" for i in range(50)), "x"]


@pytest.mark.parametrize("name", ["u.csv.gz", "u.csv", "u.data"])
def test_gzip_and_format_are_recognised(tmp_path: Path, name: str) -> None:
    """By content where the name does not say."""
    assert len(list(read_history(_file(tmp_path, name, USAGE_CSV), USAGE))) == 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_recognised(tmp_path: Path, delimiter: str) -> None:
    """Spreadsheets differ."""
    path = _file(tmp_path, "u.csv", USAGE_CSV.replace(",", delimiter))
    assert len(list(read_history(path, USAGE))) == 3


def test_json_lines_are_read(tmp_path: Path) -> None:
    """One object a line; empty lines do not count."""
    row = {
        "account_id": "a",
        "occurred_at": 1_767_603_600_000,
        "metric": "m",
        "value": 1,
        "event_id": "x",
        "cohort": "c",
    }
    path = _file(tmp_path, "u.jsonl.gz", f"{json.dumps(row)}\n\n{json.dumps({**row, 'event_id': 'y'})}\n")
    events = list(read_history(path, USAGE))
    assert [e["event_id"] for e in events] == ["x", "y"]
    assert events[0]["cohort"] == "c"


def test_event_ids_are_derived_from_content_and_place(tmp_path: Path) -> None:
    """The same in every run, and different for equal rows."""
    text = "account_id,time,metric,value\na,2026-01-05,m,1\na,2026-01-05,m,1\n"
    first = [e["event_id"] for e in read_history(_file(tmp_path, "u.csv", text), USAGE)]
    again = [e["event_id"] for e in read_history(_file(tmp_path, "copy.csv", text), USAGE)]
    assert first == again
    assert len(set(first)) == 2


def test_values_of_common_help_desks_are_understood(tmp_path: Path) -> None:
    """`first_reply` and `medium`, without a mapping."""
    path = _file(tmp_path, "t.csv", "account_id,time,ticket_id,change,priority\na,2026-01-05,1,first_reply,medium\n")
    event = next(read_history(path, TICKETS))
    assert (event["change"], event["priority"], event["actor"]) == ("replied", "normal", "agent")


def test_a_mapping_names_foreign_columns_values_and_constants(tmp_path: Path) -> None:
    """And wins over the built-in names."""
    mapping = _file(
        tmp_path,
        "m.yaml",
        """usage-events:
  columns: {account_id: customer, occurred_at: day, value: amount}
  values: {metric: {visits: logins}}
  constants: {source: shop}
""",
    )
    path = _file(tmp_path, "u.csv", "customer,day,metric,amount\n0042,20260105,visits,7\n")
    event = next(read_history(path, USAGE, load_mapping(mapping)[USAGE]))
    assert (event["account_id"], event["metric"], event["value"], event["source"]) == ("0042", "logins", 7.0, "shop")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("usage: {}", "no such input topic"),
        ("usage-events: {colums: {}}", "must be columns, values or constants"),
        ("usage-events: {columns: {amount: value}}", "amount is no field"),
        ("[1]", "must be"),
        ("{", "m.yaml"),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """With its file and the name that is wrong."""
    with pytest.raises(HistoryError, match=problem):
        load_mapping(_file(tmp_path, "m.yaml", text))


@pytest.mark.parametrize(
    ("topic", "row", "problem"),
    [
        (USAGE, {"value": ""}, "value is missing"),
        (USAGE, {"value": "much"}, "value = 'much'"),
        (USAGE, {"value": "nan"}, "not_finite"),
        (USAGE, {"time": "yesterday"}, "occurred_at = 'yesterday'"),
        (USAGE, {"time": "1985-01-01"}, "absurd_time"),
        (USAGE, {"account_id": ""}, "account_id is missing"),
        (TICKETS, {"ticket_id": "1", "change": "exploded"}, "must be one of"),
        (SENTIMENT, {"channel": "chat", "score": "1.5"}, "out_of_range"),
        (SENTIMENT, {"channel": "chat", "position": "1.5"}, "position = '1.5'"),
    ],
)
def test_a_row_that_is_no_event_is_named_with_its_line(
    tmp_path: Path, topic: str, row: dict[str, str], problem: str
) -> None:
    """So that it can be found and mended."""
    whole = {
        "account_id": "a",
        "time": "2026-01-05",
        **({"metric": "m", "value": "1"} if topic == USAGE else {}),
        **row,
    }
    path = _file(tmp_path, "x.csv", f"{','.join(whole)}\n{','.join(whole.values())}\n")
    with pytest.raises(HistoryError) as caught:
        list(read_history(path, topic))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", '"a"'])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    """JSON Lines."""
    with pytest.raises(HistoryError, match=r"x\.jsonl:1: "):
        list(read_history(_file(tmp_path, "x.jsonl", text), USAGE))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """Half a gzip file is not the whole history."""
    path = tmp_path / "u.csv.gz"
    rows = "".join(f"a,2026-01-05,m,{number}\n" for number in range(5000))
    path.write_bytes(gzip.compress(f"account_id,time,metric,value\n{rows}".encode())[:-20])
    with pytest.raises(HistoryError, match="cannot be read"):
        list(read_history(path, USAGE))


def test_a_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    """Its first bytes say gzip, the rest says nothing."""
    path = tmp_path / "u.csv.gz"
    path.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 40)
    with pytest.raises(HistoryError, match="cannot be read"):
        list(read_history(path, USAGE))


def test_a_list_is_read_from_words_or_json(tmp_path: Path) -> None:
    """Goals of an account."""
    rows: list[dict[str, Any]] = [{"goals": ["x", "y"]}, {"goals": "x; y"}, {"goals": '["x", "y"]'}, {}]
    base = {"account_id": "a", "time": "2026-01-05", "change": "updated", "value": 10}
    path = _file(tmp_path, "a.jsonl", "".join(json.dumps({**base, **row}) + "\n" for row in rows))
    assert [e["goals"] for e in read_history(path, ACCOUNTS)] == [["x", "y"]] * 3 + [[]]


def test_a_scan_tells_what_the_file_holds(tmp_path: Path) -> None:
    """Before anything is sent."""
    rows = [
        "account_id,time,metric,value,mood",
        "b,2026-01-05,m,1,x",
        "a,2026-01-04,m,1,y",
        "a,,m,1,z",
        "a,2026-01-06,m",
    ]
    bad: list[BadRow] = []
    scan = HistoryFile(_file(tmp_path, "u.csv", "\n".join(rows)), USAGE).scan(bad.append)
    assert (scan.rows, scan.bad, scan.in_order) == (2, 2, False)
    assert [row.line for row in bad] == [4, 5]
    assert (scan.first_at, scan.last_at) == (1_767_484_800_000, 1_767_571_200_000)
    assert scan.unknown_columns == ["mood"]


def test_the_digest_follows_content_and_mapping(tmp_path: Path) -> None:
    """By it a resumed import knows what is its own."""
    path = _file(tmp_path, "u.csv", USAGE_CSV)
    mapping = load_mapping(_file(tmp_path, "m.yaml", "usage-events: {constants: {unit: x}}"))[USAGE]
    digest = HistoryFile(path, USAGE).scan().digest
    assert HistoryFile(_file(tmp_path, "copy.csv", USAGE_CSV), USAGE).scan().digest == digest
    assert HistoryFile(path, USAGE, mapping).scan().digest != digest
    assert HistoryFile(_file(tmp_path, "v.csv", USAGE_CSV + "c,2026-01-05,m,1\n"), USAGE).scan().digest != digest


@pytest.mark.parametrize("in_order", [True, False])
def test_events_of_a_file_are_those_of_read_history(tmp_path: Path, in_order: bool) -> None:  # noqa: FBT001  a parameter
    """`import` and `backtest` see the same log, whether the file had to be sorted or not."""
    lines = USAGE_CSV.splitlines(keepends=True)
    text = "".join([lines[0], *(sorted(lines[1:], key=lambda line: line.split(",")[1]) if in_order else lines[1:])])
    path = _file(tmp_path, "u.csv", text.replace("+02:00", "Z"))
    file = HistoryFile(path, USAGE)
    scan = file.scan()
    assert scan.in_order is in_order
    assert list(file.events(scan)) == list(read_history(path, USAGE))


def test_a_mapping_that_is_no_text_is_refused_with_its_name(tmp_path: Path) -> None:
    """Like one that is no YAML."""
    path = tmp_path / "mapping.yaml"
    path.write_bytes(b"usage-events: \xff")
    with pytest.raises(HistoryError, match=r"mapping\.yaml"):
        load_mapping(path)


_CELLS = st.sampled_from(
    ["", "a", "5", "2026-01-01T00:00:00Z", "opened", "churned", "email", "a;b", "true", "1e3", "x,y"]
)


@given(
    st.sampled_from([USAGE, SENTIMENT, TICKETS, ACCOUNTS, RESPONSES]),
    st.lists(st.tuples(st.sampled_from(["account_id", "account", "time", "metric", "value", "text", "change", "goals",
                                        "ticket_id", "channel", "event_id", "other"]), _CELLS)),
)  # fmt: skip
def test_cells_become_the_event_that_the_row_would_become(topic: str, row: list[tuple[str, str]]) -> None:
    """Looking columns up once changes nothing, neither the event nor what is said of a bad row."""
    rows, head, cells = Rows(topic), [name for name, _ in row], [cell for _, cell in row]

    def outcome(make: Callable[[], dict[str, Any]]) -> dict[str, Any] | str:
        try:
            return make()
        except RowError as error:
            return str(error)

    expected = outcome(lambda: rows.event(dict(zip(head, cells, strict=True))))
    assert outcome(lambda: rows.of_cells(head)(cells)) == expected


def test_lists_of_two_events_are_two_lists() -> None:
    """A default is never shared."""
    make = Rows(ACCOUNTS).of_cells(["account_id", "time", "change"])
    one, other = (make(["a", "2026-01-01", "created"]) for _ in range(2))
    assert one["goals"] == other["goals"] == []
    assert one["goals"] is not other["goals"]
