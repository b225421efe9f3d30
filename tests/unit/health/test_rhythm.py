"""The account's own rhythm."""

from streams.domain.signal import Rhythm
from streams.domain.time import DAY, HOUR, MINUTE
from streams.health import rhythm
from streams.policy.signals import SilencePolicy

RULES = SilencePolicy()


def regular(gap: int, times: int) -> Rhythm:
    """A rhythm of equal gaps."""
    pulse = Rhythm()
    for i in range(1, times + 1):
        rhythm.active(pulse, i * gap, 30 * MINUTE, 0)
    return pulse


def test_patience_grows_with_the_usual_gap() -> None:
    """Weekly customers are waited for longer than daily ones."""
    daily, weekly = (rhythm.patience(regular(gap, 30), RULES) for gap in (DAY, 7 * DAY))
    assert daily is not None
    assert weekly is not None
    assert 3 * DAY <= daily < 8 * DAY
    assert 10 * DAY < weekly < 60 * DAY


def test_an_unknown_rhythm_has_no_patience_to_exceed() -> None:
    """Too few gaps."""
    assert rhythm.patience(regular(DAY, 9), RULES) is None


def test_events_of_one_session_are_one_activity() -> None:
    """Gaps inside a session are not learnt."""
    pulse = regular(DAY, 14)
    n = pulse.n
    rhythm.active(pulse, 14 * DAY + MINUTE, 30 * MINUTE, 0)
    assert (pulse.n, pulse.last_at) == (n, 14 * DAY + MINUTE)


def test_a_gap_over_a_silence_of_the_feed_is_not_learnt() -> None:
    """The account may have been there."""
    pulse = regular(DAY, 14)
    n = pulse.n
    rhythm.active(pulse, 20 * DAY, 30 * MINUTE, feed_back_at=19 * DAY)
    assert (pulse.n, pulse.last_at) == (n, 20 * DAY)


def test_activity_after_being_overdue_is_a_return() -> None:
    """And that gap is no part of the rhythm."""
    pulse = regular(DAY, 14)
    pulse.overdue_at = 16 * DAY
    longest = pulse.longest
    rhythm.active(pulse, 20 * DAY, 30 * MINUTE, 0)
    assert (pulse.overdue_at, pulse.resumed_at, pulse.longest) == (None, 20 * DAY, longest)


def test_the_longest_gap_is_respected() -> None:
    """A customer who once went away for ten days may do so again."""
    pulse = regular(DAY, 20)
    rhythm.active(pulse, 30 * DAY, 30 * MINUTE, 0)
    patience = rhythm.patience(pulse, RULES)
    assert patience is not None
    assert patience >= 15 * DAY - HOUR
