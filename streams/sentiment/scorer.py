"""What the core asks of a sentiment scorer. Pure: implementations live beside it and are handed in."""

from __future__ import annotations

from typing import Protocol


class Scorer(Protocol):
    """Scores a text. The same text has the same score in every run and on every worker."""

    @property
    def name(self) -> str:
        """Name and version: another name means other scores."""
        ...

    def score(self, text: str) -> float:
        """Sentiment in [-1, 1]."""
        ...
