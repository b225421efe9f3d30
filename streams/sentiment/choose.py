"""Which scorer a process uses: the model that the settings name, else the lexicon. The only place where one is made."""

from __future__ import annotations

from pathlib import Path

from streams.sentiment.linear import LinearScorer
from streams.sentiment.model_file import load
from streams.sentiment.vader import VaderScorer

AnyScorer = VaderScorer | LinearScorer


def choose_scorer(model: Path | None) -> AnyScorer:
    """The scorer of the model file, or of the lexicon when there is none. Raises SentimentError for a broken file."""
    return VaderScorer() if model is None else LinearScorer(load(model))
