"""How many of a topic's newest records may become dead letters."""

from hypothesis import given
from hypothesis import strategies as st

from streams.shell.letter_limit import LEAST_LETTERS, WINDOW, LetterWindow


def _letters_until_full(window: LetterWindow, first: int, ratio: float) -> int:
    offset = first
    while window.allows(offset, ratio) and offset < first + 5_000:
        window.add(offset)
        offset += 1
    return offset - first


def test_a_hundred_letters_are_never_too_many() -> None:
    """At the beginning of a log all may be letters."""
    assert _letters_until_full(LetterWindow(0), 0, 0.5) == LEAST_LETTERS


def test_behind_good_records_half_of_the_window_may_be_letters() -> None:
    """501 of 1,000 are more than half."""
    assert _letters_until_full(LetterWindow(0), 5_000, 0.5) == WINDOW // 2


def test_a_ratio_of_one_is_no_limit() -> None:
    """For whoever has looked, and wants the records out of the way."""
    assert _letters_until_full(LetterWindow(0), 0, 1.0) == 5_000


def test_a_ratio_of_zero_still_allows_a_hundred() -> None:
    """A few damaged records must not stop anything."""
    assert _letters_until_full(LetterWindow(0), 5_000, 0.0) == LEAST_LETTERS


def test_letters_leave_the_window_as_records_pass() -> None:
    """Only the newest records count."""
    window = LetterWindow(0, range(400))
    assert window.count(999) == (401, 1_000)
    assert window.count(1_399) == (1, 1_000)


@given(st.sets(st.integers(0, 3_000)), st.floats(0, 1))
def test_the_window_says_the_same_whenever_it_was_made(bad: set[int], ratio: float) -> None:
    """Made from what lies before, at any letter, it decides as the one that has seen it all."""
    seen = LetterWindow(0)
    for offset in sorted(bad):
        made = LetterWindow(0, [other for other in sorted(bad) if offset - WINDOW < other < offset])
        assert seen.count(offset) == made.count(offset)
        assert seen.allows(offset, ratio) == made.allows(offset, ratio)
        seen.add(offset)
