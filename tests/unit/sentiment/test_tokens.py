"""Texts as sets of words and pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sentiment.tokens import MOST, grams, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's DOWN", ["it's", "down"]),
        ("It\u2019s down", ["it's", "down"]),
        ("see https://example.org/x?y now", ["see", "_u", "now"]),
        ("@desk help", ["_a", "help"]),
        ("2 days, 48 h", ["9", "days", ",", "9", "h"]),
        ("why?!?!", ["why", "?"]),
        ("no \U0001f621\U0001f621", ["no", "\U0001f621", "\U0001f621"]),
        ("Größe geändert", ["größe", "geändert"]),
        (" \n ", []),
    ],
)
def test_what_does_not_matter_is_made_the_same(text: str, expected: list[str]) -> None:
    """Case, links, names, numbers, runs of signs; letters of any alphabet stay words."""
    assert tokens(text) == expected


def test_grams_are_words_and_pairs_of_neighbours() -> None:
    """Each once."""
    assert grams("no no help") == {"no", "help", "no no", "no help"}


@given(st.text())
def test_any_text_has_tokens_without_blanks(text: str) -> None:
    """Pairs are joined by a blank, so none may be inside a token."""
    assert all(token.strip() == token and " " not in token and token for token in tokens(text))


def test_a_huge_text_is_read_in_part() -> None:
    """Its first page."""
    assert tokens("a" * MOST + " b") == ["a" * MOST]
