"""Model files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.sentiment.choose import choose_scorer
from streams.sentiment.errors import SentimentError
from streams.sentiment.linear import LinearModel, LinearScorer
from streams.sentiment.model_file import load, save, versioned
from streams.sentiment.vader import VaderScorer

MODEL = versioned(
    LinearModel({"broken": (127, -20), 'so "so"': (1, 2), "\U0001f621": (90, -3)}, 0.01, (0.5, -0.25), {"texts": 3}, {})
)


def test_a_model_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Same weights, same version, same scores."""
    save(MODEL, tmp_path / "m.json")
    loaded = load(tmp_path / "m.json")
    assert loaded == MODEL
    texts = ["broken", "so \U0001f621", "fine"]
    assert [LinearScorer(loaded).score(text) for text in texts] == [LinearScorer(MODEL).score(text) for text in texts]


def test_other_weights_are_another_version() -> None:
    """So that a record names exactly what scored it."""
    other = replace(MODEL, weights={**MODEL.weights, "broken": (126, -20)})
    assert versioned(other).version != MODEL.version


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "other/1"}, "`format` must be"),
        ({"scale": 0}, "`scale` must be a positive number"),
        ({"scale": "1"}, "`scale` must be a positive number"),
        ({"scale": 10**400}, "`scale` must be a positive number"),
        ({"bias": [0.0, float("nan")]}, "`bias` must be two numbers"),
        ({"bias": [1.0]}, "`bias` must be two numbers"),
        ({"bias": [1.0, True]}, "`bias` must be two numbers"),
        ({"weights": []}, "`weights` must be an object"),
        ({"weights": {"a": [1, 128]}}, "the weights of 'a'"),
        ({"weights": {"a": [1.0, 2]}}, "the weights of 'a'"),
        ({"weights": {"a": [1]}}, "the weights of 'a'"),
        ({"scale": 0.02}, "it was changed after training"),
        ({"version": "000000000000"}, "it was changed after training"),
    ],
)
def test_a_broken_model_is_refused_with_the_reason(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    """Never loaded with other weights than were trained."""
    path = tmp_path / "m.json"
    save(MODEL, path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(
        SentimentError, match=r"m\.json: .*" + reason.replace("`", "."), check=lambda e: reason in str(e)
    ):
        load(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n"format": 1,\n', ":3: is no JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"[1]", "is no sentiment model"),
        (b"", ":1: is no JSON"),
        (b"[" * 100_000, "is no model"),
    ],
)
def test_what_is_no_model_is_refused_with_file_and_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    """With the line where there is one."""
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with pytest.raises(SentimentError) as refused:
        load(path)
    assert str(refused.value).startswith(str(path))
    assert reason in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """To be read, or to be written into."""
    with pytest.raises(SentimentError, match="cannot be read: No such file"):
        load(tmp_path / "m.json")
    with pytest.raises(SentimentError, match="cannot be written: No such file"):
        save(MODEL, tmp_path / "none" / "m.json")


def test_the_lexicon_scores_where_no_model_is_named(tmp_path: Path) -> None:
    """One place decides."""
    save(MODEL, tmp_path / "m.json")
    assert isinstance(choose_scorer(None), VaderScorer)
    assert choose_scorer(tmp_path / "m.json").name == MODEL.name
