"""The outcome record."""

from streams.domain.signal import Utterance
from streams.domain.time import DAY, HOUR
from tests.support.desk import Desk


def test_the_sentiment_shift_is_that_of_the_words_since_the_onset() -> None:
    """Older words do not count."""
    desk = Desk()
    episode = desk.open()
    onset = episode.onset_at
    words = [(-9 * DAY, 0.9), (HOUR, -0.8), (2 * HOUR, -0.6), (DAY, 0.4), (DAY + HOUR, 0.6)]
    desk.account.signals.utterances = [Utterance(onset + at, "chat", score) for at, score in words]
    outcome = desk.respond(episode, "false_alarm")[-1]
    assert outcome["sentiment_shift"] == (0.5 - -0.7) / 2


def test_too_few_words_have_no_shift() -> None:
    """Insufficient is null, not zero."""
    desk = Desk()
    episode = desk.open()
    desk.account.signals.utterances = [Utterance(desk.now, "chat", -0.9)]
    assert desk.respond(episode, "false_alarm")[-1]["sentiment_shift"] is None


def test_the_time_to_response_runs_from_opening_to_a_real_acknowledgement() -> None:
    """Words without a cause do not stop it; facts carry their own time."""
    desk = Desk()
    episode = desk.open()
    desk.wait(HOUR)
    desk.respond(episode, "acknowledged")
    desk.wait(HOUR)
    desk.respond(episode, "acknowledged", names_cause=True, occurred_at=desk.now - HOUR // 2)
    outcome = desk.respond(episode, "false_alarm")[-1]
    assert outcome["time_to_response_s"] == 1.5 * 3600


def test_a_missed_promise_stays_missed() -> None:
    """Acting after all does not undo it."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "promised", promised_by=desk.now + HOUR)
    desk.wait(HOUR)
    desk.respond(episode, "action_executed")
    assert desk.recover(episode)[-1]["promise_kept"] is False


def test_putting_a_promise_off_does_not_keep_it() -> None:
    """The earliest date stands, until it is kept or missed."""
    desk = Desk()
    episode = desk.open()
    first = desk.now + HOUR
    desk.respond(episode, "promised", promised_by=first)
    desk.respond(episode, "promised", promised_by=desk.now + DAY)
    assert episode.promised_by == first
    (escalated,) = desk.wait(HOUR)
    assert escalated["reason"] == "promise_missed"
