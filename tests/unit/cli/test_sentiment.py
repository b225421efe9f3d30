"""`backontrack sentiment`: train, score, show."""

import csv
import json
from pathlib import Path

import pytest

from tests.support.cli import run
from tests.support.labelled import help_desk, write


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model trained on the help desk's texts."""
    path = tmp_path / "model.json"
    texts = write(tmp_path / "texts.csv", help_desk())
    done = run("sentiment", "train", "--texts", str(texts), "--out", str(path), "--least", "2")
    assert done.code == 0, done.err
    assert "on unseen authors (5 parts): accuracy " in done.out
    return path


def test_a_trained_model_scores_and_says_why(model: Path) -> None:
    """With its name and the words that decided."""
    done = run("sentiment", "score", "--model", str(model), "--json", "the planner is broken again")
    found = json.loads(done.out)
    assert (found["class"], found["score"] < -0.5) == ("negative", True)
    assert found["because"][0]["part"] in {"broken", "again", "broken again", "is broken"}
    shown = json.loads(run("sentiment", "show", str(model), "--json").out)
    assert found["scored_by"] == shown["name"]


def test_the_setting_names_the_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for a worker."""
    monkeypatch.setenv("BACKONTRACK_SENTIMENT_MODEL", str(model))
    assert "(linear-" in run("sentiment", "score", "lovely").out


def test_without_a_model_the_lexicon_scores() -> None:
    """With its words."""
    found = json.loads(run("sentiment", "score", "--json", "This is a terrible plan").out)
    assert found["scored_by"] == "vader-3.3.2"
    assert [reason["part"] for reason in found["because"]] == ["terrible"]


def test_a_file_is_scored_row_by_row(model: Path, tmp_path: Path) -> None:
    """Its columns stay; score and class are added."""
    texts, out = tmp_path / "new.csv", tmp_path / "scored.csv"
    texts.write_text('id,text\n1,"lovely, well done"\n2,\n', encoding="utf-8")
    done = run("sentiment", "score", "--model", str(model), "--texts", str(texts), "--out", str(out))
    assert done.code == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [(row["id"], row["class"]) for row in rows] == [("1", "positive"), ("2", "neutral")]
    assert float(rows[0]["score"]) > 0.05


def test_two_trainings_write_the_same_file(model: Path, tmp_path: Path) -> None:
    """Byte for byte, so a model can be made again from its texts."""
    again = tmp_path / "again.json"
    texts = str(tmp_path / "texts.csv")
    assert run("sentiment", "train", "--texts", texts, "--out", str(again), "--least", "2", "--json").code == 0
    assert again.read_bytes() == model.read_bytes()


def test_show_tells_what_a_model_is(model: Path) -> None:
    """Size, texts, metrics, strongest words."""
    done = run("sentiment", "show", str(model))
    assert "from 54 texts of 9 authors" in done.out
    assert "lovely" in done.out.split("most positive: ")[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "{tmp}/none.json"), "none.json: cannot be read"),
        (("score", "hi", "--model", "{tmp}/bad.json"), "bad.json:1: is no JSON"),
        (("train", "--texts", "{tmp}/bad.csv", "--out", "{tmp}/m.json"), "bad.csv:2: label 'x'"),
        (("train", "--texts", "{tmp}/few.csv", "--out", "{tmp}/m.json"), "few.csv: 0 negative texts; at least 10"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    """Without a traceback."""
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    (tmp_path / "bad.csv").write_text("text,label\nhi,x\n", encoding="utf-8")
    (tmp_path / "few.csv").write_text("text,label\nhi,positive\n", encoding="utf-8")
    done = run("sentiment", *(word.format(tmp=tmp_path) for word in arguments))
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert reason in done.err


@pytest.mark.parametrize("arguments", [("score",), ("score", "hi", "--out", "x.csv")])
def test_wrong_use_is_told(arguments: tuple[str, ...]) -> None:
    """Exit code 2."""
    assert run("sentiment", *arguments).code == 2


def test_texts_are_not_overwritten_by_their_scores(tmp_path: Path) -> None:
    """Exit code 2, and the file stays as it is."""
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nlovely\n", encoding="utf-8")
    done = run("sentiment", "score", "--texts", str(texts), "--out", str(texts))
    assert (done.code, texts.read_text(encoding="utf-8")) == (2, "text\nlovely\n")


def test_scores_of_a_missing_file_leave_nothing_behind(tmp_path: Path) -> None:
    """Not even an empty file."""
    done = run("sentiment", "score", "--texts", str(tmp_path / "none.csv"), "--out", str(tmp_path / "out.csv"))
    assert (done.code, list(tmp_path.iterdir())) == (1, [])


def test_folder_of_the_model_is_looked_for_before_the_training(tmp_path: Path) -> None:
    """So that nobody trains in vain: here before the labels are read."""
    done = run("sentiment", "train", "--texts", str(tmp_path / "none.csv"), "--out", str(tmp_path / "none" / "m.json"))
    assert (done.code, done.err) == (1, f"error: {tmp_path / 'none' / 'm.json'}: there is no such folder\n")


@pytest.mark.parametrize("command", ["worker", "backtest"])
def test_a_broken_model_stops_whoever_would_use_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, before anything is read."""
    broken = tmp_path / "model.json"
    broken.write_text("{}", encoding="utf-8")
    texts = tmp_path / "s.csv"
    texts.write_text("account_id,time,channel,text\na,2024-01-01,chat,hi\n", encoding="utf-8")
    monkeypatch.setenv("BACKONTRACK_SENTIMENT_MODEL", str(broken))
    done = run(command, *(("--sentiment", str(texts)) if command == "backtest" else ()))
    assert (done.code, done.out) == (1, "")
    assert "model.json: is no sentiment model" in done.err


def test_a_backtest_scores_with_the_model(model: Path, tmp_path: Path) -> None:
    """The same scores as `sentiment score`."""
    texts, scores = tmp_path / "s.csv", tmp_path / "scores.csv"
    texts.write_text(
        "account_id,time,channel,text\na,2024-01-01T00:00:00Z,chat,the planner is broken again\n", encoding="utf-8"
    )
    done = run(
        "backtest", "--sentiment", str(texts), "--scores", str(scores), "--sentiment-model", str(model), "--json"
    )
    assert done.code == 0, done.err
    alone = json.loads(run("sentiment", "score", "--model", str(model), "--json", "the planner is broken again").out)
    assert float(next(csv.DictReader(scores.read_text(encoding="utf-8").splitlines()))["score"]) == alone["score"]
