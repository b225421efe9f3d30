"""Two workers with one name in the group are told from one that loses its place now and then."""

from __future__ import annotations

import pytest

from streams.shell.failure import Unrecoverable
from streams.shell.namesake import Namesakes


def test_place_that_is_lost_again_and_again_is_a_namesakes() -> None:
    namesakes = Namesakes("one")
    for turn in range(4):
        namesakes.look(f"one-{turn}", turn * 2.0)
    with pytest.raises(Unrecoverable, match="another worker has joined the group as 'one'"):
        namesakes.look("one-4", 8.0)


def test_sessions_that_run_out_one_after_the_other_are_no_namesakes() -> None:
    """Six seconds is the shortest session that brokers take."""
    namesakes = Namesakes("one")
    for turn in range(50):
        namesakes.look(f"one-{turn}", turn * 8.0)


def test_member_that_stays_is_looked_at_for_ever() -> None:
    namesakes = Namesakes("one")
    for turn in range(50):
        namesakes.look("one-1" if turn % 2 else "", turn * 0.5)


def test_worker_without_a_name_has_no_namesake() -> None:
    namesakes = Namesakes("")
    for turn in range(50):
        namesakes.look(f"{turn}", turn * 0.5)
