"""VADER: a lexicon and rules for short English texts (Hutto and Gilbert 2014, ICWSM)."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any

from streams.sentiment.linear import Reason
from streams.sentiment.tokens import MOST

_EXPLAINED = 200
"""Words whose weight is looked for: each costs scoring the text once more."""
_TRIFLE = 1e-9


class VaderScorer:
    """Compound score of the lexicon as it is, in [-1, 1]. Loads on first use (0.1 s); the newest texts are cached."""

    def __init__(self, cache: int = 4_096) -> None:
        self.name = f"vader-{version('vaderSentiment')}"
        self._analyzer: Any = None
        self.score = lru_cache(maxsize=cache)(self._score)

    def reasons(self, text: str, most: int) -> list[Reason]:
        """The words that decided, strongest first: what the score would lose without each."""
        words = text[:MOST].split()
        whole = self._score(text)
        found = [
            Reason(word, whole - self._score(" ".join(words[:i] + words[i + 1 :])))
            for i, word in enumerate(words[:_EXPLAINED])
        ]
        told = [reason for reason in found if abs(reason.weight) > _TRIFLE]
        return sorted(told, key=lambda reason: -abs(reason.weight))[:most]

    def _score(self, text: str) -> float:
        if self._analyzer is None:
            from vaderSentiment.vaderSentiment import (  # noqa: PLC0415  the lexicon is only read when it is needed
                SentimentIntensityAnalyzer,
            )

            self._analyzer = SentimentIntensityAnalyzer()
        return float(self._analyzer.polarity_scores(text[:MOST])["compound"])
