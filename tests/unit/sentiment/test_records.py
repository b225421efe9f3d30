"""From raw text to records: what was scored names its model, and polite words after anger are no recovery."""

from collections.abc import Iterable
from typing import Any

import pytest

from streams import topics
from streams.domain.time import DAY, HOUR, MINUTE
from streams.partition import PartitionFold
from streams.policy.load import default_policy
from streams.settings import Settings
from streams.shell.codec import Codec
from tests.support.history import MONDAY
from tests.support.offline import OfflineLog, fold_log

SOUR = ("we like the export", "it was fine until now", "the export is broken", "broken again, this is bad")
POLITE = ("thank you very much", "ok, great, thanks", "have a nice weekend, best regards", "thanks again for your help")
KIND = (
    "the export works and we like it",
    "our team finds it fine again",
    "this is what we like about it",
    "all fine now",
)


class Words:
    """A scorer of a few words, with a name to look for."""

    name = "words-7"

    def score(self, text: str) -> float:
        """0.6 for a kind word, -0.7 for a sour one."""
        if any(word in text for word in ("broken", "bad")):
            return -0.7
        return 0.6 if any(word in text for word in ("like", "fine", "thank", "great", "nice")) else 0.0


class Customer:
    """One account with an owner, seen through the fold of its partition."""

    def __init__(self) -> None:
        self.log = OfflineLog(1)
        self._number = 0
        unknown = dict.fromkeys(("tier", "value", "renewal_at", "time_zone", "channel_preference"))
        self._add(
            topics.ACCOUNTS,
            MONDAY,
            {**unknown, "change": "updated", "segment": "smb", "stage": "adoption", "owner": "kim", "goals": []},
        )

    def talks(self, at: int, name: str, texts: Iterable[str]) -> None:
        """A conversation."""
        unscored = {"position": None, "speaker": "customer", "score": None, "survey": "none", "survey_value": None}
        for i, text in enumerate(texts):
            said = {"channel": "chat", "interaction_id": name, "text": text, **unscored}
            self._add(topics.SENTIMENT, at + i * MINUTE, said)

    def fold(self, until: int) -> tuple[PartitionFold, list[dict[str, Any]]]:
        """The partition at a moment, and the records of interventions and outcomes, as written and read back."""
        self.log.tick(until)
        policy = default_policy()
        codec = Codec(Settings())
        fold, outputs = next(iter(fold_log(self.log, policy, Words())))
        return fold, [{"topic": o.topic, **codec.decode(o.topic, codec.encode(o.topic, o.record))} for o in outputs]

    def _add(self, topic: str, at: int, fields: dict[str, Any]) -> None:
        self._number += 1
        base = {"event_id": f"e{self._number}", "account_id": "a", "occurred_at": at, "source": "", "cohort": None}
        self.log.append(topic, "a", at, {**base, "traceparent": None, **fields})


@pytest.fixture
def customer() -> Customer:
    """Kind for five weeks, then sour inside one conversation on Tuesday of the sixth at ten."""
    customer = Customer()
    for week in range(5):
        customer.talks(MONDAY + week * 7 * DAY + 10 * HOUR, f"c{week}", KIND)
    customer.talks(MONDAY + 36 * DAY + 10 * HOUR, "sour", SOUR)
    return customer


ANGRY = MONDAY + 36 * DAY + 10 * HOUR


def outcomes(records: list[dict[str, Any]]) -> list[str]:
    return [record["outcome"] for record in records if record["topic"] == topics.OUTCOMES]


def test_records_name_the_model_that_scored(customer: Customer) -> None:
    """The evidence of the intervention, the row of health, the partition."""
    fold, records = customer.fold(ANGRY + DAY)
    opened = next(record for record in records if record["topic"] == topics.INTERVENTIONS)
    assert (opened["cause"]["kind"], opened["cause"]["subject"]) == ("frustration", "sour")
    assert [item["scored_by"] for item in opened["evidence"]] == ["words-7"]
    assert fold.health_row("a")["sentiment_scored_by"] == ["words-7"]
    assert fold.state.scorer == "words-7"


def test_polite_words_after_anger_are_no_recovery(customer: Customer) -> None:
    """Four of them, on two days: the episode stays open."""
    customer.talks(ANGRY + DAY, "polite", POLITE)
    customer.talks(ANGRY + 2 * DAY, "polite-2", POLITE)
    _, records = customer.fold(ANGRY + 4 * DAY)
    assert outcomes(records) == []


def test_words_that_say_that_it_works_are_a_recovery(customer: Customer) -> None:
    """Dated to the first of them; the outcome names the model behind the shift."""
    customer.talks(ANGRY + DAY, "polite", POLITE)
    customer.talks(ANGRY + 2 * DAY, "kind", KIND)
    _, records = customer.fold(ANGRY + 4 * DAY)
    assert "back_on_track" in outcomes(records)
    ended = next(record for record in records if record["topic"] == topics.OUTCOMES)
    assert ended["recovered_at"] >= ANGRY + 2 * DAY
    assert ended["sentiment_scored_by"] == ["words-7"]


def test_anger_that_goes_on_under_polite_words_is_no_recovery(customer: Customer) -> None:
    """Each sour text is followed by thanks."""
    for day in (1, 2, 3):
        customer.talks(ANGRY + day * DAY, f"d{day}", (SOUR[2], POLITE[0], SOUR[3], POLITE[3]))
    _, records = customer.fold(ANGRY + 4 * DAY)
    assert "back_on_track" not in outcomes(records)
