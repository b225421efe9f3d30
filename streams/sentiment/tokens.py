"""A text as the linear model sees it: the set of its words and of its pairs of neighbouring words."""

from __future__ import annotations

import re
from itertools import pairwise

MOST = 4_000
"""Characters that are read: time is linear in them, and mood shows in the first page."""
_LINK = re.compile(r"https?://\S+|www\.\S+")
_HANDLE = re.compile(r"@\w+")
_DIGITS = re.compile(r"\d+")
_RUN = re.compile(r"([!?])[!?]+")
_TOKEN = re.compile(r"_[ua]|(?:[^\W\d_]|')+|9|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Words in lower case and single other signs (emoji are signs), in order.

    Links become `_u`, handles `_a`, numbers `9`; a run of `!` or `?` counts once, as its first sign.
    """
    text = text[:MOST].lower().replace("\u2019", "'")
    if "http" in text or "www." in text:
        text = _LINK.sub(" _u ", text)
    if "@" in text:
        text = _HANDLE.sub(" _a ", text)
    return _TOKEN.findall(_RUN.sub(r"\1", _DIGITS.sub("9", text)))


def grams(text: str) -> set[str]:
    """Tokens, and pairs of neighbours joined by a space."""
    found = tokens(text)
    return {*found, *map(" ".join, pairwise(found))}
