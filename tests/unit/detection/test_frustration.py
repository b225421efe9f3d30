"""Sentiment that falls inside a conversation and over conversations, through signals, health and detection."""

from random import Random

from streams.domain.time import DAY, HOUR, MINUTE, WEEK
from tests.support.history import MONDAY, History


class Words:
    """Scores the words that the tests use."""

    name = "words-1"
    scores = {"lovely": 0.6, "fine": 0.3, "thanks": 0.7, "slow": -0.5, "broken": -0.7, "useless": -0.8}  # noqa: RUF012  read only

    def score(self, text: str) -> float:
        """Mean over the known words; 0 when there is none."""
        found = [self.scores[word] for word in text.split() if word in self.scores]
        return sum(found) / len(found) if found else 0.0


def talk(history: History, at: int, name: str, *texts: str, channel: str = "chat") -> None:
    """A conversation, a minute between the customer's texts."""
    for i, text in enumerate(texts):
        history.say(at + i * MINUTE, None, text=text, channel=channel, interaction_id=name)


KIND = ("the new view is lovely", "our team finds it fine")
SOUR = ("the export is broken today", "still broken and so useless")


def settled(weeks: int = 6) -> History:
    """A customer with two kind conversations a week."""
    history = History(scorer=Words())
    for week in range(weeks):
        for half in (0, 3):
            talk(history, MONDAY + (7 * week + half) * DAY, f"c{week}-{half}", *KIND)
    return history


def falls(history: History) -> list[str]:
    """Subjects of what was found in the mood."""
    return [finding.subject for _, finding in history.findings if finding.kind == "frustration"]


def test_mood_that_falls_inside_a_conversation_is_found_while_it_goes_on() -> None:
    """Once, with the model that scored it."""
    history = settled()
    texts = [
        "the new view is lovely",
        "it was fine until now",
        "the export is broken today",
        "still broken, so useless",
    ]
    talk(history, MONDAY + 43 * DAY, "c9", *texts, "it is broken and useless")
    assert falls(history) == ["c9"]
    finding = history.findings[0][1]
    assert finding.evidence[0].scored_by == "words-1"
    assert finding.onset_at == MONDAY + 43 * DAY


def test_mood_that_falls_from_one_conversation_to_the_next_is_found() -> None:
    """None of them falls inside; the onset is the first of them, the baseline is what was usual."""
    history = settled()
    for i in range(3):
        talk(history, MONDAY + (43 + 2 * i) * DAY, f"d{i}", *SOUR)
    assert falls(history) == ["mood"]
    finding = history.findings[0][1]
    assert finding.onset_at == MONDAY + 43 * DAY
    assert finding.baseline is not None
    assert finding.baseline > 0.3
    assert finding.evidence[0].scored_by == "words-1"
    assert "over 3 conversations" in finding.text


def test_a_fall_is_told_once_while_it_lasts() -> None:
    """More of the same is not news; after better words a new fall is."""
    history = settled()
    for i in range(8):
        talk(history, MONDAY + (43 + 2 * i) * DAY, f"d{i}", *SOUR)
    assert falls(history) == ["mood"]
    for i in range(16):
        talk(history, MONDAY + (60 + 2 * i) * DAY, f"e{i}", *KIND)
    for i in range(3):
        talk(history, MONDAY + (100 + 2 * i) * DAY, f"f{i}", *SOUR)
    assert falls(history) == ["mood", "mood"]


def test_two_sour_conversations_are_no_fall() -> None:
    """Nor is one sour day of single remarks."""
    history = settled()
    for i in range(2):
        talk(history, MONDAY + (43 + 2 * i) * DAY, f"d{i}", *SOUR)
    assert falls(history) == []


def test_single_remarks_are_conversations_of_their_own() -> None:
    """Letters without an id of a conversation."""
    history = History(scorer=Words())
    for day in range(20):
        history.say(MONDAY + day * DAY, None, text="we find the tool fine")
    for day in range(20, 23):
        history.say(MONDAY + day * DAY, None, text="now the tool is broken")
    assert falls(history) == ["mood"]


def test_who_always_sounds_like_that_has_not_fallen() -> None:
    """The normal is the customer's own, on that channel."""
    history = History(scorer=Words())
    for day in range(30):
        history.say(MONDAY + day * DAY, None, text="the tool is slow again", channel="twitter")
    assert falls(history) == []


def test_a_change_of_channel_is_no_fall() -> None:
    """Calls were kind and tweets were slow grumbles before; now there are only tweets."""
    history = History(scorer=Words())
    for day in range(20):
        history.say(MONDAY + day * DAY, None, text="the tool is slow again", channel="twitter")
        history.say(MONDAY + day * DAY + HOUR, None, text="we find the tool lovely", channel="call")
    for day in range(20, 28):
        history.say(MONDAY + day * DAY, None, text="the tool is slow again", channel="twitter")
    assert falls(history) == []


def test_who_is_hardly_known_has_no_normal_to_fall_from() -> None:
    """Anger from the first day on is the health score's matter."""
    history = History(scorer=Words())
    for day in range(4):
        history.say(MONDAY + day * DAY, None, text="the tool is broken again")
    assert falls(history) == []


def test_thanks_between_sour_conversations_does_not_hide_the_fall() -> None:
    """A short polite text after anger is no better mood."""
    history = settled()
    for i in range(3):
        at = MONDAY + (43 + 2 * i) * DAY
        talk(history, at, f"d{i}", *SOUR, "thanks")
        history.say(at + HOUR, None, text="many thanks for your help", channel="chat")
    assert falls(history) == ["mood"]


def test_a_change_of_model_is_no_fall() -> None:
    """Scores of two models are not compared."""
    history = settled()

    class Harsher(Words):
        name = "words-2"

        def score(self, text: str) -> float:
            return super().score(text) - 1.0

    history.scorer = Harsher()
    for i in range(8):
        talk(history, MONDAY + (43 + 2 * i) * DAY, f"d{i}", *KIND)
    assert falls(history) == []


def test_noisy_moods_need_a_deeper_fall() -> None:
    """Who swings between kind and sour every day has sour runs by chance."""
    history = History(scorer=Words())
    pattern = "ksskskkksskksskkskskksskkkskssksk"
    for day, mood in enumerate(pattern * 2):
        text = "we find the tool lovely" if mood == "k" else "the tool is slow again"
        history.say(MONDAY + day * DAY, None, text=text)
    assert falls(history) == []


def test_moods_that_only_swing_raise_next_to_nothing() -> None:
    """Independent noise of 30 customers for two years, a letter a week: far below one false alarm in ten years."""
    rng, found = Random(7), 0
    for _ in range(30):
        history = History()
        for week in range(104):
            history.say(MONDAY + week * WEEK, max(-1.0, min(1.0, rng.gauss(0.1, 0.4))))
        found += len(falls(history))
    assert found <= 2
