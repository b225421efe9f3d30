"""Which periods a silence of the feed spoils."""

from __future__ import annotations

import pytest

from streams.domain.partition import SourceState
from streams.domain.time import DAY
from streams.health.period import unjudged
from streams.policy.load import default_policy
from tests.support.history import MONDAY

POLICY = default_policy()


def test_without_a_feed_nothing_is_known_against_a_period() -> None:
    assert not unjudged(None, MONDAY, MONDAY + DAY, POLICY)


@pytest.mark.parametrize(("since", "spoilt"), [(MONDAY + DAY - 1, True), (MONDAY + DAY, False), (MONDAY - DAY, True)])
def test_period_that_reaches_into_a_silence_is_spoilt(since: int, spoilt: bool) -> None:  # noqa: FBT001  a parameter
    """One that ends just where the silence begins is whole."""
    source = SourceState(last_at=since, silent_since=since)
    assert unjudged(source, MONDAY, MONDAY + DAY, POLICY) == spoilt


@pytest.mark.parametrize(("until", "spoilt"), [(MONDAY + 1, True), (MONDAY, False)])
def test_period_that_began_before_the_feed_came_back_is_spoilt(until: int, spoilt: bool) -> None:  # noqa: FBT001  as above
    """The one that begins with its return is whole."""
    source = SourceState(last_at=MONDAY + DAY, silent_until=until)
    assert unjudged(source, MONDAY, MONDAY + DAY, POLICY) == spoilt


@pytest.mark.parametrize(("hours", "spoilt"), [(24 * 60, True), (1, False)])
def test_period_in_which_a_known_feed_gave_nobody_anything_is_spoilt(hours: int, spoilt: bool) -> None:  # noqa: FBT001
    """Before the outage is known as one; of a new feed it is not known what is usual."""
    source = SourceState(last_at=MONDAY - 1, hours=hours)
    assert unjudged(source, MONDAY, MONDAY + DAY, POLICY) == spoilt
