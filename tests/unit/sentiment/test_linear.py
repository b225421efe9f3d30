"""Scores of the linear model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sentiment.linear import LABELS, LinearModel, LinearScorer, Reason, position, softmax
from streams.sentiment.train import class_of

MODEL = LinearModel({"broken": (100, -100), "lovely": (-100, 100), "it": (0, 1)}, 0.05, (0.2, -0.1), version="abc")


def test_kind_and_angry_words_have_opposite_scores() -> None:
    """Beyond the bounds of the classes."""
    scorer = LinearScorer(MODEL)
    assert scorer.score("it is broken") < -0.5
    assert scorer.score("it is lovely") > 0.5
    assert scorer.name == "linear-abc"


@pytest.mark.parametrize("text", ["", "   ", "quarterly figures", "\U0001f600" * 3])
def test_a_text_without_known_words_says_nothing(text: str) -> None:
    """Not what most texts of the training said."""
    assert LinearScorer(MODEL).score(text) == 0.0


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_score_tells_the_likeliest_class(negative: float, positive: float) -> None:
    """Whatever the weights add up to; always in [-1, 1]."""
    chances = softmax(negative, positive)
    score = position(*chances)
    assert -1 <= score <= 1
    assert sum(chances) == pytest.approx(1)
    likeliest = class_of(score)
    assert chances[likeliest] == max(chances), LABELS[likeliest]


@given(st.lists(st.sampled_from(["broken ", "lovely ", "it ", "\U0001f600", "x", "!", "@a ", "9"])).map("".join))
def test_any_text_has_a_score_in_range(text: str) -> None:
    """Long or odd ones too."""
    assert -1 <= LinearScorer(MODEL, cache=0).score(text * 50) <= 1


def test_the_words_that_decided_are_told() -> None:
    """Strongest first; together they are all of the log odds but the biases."""
    reasons = LinearScorer(MODEL).reasons("it is lovely", 5)
    assert reasons == [Reason("lovely", pytest.approx(10 / 2**0.5)), Reason("it", pytest.approx(0.05 / 2**0.5))]
    assert LinearScorer(MODEL).reasons("nothing known", 5) == []
