"""`backontrack backtest` as a user meets it."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import run
from tests.support.history_files import write_history

HEAD = "account_id,time,metric,value\n"


def weekly(tmp_path: Path, name: str = "usage.csv") -> Path:
    """A year of one account's daily logins, halved to almost nothing after nine months."""
    lines = [HEAD]
    for day in range(364):
        month, date = 1 + day // 28, 1 + day % 28
        value = 1 if day > 270 else 20 + day % 3
        if month <= 12:
            lines.append(f"acme,2026-{month:02d}-{date:02d}T09:00:00Z,logins,{value}\n")
    path = tmp_path / name
    path.write_text("".join(lines), encoding="utf-8")
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def summary(*words: str) -> dict[str, Any]:
    ended = run("backtest", *words, "--json")
    assert ended.code == 0, ended.err
    made: dict[str, Any] = json.loads(ended.out)
    return made


def test_episodes_and_scores_have_the_columns_of_the_contract(tmp_path: Path) -> None:
    usage = weekly(tmp_path)
    ended = run(
        *("backtest", "--usage", str(usage), "--episodes", str(tmp_path / "e.csv")),
        *("--scores", str(tmp_path / "s.csv"), "--until", "2027-01-31"),
    )
    assert ended.code == 0, ended.err
    episodes, scores, rows = table(tmp_path / "e.csv"), table(tmp_path / "s.csv"), table(usage)
    drop = next(row for row in episodes if row["kind"] == "relative")
    assert (drop["account_id"], drop["metric"]) == ("acme", "logins")
    assert "2026-10-01" <= drop["onset_at"] <= drop["opened_at"] <= "2026-12"
    assert [(row["account_id"], row["time"], row["metric"]) for row in scores[:-1]] == [
        (row["account_id"], row["time"], row["metric"]) for row in rows
    ]
    assert all(0 <= float(row["score"]) <= 1 for row in scores)
    assert float(scores[-2]["score"]) == 1
    assert (scores[-1]["metric"], scores[-1]["time"]) == ("dormancy", "2027-01-31T00:00:00Z")


def test_without_until_there_is_no_dormancy(tmp_path: Path) -> None:
    run("backtest", "--usage", str(weekly(tmp_path)), "--scores", str(tmp_path / "s.csv"))
    assert {row["metric"] for row in table(tmp_path / "s.csv")} == {"logins"}


def test_text_is_scored_row_by_row(tmp_path: Path) -> None:
    text = tmp_path / "text.csv"
    text.write_text(
        'account_id,time,channel,text\nb,2026-01-01,chat,"I love it, thank you!"\nb,2026-01-02,chat,It is terrible\n',
        encoding="utf-8",
    )
    run("backtest", "--sentiment", str(text), "--scores", str(tmp_path / "s.csv"))
    good, bad = table(tmp_path / "s.csv")
    assert good["metric"] == bad["metric"] == "sentiment"
    assert float(good["score"]) > 0.3
    assert float(bad["score"]) < -0.3


def test_words_of_others_have_the_score_of_their_own_row(tmp_path: Path) -> None:
    """They are no utterance of the customer, but the row has a sentiment."""
    text = tmp_path / "text.csv"
    text.write_text(
        "account_id,time,channel,speaker,text,score\nb,2026-01-01,chat,customer,It is terrible,\n"
        'b,2026-01-02,chat,agent,"Great, I am happy to help!",\nb,2026-01-03,chat,agent,,0.25\n',
        encoding="utf-8",
    )
    assert run("backtest", "--sentiment", str(text), "--scores", str(tmp_path / "s.csv")).code == 0
    customer, agent, scored = (float(row["score"]) for row in table(tmp_path / "s.csv"))
    assert customer < -0.3 < 0.3 < agent
    assert scored == 0.25


def test_names_that_need_quotes_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_text(HEAD + '"a, ""b""",2026-01-01,"x,y",1\n', encoding="utf-8")
    run("backtest", "--usage", str(path), "--scores", str(tmp_path / "s.csv"), "--until", "2026-02-01")
    assert {row["account_id"] for row in table(tmp_path / "s.csv")} == {'a, "b"'}
    assert table(tmp_path / "s.csv")[0]["metric"] == "x,y"


