"""VADER: a lexicon and rules for short English texts (Hutto and Gilbert 2014, ICWSM)."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any

_MOST = 4_000
"""Characters that are read: time is linear in them, and mood shows in the first page."""


class VaderScorer:
    """Compound score of the lexicon as it is, in [-1, 1]. Loads on first use (0.1 s); the newest texts are cached."""

    def __init__(self, cache: int = 4_096) -> None:
        self.name = f"vader-{version('vaderSentiment')}"
        self._analyzer: Any = None
        self.score = lru_cache(maxsize=cache)(self._score)

    def _score(self, text: str) -> float:
        if self._analyzer is None:
            from vaderSentiment.vaderSentiment import (  # noqa: PLC0415  the lexicon is only read when it is needed
                SentimentIntensityAnalyzer,
            )

            self._analyzer = SentimentIntensityAnalyzer()
        return float(self._analyzer.polarity_scores(text[:_MOST])["compound"])
