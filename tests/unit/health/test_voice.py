"""The customer's voice."""

import pytest

from streams.health.voice import survey_score
from tests.support.history import MONDAY, History


@pytest.mark.parametrize(
    ("survey", "value", "expected"),
    [("nps", 0, -1), ("nps", 10, 1), ("nps", 5, 0), ("csat", 1, -1), ("csat", 3, 0), ("ces", 7, 1), ("ces", 99, 1)],
)
def test_survey_answers_lie_between_minus_one_and_one(survey: str, value: float, expected: float) -> None:
    """Linear between the ends of each scale, clipped."""
    assert survey_score(survey, value) == expected


def test_only_the_customers_words_count() -> None:
    """An agent's cheer changes nothing."""
    history = History()
    history.say(MONDAY, 1.0, speaker="agent")
    assert history.account.signals.utterances == []


def test_a_channel_has_its_own_normal() -> None:
    """The same words weigh more where they are unusual."""
    history = History()
    for i in range(10):
        history.say(MONDAY + i, -0.5, channel="twitter")
        history.say(MONDAY + i, 0.5, channel="call")
    history.say(MONDAY + 20, -0.5, channel="twitter")
    usual = history.account.signals.utterances[-1]
    history.say(MONDAY + 21, -0.5, channel="call")
    unusual = history.account.signals.utterances[-1]
    assert usual.score - usual.normal > -0.2
    assert unusual.score - unusual.normal < -0.8


def test_text_without_a_scorer_is_counted_and_not_guessed() -> None:
    """A policy or a backtest may run without one."""
    history = History()
    assert history.say(MONDAY, None, text="This is broken again") == "unscored"
    assert history.account.signals.utterances == []


def test_a_few_polite_words_are_not_substantial() -> None:
    """Thanks alone proves no better mood; a few angry words prove a bad one."""

    class Fixed:
        name = "fixed"

        def score(self, text: str) -> float:
            return 0.6 if "thank" in text else -0.6

    history = History(scorer=Fixed())
    for text in ("thank you", "thank you, it works since yesterday", "still broken"):
        history.say(MONDAY, None, text=text)
    assert [said.substantial for said in history.account.signals.utterances] == [False, True, True]


def test_what_is_kept_of_a_talkative_customer_is_bounded() -> None:
    """Utterances and channels."""
    history = History()
    for i in range(200):
        history.say(MONDAY + i, 0.0, channel=f"c{i}")
    assert len(history.account.signals.utterances) == 32
    assert len(history.account.signals.channels) <= 13