def test_compressed_output_is_readable_and_the_same_every_time(tmp_path: Path) -> None:
    """Whatever it is called."""
    usage = weekly(tmp_path)
    made = []
    for out in (tmp_path / "s.csv.gz", tmp_path / "other.csv.gz"):
        run("backtest", "--usage", str(usage), "--scores", str(out))
        made.append(out.read_bytes())
    assert gzip.decompress(made[0]).startswith(b"account_id,time,metric,score\nacme,2026-01-01T09:00:00Z,logins,")
    assert made[0] == made[1]


def test_one_policy_writes_the_files_that_were_named_and_several_one_each(tmp_path: Path) -> None:
    usage = weekly(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f'extends: default\nversion: "{name}"\n', encoding="utf-8")
    one = (
        "backtest",
        "--usage",
        str(usage),
        "--episodes",
        str(tmp_path / "e.csv"),
        "--policy",
        str(tmp_path / "a.yaml"),
    )
    assert run(*one).code == 0
    assert (tmp_path / "e.csv").exists()
    assert run(*one, "--policy", str(tmp_path / "b.yaml")).code == 0
    assert (tmp_path / "e.a.csv").read_text() == (tmp_path / "e.b.csv").read_text() == (tmp_path / "e.csv").read_text()


def test_several_policies_are_called_after_their_files_everywhere(tmp_path: Path) -> None:
    """Whatever their versions are: in the table, in JSON, in the names of what is written."""
    words = ["backtest", "--usage", str(weekly(tmp_path)), "--episodes", str(tmp_path / "e.csv")]
    for name, version in (("now", 7), ("next", 8)):
        (tmp_path / f"{name}.yaml").write_text(f'extends: default\nversion: "{version}"\n', encoding="utf-8")
        words += ["--policy", str(tmp_path / f"{name}.yaml")]
    table_ = run(*words).out
    assert "policies now (version 7), next (version 8) on" in " ".join(table_.split())
    made = json.loads(run(*words, "--json").out)
    assert [(one["name"], one["version"]) for one in made["policies"]] == [("now", "7"), ("next", "8")]
    assert all((tmp_path / f"e.{one['name']}.csv").exists() for one in made["policies"])
    assert (made["differences"][0]["first"], made["differences"][0]["other"]) == ("now", "next")


def test_json_compares_further_policies_with_the_first(tmp_path: Path) -> None:
    """A policy that finds nothing leaves every episode to the other one."""
    blind = tmp_path / "blind.yaml"
    blind.write_text(
        "extends: default\nversion: blind\nmetrics: {logins: {period: week, min_periods: 104}}\n",
        encoding="utf-8",
    )
    plain = tmp_path / "plain.yaml"
    plain.write_text("extends: default\nversion: plain\n", encoding="utf-8")
    made = summary("--usage", str(weekly(tmp_path)), "--policy", str(plain), "--policy", str(blind))
    assert [one["name"] for one in made["policies"]] == ["plain", "blind"]
    [differ] = made["differences"]
    drops = [row for account in differ["accounts"] for row in account["first_only"] if row["metric"] == "logins"]
    assert len(drops) >= 1
    assert [account["account_id"] for account in differ["accounts"]] == ["acme"]


