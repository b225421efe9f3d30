"""Training: what is learnt, that it is the same every time, and how it is measured."""

import os
import subprocess
import sys
from math import exp
from pathlib import Path

import pytest

from streams.sentiment.labelled import LabelledText, LabelledTexts
from streams.sentiment.linear import LABELS, LinearScorer
from streams.sentiment.model_file import render
from streams.sentiment.solver import Problem, fit
from streams.sentiment.train import LARGEST_WEIGHT, Recipe, evaluate, train
from tests.support.labelled import AUTHORS, help_desk

RECIPE = Recipe(least=2)


def test_a_model_learns_what_it_was_told() -> None:
    """And carries it over to texts that it has not seen."""
    scorer = LinearScorer(train(help_desk(), RECIPE))
    assert scorer.score("the dashboard is broken again, useless") < -0.5
    assert scorer.score("a lovely dashboard, well done") > 0.5
    assert abs(scorer.score("where do I find the dashboard")) < 0.05


def test_two_trainings_give_the_same_bytes() -> None:
    """A model can be made again from its texts."""
    assert render(train(help_desk(), RECIPE)) == render(train(help_desk(), RECIPE))


def test_weights_are_whole_numbers_of_one_scale() -> None:
    """The largest uses the range."""
    weights = train(help_desk(), RECIPE).weights
    assert max(abs(w) for pair in weights.values() for w in pair) == LARGEST_WEIGHT
    assert all(type(w) is int for pair in weights.values() for w in pair)


def test_only_the_best_grams_are_kept() -> None:
    """As many as were asked for; the telling ones are among them."""
    weights = train(help_desk(), RECIPE._replace(grams=12)).weights
    assert len(weights) <= 12
    assert "lovely" in weights


def test_rare_grams_are_not_learnt() -> None:
    """They are names and misspellings."""
    assert "mondays" in train(help_desk(), RECIPE).weights
    assert "mondays" not in train(help_desk(), RECIPE._replace(least=7)).weights


def test_metrics_are_of_authors_that_were_not_seen() -> None:
    """When each author has a word of their own for everything, nothing carries over to the others."""
    texts = help_desk()
    # One made-up word for each author and label: letters only, as digits are all the same.
    words = [("abcdefghi"[int(row.author[-1])] * 3 + "xyz"[row.label], row) for row in texts.rows]
    own = [LabelledText(word, row.label, row.author) for word, row in words]
    metrics = train(LabelledTexts(own * 3, by_author=True), RECIPE).metrics
    assert (metrics["unseen"], metrics["folds"], metrics["texts"]) == ("authors", 5, 162)
    assert metrics["accuracy"] <= 0.5
    good = train(texts, RECIPE)
    assert good.metrics["accuracy"] > 0.8
    assert good.training["authors"] == AUTHORS
    assert good.training["labels"] == dict.fromkeys(LABELS, 18)


def test_progress_runs_from_nothing_to_all() -> None:
    """Never back."""
    shares: list[float] = []
    train(help_desk(), RECIPE, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_too_few_texts_of_a_label_are_refused() -> None:
    """With how many there are."""
    texts = help_desk()
    few = replace_label(texts, keep=9)
    with pytest.raises(ValueError, match="9 negative texts; at least 10 are needed"):
        train(few, RECIPE)


def replace_label(texts: LabelledTexts, keep: int) -> LabelledTexts:
    negative = [row for row in texts.rows if row.label == 0][:keep]
    return LabelledTexts(negative + [row for row in texts.rows if row.label], texts.by_author)


def test_figures_of_a_known_table() -> None:
    """Recall by class, its mean, and the commonest class alone."""
    found = evaluate([0, 0, 0, 1, 2, 2], [0, 0, 2, 1, 0, 2])
    assert found["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["recall"] == {"negative": 0.6667, "neutral": 1.0, "positive": 0.5}
    assert found["macro_recall"] == pytest.approx((2 / 3 + 1 + 0.5) / 3, abs=1e-4)
    assert found["commonest_alone"] == 0.5


def test_the_solver_finds_the_known_minimum() -> None:
    """One feature, two classes: the penalised optimum solves w = C sum(y - p) for each class."""
    problem = Problem(texts=[[0], [0], [0], []], labels=[0, 0, 1, 1], factors=[1.0], classes=2)
    found = fit(problem, c=2.0)
    (w0,), (w1,) = found.weights
    assert w0 == pytest.approx(-w1, abs=1e-3)
    with_it = 1 / (1 + exp(-(w0 + found.bias[0] - w1 - found.bias[1])))
    without = 1 / (1 + exp(-(found.bias[0] - found.bias[1])))
    assert w0 == pytest.approx(2.0 * (2 - 3 * with_it), abs=0.02)
    assert 3 * with_it + without == pytest.approx(2.0, abs=0.02)


def test_a_version_depends_on_the_texts() -> None:
    """One text more is another model."""
    texts = help_desk()
    more = LabelledTexts([*texts.rows, texts.rows[0]], texts.by_author)
    recipe = RECIPE._replace(folds=0)
    assert train(texts, recipe).version != train(more, recipe).version
    assert train(texts, recipe).metrics == {}


def test_too_few_authors_to_set_some_apart_are_not_measured() -> None:
    """A model that has seen nobody else would be measured as if it had."""
    one = LabelledTexts([row._replace(author="only") for row in help_desk().rows], by_author=True)
    assert train(one, RECIPE).metrics == {}


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_trains_the_same_model(seed: str) -> None:
    """Sets have another order there."""
    code = (
        "from tests.support.labelled import help_desk\n"
        "from streams.sentiment.train import Recipe, train\n"
        "print(train(help_desk(), Recipe(least=2)).version)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == train(help_desk(), RECIPE).version
