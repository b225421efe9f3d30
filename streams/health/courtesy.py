"""Polite words: they say nothing of how the customer feels, however kind they sound to a scorer."""

from __future__ import annotations

import re

_WORDS = 4
"""Words from which on a text may say something ..."""
_ENOUGH = 2
"""... when so many of them are more than courtesy."""
_MOST = 2_000
_WORD = re.compile(r"[^\W\d_]+")
_COURTESY = frozenset(
    """
    thanks thank thx ty cheers you u your very much so many a an lot again anyway ok okay alright right fine great
    good nice perfect cool got hi hello hey dear team all best kind regards sincerely bye goodbye goodnight day
    afternoon evening morning night week weekend later please sorry sure helping help reply response answer
    answering support time patience appreciate appreciated appreciation really kindly welcome noted received
    understood for the to me my i we us and of have in on is are was be will getting back quick
    """.split()  # noqa: SIM905  a list of words is read as one
)
"""English only: in other languages a text of enough words says something."""


def substantial(text: str) -> bool:
    """Does a text say enough to prove a better mood? Thanks and greetings, however long, do not."""
    words = _WORD.findall(text[:_MOST].lower())
    return len(words) >= _WORDS and sum(word not in _COURTESY for word in words) >= _ENOUGH
