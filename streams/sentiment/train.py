"""Trains the linear model on labelled texts, and measures it on authors that it has not seen.

Grams that at least `least` texts hold are features. Each is weighted by how unevenly the classes use it, the square
root of its largest log-count ratio (after Wang and Manning 2012, ACL), so that telling grams are held back less. The
model is fitted with all of them, the best are kept, and it is fitted again with these alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import log, sqrt
from typing import Any, NamedTuple

from streams.sentiment.labelled import LabelledText, LabelledTexts
from streams.sentiment.linear import LABELS, LinearModel, LinearScorer, position
from streams.sentiment.model_file import versioned
from streams.sentiment.solver import Fit, Problem, fit
from streams.sentiment.tokens import grams

LARGEST_WEIGHT = 127
FEWEST = 10
"""Texts that each of negative and positive needs; with fewer, nothing is learnt but names."""
_NEGATIVE, _NEUTRAL, _POSITIVE = range(3)
_FITS = 2
"""Fits of one training: with all grams, then with the best."""

Progress = Callable[[float], None]


class Recipe(NamedTuple):
    """How a model is trained."""

    grams: int = 4_000
    """Grams that are kept; about 21 bytes each in the file."""
    least: int = 5
    """Texts that must hold a gram."""
    c: float = 3.0
    """Inverse strength of the penalty on weights."""
    folds: int = 5
    """Parts of the authors; each is scored by a model that saw the others. 0 measures nothing."""


def train(texts: LabelledTexts, recipe: Recipe, progress: Progress = lambda _share: None) -> LinearModel:
    """A model of all texts, with the metrics of `folds` models that each saw a part.

    Raises ValueError when there are too few texts. `progress` is told the share done, in [0, 1].
    """
    rows = texts.rows
    counts = Counter(row.label for row in rows)
    for label in (_NEGATIVE, _POSITIVE):
        if counts[label] < FEWEST:
            raise ValueError(f"{counts[label]} {LABELS[label]} texts; at least {FEWEST} are needed")
    found = [sorted(grams(row.text)) for row in rows]
    runs = recipe.folds + 1
    metrics = _cross_fit(texts, found, recipe, lambda share: progress(share * recipe.folds / runs))
    learnt = _learn(rows, found, recipe, lambda share: progress((recipe.folds + share) / runs))
    training = {
        "texts": len(rows),
        "labels": {name: counts[label] for label, name in enumerate(LABELS)},
        "authors": len({row.author for row in rows}) if texts.by_author else None,
        "recipe": recipe._asdict(),
    }
    return versioned(LinearModel(learnt.weights, learnt.scale, learnt.bias, training, metrics))


def evaluate(labels: Sequence[int], predicted: Sequence[int]) -> dict[str, Any]:
    """Accuracy, recall by class, their mean over the classes that occur, and what always the commonest would give."""
    table = Counter(zip(labels, predicted, strict=True))
    counts = Counter(labels)
    recall = {LABELS[k]: round(table[k, k] / counts[k], 4) for k in sorted(counts)}
    return {
        "texts": len(labels),
        "accuracy": round(sum(table[k, k] for k in counts) / len(labels), 4),
        "macro_recall": round(sum(recall.values()) / len(recall), 4),
        "recall": recall,
        "commonest_alone": round(max(counts.values()) / len(labels), 4),
    }


def class_of(score: float) -> int:
    """The class that a score stands for: 0 negative, 1 neutral, 2 positive."""
    bound = position(0.0, 0.5, 0.5)
    return _POSITIVE if score > bound else _NEGATIVE if score < -bound else _NEUTRAL


def _cross_fit(texts: LabelledTexts, found: list[list[str]], recipe: Recipe, progress: Progress) -> dict[str, Any]:
    """Metrics over all texts, each scored by a model that saw nothing of its author.

    None where too few authors are left to learn from: then they would be those of no model.
    """
    if not recipe.folds:
        return {}
    rows = texts.rows
    folds = [int.from_bytes(sha256(row.author.encode()).digest()[:8]) % recipe.folds for row in rows]
    labels: list[int] = []
    predicted: list[int] = []
    for fold in range(recipe.folds):
        seen = [number for number, part in enumerate(folds) if part != fold]
        unseen = [number for number, part in enumerate(folds) if part == fold]
        if not {_NEGATIVE, _POSITIVE} <= {rows[number].label for number in seen}:
            return {}
        model = _learn(
            [rows[number] for number in seen],
            [found[number] for number in seen],
            recipe,
            lambda share, done=fold: progress((done + share) / recipe.folds),  # type: ignore[misc]
        )
        scorer = LinearScorer(model, cache=0)
        labels += [rows[number].label for number in unseen]
        predicted += [class_of(scorer.score(rows[number].text)) for number in unseen]
    return {"unseen": "authors" if texts.by_author else "texts", "folds": recipe.folds, **evaluate(labels, predicted)}


def _learn(rows: list[LabelledText], found: list[list[str]], recipe: Recipe, progress: Progress) -> LinearModel:
    counts = Counter(gram for one in found for gram in one)
    kept = sorted(gram for gram, count in counts.items() if count >= recipe.least)
    labels = [row.label for row in rows]
    first = _fit(kept, found, labels, recipe.c, None, lambda share: progress(share / _FITS))
    if len(kept) <= recipe.grams:
        progress(1.0)
        return _integers(kept, first)
    ranks = sorted(range(len(kept)), key=lambda j: (-_worth(first, j) * sqrt(counts[kept[j]]), kept[j]))
    chosen = sorted(ranks[: recipe.grams])
    start = Fit([[row[j] for j in chosen] for row in first.weights], first.bias)
    best = [kept[j] for j in chosen]
    second = _fit(best, found, labels, recipe.c, start, lambda share: progress((1 + share) / _FITS))
    return _integers(best, second)


def _worth(learnt: Fit, j: int) -> float:
    neutral = learnt.weights[_NEUTRAL][j]
    return max(abs(learnt.weights[_NEGATIVE][j] - neutral), abs(learnt.weights[_POSITIVE][j] - neutral))


def _fit(
    kept: list[str], found: list[list[str]], labels: list[int], c: float, start: Fit | None, progress: Progress
) -> Fit:
    index = {gram: number for number, gram in enumerate(kept)}
    texts = [[index[gram] for gram in one if gram in index] for one in found]
    factors = _factors(texts, labels, len(kept))
    return fit(Problem(texts, labels, factors, len(LABELS)), c, start, progress)


def _factors(texts: list[list[int]], labels: list[int], size: int) -> list[float]:
    """Square root of each gram's largest |ln(share in a class / share in the others)|, counts smoothed by 1."""
    counts = [[1.0] * size for _ in LABELS]
    for text, label in zip(texts, labels, strict=True):
        row = counts[label]
        for gram in text:
            row[gram] += 1.0
    totals = [sum(row) for row in counts]
    every = sum(totals)
    factors = []
    for gram in range(size):
        inside = [row[gram] for row in counts]
        all_of = sum(inside)
        ratios = [
            log(own / total) - log((all_of - own) / (every - total)) for own, total in zip(inside, totals, strict=True)
        ]
        factors.append(sqrt(max(map(abs, ratios))))
    return factors


def _integers(kept: list[str], learnt: Fit) -> LinearModel:
    """The weights against neutral, as integers of one scale; grams without weight are left out."""
    negative, neutral, positive = learnt.weights
    pairs = [(n - z, p - z) for n, z, p in zip(negative, neutral, positive, strict=True)]
    largest = max((abs(w) for pair in pairs for w in pair), default=0.0)
    scale = float(f"{largest / LARGEST_WEIGHT:.6g}") or 1.0
    whole = {gram: (round(n / scale), round(p / scale)) for gram, (n, p) in zip(kept, pairs, strict=True)}
    low, zero, high = learnt.bias
    bias = (round(low - zero, 6), round(high - zero, 6))
    return LinearModel({gram: pair for gram, pair in whole.items() if pair != (0, 0)}, scale, bias)
