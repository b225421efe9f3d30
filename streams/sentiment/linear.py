"""A linear model of sentiment: logistic regression over words and pairs of words, with integer weights.

With W the weights of the known grams of a text, n their number and b the biases,

    z = b + scale * sum(W) / sqrt(n)        for negative and for positive, against neutral (z = 0)
    P = exp(z) / (1 + exp(z-) + exp(z+))

The score is d = P+ - P- on a scale on which the likeliest class can be read off with the bounds of the lexicon:
beyond 0.05 it is positive, beyond -0.05 negative, between them neutral.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, sqrt
from typing import Any

from streams.sentiment.tokens import grams

LABELS = ("negative", "neutral", "positive")
"""The classes, from low to high."""
CLEAR = 0.05
"""Scores beyond it, on either side, are not neutral (the bound of Hutto and Gilbert 2014)."""
_NEUTRAL = 0.09
"""Slope of d inside the neutral band: |d| < 1/2 there, so the score stays within 0.045."""
_STEEPEST = 60.0
"""Bound of |z|: beyond it a probability is 1 in a double."""


@dataclass(frozen=True)
class LinearModel:
    """What was learnt, and how well it did. `version` is a hash of everything else: other weights, other version."""

    weights: dict[str, tuple[int, int]]
    """Of each gram: towards negative and towards positive, against neutral, -127..127."""
    scale: float
    """One unit of the weights."""
    bias: tuple[float, float]
    """Negative and positive, against neutral."""
    training: dict[str, Any] = field(default_factory=dict)
    """What it was trained on and how."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """How well it does on texts that it has not seen."""
    version: str = ""

    @property
    def name(self) -> str:
        """As it stands in the records that it scored."""
        return f"linear-{self.version}"


@dataclass(frozen=True)
class Reason:
    """A part of a text and what it did: below 0 towards negative, above towards positive."""

    part: str
    weight: float


class LinearScorer:
    """Scores texts by a model, in [-1, 1]. The newest texts are cached."""

    def __init__(self, model: LinearModel, cache: int = 4_096) -> None:
        self.model = model
        self.name = model.name
        self.score = lru_cache(maxsize=cache)(self._score)

    def _score(self, text: str) -> float:
        chances = self.chances(text)
        return 0.0 if chances is None else position(*chances)

    def chances(self, text: str) -> tuple[float, float, float] | None:
        """Probabilities of negative, neutral and positive. None when no gram is known: then the text says nothing."""
        model = self.model
        known = [pair for pair in map(model.weights.get, grams(text)) if pair is not None]
        if not known:
            return None
        unit = model.scale / sqrt(len(known))
        return softmax(
            model.bias[0] + unit * sum(pair[0] for pair in known), model.bias[1] + unit * sum(pair[1] for pair in known)
        )

    def reasons(self, text: str, most: int) -> list[Reason]:
        """The grams that decided, strongest first: each one's share of ln(P+ / P-)."""
        weights = self.model.weights
        known = [(gram, weights[gram]) for gram in grams(text) if gram in weights]
        unit = self.model.scale / sqrt(len(known) or 1)
        found = [Reason(gram, unit * (positive - negative)) for gram, (negative, positive) in known]
        return sorted(found, key=lambda reason: (-abs(reason.weight), reason.part))[:most]


def softmax(negative: float, positive: float) -> tuple[float, float, float]:
    """Probabilities of the three classes from the two log odds against neutral."""
    low = exp(min(_STEEPEST, max(-_STEEPEST, negative)))
    high = exp(min(_STEEPEST, max(-_STEEPEST, positive)))
    total = 1.0 + low + high
    return low / total, 1.0 / total, high / total


def position(negative: float, neutral: float, positive: float) -> float:
    """The score of three probabilities, in [-1, 1]."""
    d = positive - negative
    if neutral >= max(negative, positive):
        return _NEUTRAL * d
    return (CLEAR if d > 0 else -CLEAR) + (1.0 - CLEAR) * d
