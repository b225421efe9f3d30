"""`backontrack dormancy fit` as a user meets it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from streams.domain.time import HOUR, WEEK, format_time
from streams.policy.load import load_policy
from tests.support.cli import run
from tests.support.history import MONDAY

HEAD = "account_id,time,metric,value\n"


def written(path: Path, rows: list[tuple[int, str]]) -> Path:
    """A file of usage."""
    lines = [f"{name},{format_time(at)},bought,1\n" for at, name in rows]
    path.write_text(HEAD + "".join(lines), encoding="utf-8")
    return path


def shop(path: Path, accounts: int = 200, weeks: int = 40) -> Path:
    """Customers who buy at their own pace and may leave after each time."""
    rng, rows = random.Random(5), []
    for i in range(accounts):
        at, pace, p = MONDAY + int(rng.random() * 8 * WEEK), rng.gammavariate(1.0, 0.3), rng.betavariate(1.0, 4.0)
        while at < MONDAY + weeks * WEEK:
            rows.append((at, f"c{i}"))
            at += int(rng.expovariate(pace) * WEEK) + 9 * HOUR
            if rng.random() < p:
                break
    return written(path, sorted(rows))


def test_the_lines_printed_make_a_policy_that_a_backtest_uses(tmp_path: Path) -> None:
    """As they are, below `extends: default`."""
    usage = shop(tmp_path / "usage.csv")
    ended = run("dormancy", "fit", "--usage", str(usage))
    assert ended.code == 0, ended.err
    assert ended.out.startswith("# BG/NBD, fitted to 200 accounts until ")
    assert "# log-likelihood -" in ended.out
    text = "extends: default\n" + ended.out
    rules = load_policy(text, "printed").detection.dormancy
    assert (rules.model, rules.bg_nbd is None) == ("bg_nbd", False)
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    words = ["backtest", "--usage", str(usage), "--until", "2027-06-30", "--policy", str(tmp_path / "policy.yaml")]
    assert run(*words, "--scores", str(tmp_path / "scores.csv")).code == 0
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        gone = [float(row["score"]) for row in csv.DictReader(file) if row["metric"] == "dormancy"]
    assert len(gone) == 200
    assert 0 <= min(gone) < max(gone) <= 1


def test_json_says_the_same(tmp_path: Path) -> None:
    """For programs; the same file gives the same figures, in whatever order its rows are."""
    usage = shop(tmp_path / "usage.csv")
    made = json.loads(run("dormancy", "fit", "--usage", str(usage), "--json").out)
    assert set(made["bg_nbd"]) == {"r", "alpha", "a", "b"}
    assert made["accounts"] == 200
    assert 0 < made["repeating"] < 200
    assert made["log_likelihood"] < 0
    head, *lines = usage.read_text(encoding="utf-8").splitlines()
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("\n".join([head, *sorted(lines)]), encoding="utf-8")
    assert json.loads(run("dormancy", "fit", "--usage", str(mixed), "--json").out) == made


def test_what_came_after_until_is_left_out(tmp_path: Path) -> None:
    """As if the file had ended there, and time had gone on until then."""
    usage, until = shop(tmp_path / "usage.csv"), format_time(MONDAY + 30 * WEEK)
    head, *lines = usage.read_text(encoding="utf-8").splitlines()
    (tmp_path / "short.csv").write_text("\n".join([head, *(x for x in lines if x.split(",")[1] <= until)]))
    made = [
        json.loads(run("dormancy", "fit", "--usage", str(path), "--until", until, "--json").out)
        for path in (usage, tmp_path / "short.csv")
    ]
    assert made[0] == made[1]
    assert made[0]["until"] == until
    assert made[0] != json.loads(run("dormancy", "fit", "--usage", str(usage), "--json").out)


def test_accounts_that_never_came_back_are_refused(tmp_path: Path) -> None:
    """In one line, with the file."""
    usage = written(tmp_path / "usage.csv", [(MONDAY + i * WEEK, f"c{i}") for i in range(5)])
    ended = run("dormancy", "fit", "--usage", str(usage))
    assert ended.code == 1
    assert ended.err.startswith(f"error: {usage}: nothing to learn from: no account came back")
    assert "Traceback" not in ended.err


def test_a_file_without_activity_of_customers_is_refused(tmp_path: Path) -> None:
    """Readings at fixed moments are a machine's; the message says what counts."""
    rows = [(MONDAY + week * WEEK, f"c{i}") for week in range(20) for i in range(3)]
    ended = run("dormancy", "fit", "--usage", str(written(tmp_path / "usage.csv", rows)))
    assert ended.code == 1
    assert "no account was ever active" in ended.err
    assert "fixed moments" in ended.err


def test_a_history_that_leaves_parameters_open_says_so(tmp_path: Path) -> None:
    """The figures are still printed."""
    rng = random.Random(2)
    rows = sorted((MONDAY + int((week + rng.random()) * WEEK), f"c{i}") for week in range(20) for i in range(30))
    ended = run("dormancy", "fit", "--usage", str(written(tmp_path / "usage.csv", rows)))
    assert ended.code == 0
    assert "note: this history leaves some parameters open" in ended.err
    assert "model: bg_nbd" in ended.out


def test_a_row_that_is_none_is_named_by_file_and_line(tmp_path: Path) -> None:
    """As for a backtest."""
    usage = tmp_path / "usage.csv"
    usage.write_text(HEAD + "a,2026-01-05,bought,1\na,2026-01-12,bought,many\n", encoding="utf-8")
    ended = run("dormancy", "fit", "--usage", str(usage))
    assert ended.code == 1
    assert f"{usage}:3: " in ended.err


@pytest.mark.parametrize("words", [["--until", "soon"], ["--until", "1066-10-14"], ["--usage", "nowhere.csv"]])
def test_wrong_options_end_with_2(tmp_path: Path, words: list[str]) -> None:
    """Before anything is read."""
    usage = shop(tmp_path / "usage.csv", accounts=5)
    assert run("dormancy", "fit", "--usage", str(usage), *words).code == 2


def test_help_has_examples() -> None:
    """Of the subcommand."""
    ended = run("dormancy", "fit", "--help")
    assert ended.code == 0
    assert "Examples" in ended.out
    assert "backontrack dormancy fit --usage usage.csv" in ended.out