def test_lead_time_before_a_churn_is_told(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("account_id,time,change\nacme,2026-12-27T12:00:00Z,churned\n", encoding="utf-8")
    made = summary("--usage", str(weekly(tmp_path)), "--accounts", str(accounts))
    [policy] = made["policies"]
    loss = policy["leads"]["loss"]
    assert (loss["events"], loss["preceded"]) == (1, 1)
    assert 30 < loss["lead_days"]["p50"] < 90
    assert made["account_years"] == pytest.approx(360 / 365.25, abs=0.02)


def test_summary_without_json_is_a_table(tmp_path: Path) -> None:
    ended = run("backtest", *write_history(tmp_path, accounts=10))
    assert ended.code == 0
    assert "per account-year" in ended.out
    assert "complaint" in ended.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name at least one file of history"),
        (("--until", "soon"), "no ISO 8601 time"),
        (("--until", "9999-01-01"), "must lie between 1990 and 2099"),
        (("--window", "3 moons"), "is not a duration"),
        (("--jobs", "0"), "greater than or equal to 1"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """Exit code 2, one message."""
    named = ("--usage", str(weekly(tmp_path))) if words else ()
    ended = run("backtest", *named, *words)
    assert ended.code == 2
    assert told in " ".join(ended.err.replace("│", " ").split())


@pytest.mark.parametrize("option", ["--episodes", "--scores", "--records", "--html"])
def test_folder_that_is_not_there_is_told_before_the_work(tmp_path: Path, option: str) -> None:
    ended = run("backtest", "--usage", str(weekly(tmp_path)), option, str(tmp_path / "nowhere" / "x"))
    assert (ended.code, ended.err) == (1, f"error: {tmp_path / 'nowhere' / 'x'}: No such file or directory\n")


def test_inputs_are_not_overwritten(tmp_path: Path) -> None:
    usage = weekly(tmp_path)
    before = usage.read_bytes()
    ended = run("backtest", "--usage", str(usage), "--scores", str(tmp_path / "." / "usage.csv"))
    assert (ended.code, usage.read_bytes()) == (2, before)


def test_no_two_outputs_go_to_one_file(tmp_path: Path) -> None:
    both = str(tmp_path / "out.csv")
    assert run("backtest", "--usage", str(weekly(tmp_path)), "--scores", both, "--episodes", both).code == 2


@pytest.mark.parametrize("content", ["", HEAD, "no history\n"])
def test_history_without_events_is_refused(tmp_path: Path, content: str) -> None:
    """A figure of nothing would look like good news."""
    (tmp_path / "usage.csv").write_text(content, encoding="utf-8")
    ended = run("backtest", "--usage", str(tmp_path / "usage.csv"), "--scores", str(tmp_path / "s.csv"))
    assert (ended.code, ended.err) == (1, f"error: there are no events in {tmp_path / 'usage.csv'}\n")
    assert not (tmp_path / "s.csv").exists()


def test_one_file_without_events_is_told(tmp_path: Path) -> None:
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("account_id,time,ticket_id,change\n", encoding="utf-8")
    ended = run("backtest", "--usage", str(weekly(tmp_path)), "--tickets", str(tickets))
    assert (ended.code, ended.err) == (0, f"note: there are no events in {tickets}\n")


def test_history_beyond_its_end_is_refused(tmp_path: Path) -> None:
    """Who is gone on a day is told without knowing what came after it."""
    ended = run("backtest", "--usage", str(weekly(tmp_path)), "--until", "2026-06-01", "--scores", str(tmp_path / "s"))
    assert ended.code == 1
    assert ended.err.startswith("error: --until 2026-06-01 lies before the last event, 2026-12-2")
    assert not (tmp_path / "s").exists()


def test_complaint_that_came_twice_counts_once(tmp_path: Path) -> None:
    """As it does for the fold, which knows it by its event id."""
    tickets, said = tmp_path / "tickets.csv", tmp_path / "said.csv"
    head = "event_id,account_id,time"
    tickets.write_text(f"{head},ticket_id,change\n" + "t,acme,2026-01-05,1,opened\n" * 2, encoding="utf-8")
    said.write_text(f"{head},channel,score\n" + "s,acme,2026-01-06,chat,-0.9\n" * 2, encoding="utf-8")
    made = summary("--tickets", str(tickets), "--sentiment", str(said))
    assert made["policies"][0]["leads"]["complaint"]["events"] == 2


def test_policy_is_told_with_file_and_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("extends: default\nmetrics:\n  logins: {drop_ratio: 7}\n", encoding="utf-8")
    ended = run("backtest", "--usage", str(weekly(tmp_path)), "--policy", str(wrong))
    assert ended.code == 1
    assert ended.err.startswith(f"error: {wrong}:3: metrics.logins.drop_ratio")


def test_help_has_examples() -> None:
    ended = run("backtest", "--help")
    assert ended.code == 0
    assert "--policy a.yaml --policy b.yaml" in " ".join(ended.out.split())


def test_short_history_does_not_hang_on_names(tmp_path: Path) -> None:
    """What is learnt over all accounts is the same whatever they are called; with --records it is as in a worker."""
    made = []
    for prefix in ("a", "other-"):
        lines = [HEAD]
        for day in range(1, 28):
            lines += [
                f"{prefix}{n},2026-{m:02d}-{day:02d},bought,1\n" for m in (1, 2) for n in range(30) if n % day == 0
            ]
        lines[1:] = sorted(lines[1:], key=lambda line: line.split(",")[1])
        path = tmp_path / "u.csv"
        path.write_text("".join(lines), encoding="utf-8")
        run("backtest", "--usage", str(path), "--scores", str(tmp_path / "s.csv"), "--until", "2026-12-01")
        rows = table(tmp_path / "s.csv")
        made.append([(row["account_id"].removeprefix(prefix), row["metric"], row["score"]) for row in rows])
    assert made[0] == made[1]
    assert len({score for _, metric, score in made[0] if metric == "dormancy"}) > 1
