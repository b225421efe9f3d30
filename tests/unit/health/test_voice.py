"""The customer's voice."""

import pytest

from streams.health import voice
from streams.health.courtesy import substantial
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


@pytest.mark.parametrize(
    ("text", "says_something"),
    [
        ("thanks", False),
        ("Thank you very much for your help, have a great weekend!", False),
        ("ok, great, got it. Best regards", False),
        ("\U0001f600\U0001f600", False),
        ("", False),
        ("it works again since this morning, thanks", True),
        ("wir können wieder damit arbeiten", True),
    ],
)
def test_courtesy_proves_nothing_however_long(text: str, *, says_something: bool) -> None:
    """Only words beyond it count."""
    assert substantial(text) is says_something


def test_what_was_scored_names_its_model() -> None:
    """Scores that came with the event name none; the partition remembers the newest model."""
    history = History(scorer=Named("linear-1", -0.4))
    history.say(MONDAY, 0.3)
    assert history.partition.scorer == ""
    history.say(MONDAY + 1, None, text="it is broken again", interaction_id="c")
    history.say(MONDAY + 2, None, survey="nps", survey_value=9.0)
    assert [said.scored_by for said in history.account.signals.utterances] == ["", "linear-1", ""]
    assert history.account.signals.interactions["c"].scored_by == "linear-1"
    assert history.partition.scorer == "linear-1"
    assert voice.models_of(history.account.signals.utterances) == ["linear-1"]


def test_another_model_learns_the_normal_anew() -> None:
    """What the former one called normal fades in a few utterances, not in dozens."""
    history = History(scorer=Named("linear-1", 0.6))
    for i in range(40):
        history.say(MONDAY + i, None, text="so it goes with us")
    history.scorer = Named("linear-2", -0.2)
    for i in range(12):
        history.say(MONDAY + 100 + i, None, text="so it goes with us")
    assert voice.usual(history.account.signals.channels["email"]) < 0.05


def test_blank_text_is_empty() -> None:
    """Nothing was said."""
    history = History(scorer=Named("linear-1", 0.6))
    assert history.say(MONDAY, None, text=" \n") == "empty"


class Named:
    """A scorer with one answer."""

    def __init__(self, name: str, answer: float) -> None:
        self.name, self._answer = name, answer

    def score(self, text: str) -> float:  # noqa: ARG002  whatever the text
        """The answer."""
        return self._answer
