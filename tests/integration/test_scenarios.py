"""The scenarios that decide, through the whole core: events and answers in, output records out."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from streams import topics
from streams.domain.time import DAY, HOUR, MINUTE
from streams.policy.load import default_policy, load_policy
from streams.simulation import events
from streams.simulation.agenda import Dated
from streams.simulation.fold_engine import FoldEngine
from streams.simulation.world import START

WEEK_SHAPE = (1.0, 1.05, 1.05, 1.0, 0.9, 0.2, 0.15)
CALM_DAYS = 42
FELL = START + CALM_DAYS * DAY
"""A Monday, after six weeks of normal use."""


class Stage:
    """A few accounts that use the product every day, in one partition."""

    def __init__(self, accounts: int = 1) -> None:
        self.engine = FoldEngine(default_policy(), lambda text: load_policy(text, "policy record"), partitions=1)
        self.accounts = [f"account-{number}" for number in range(accounts)]
        self.records: dict[str, list[dict[str, Any]]] = {name: [] for name in topics.OUTPUTS}
        self._random = {name: Random(name) for name in self.accounts}
        self._sent = 0
        profile = {"segment": "mid", "stage": "adoption", "tier": "silver", "value": 50_000.0, "owner": "csm-1"}
        self.send(
            [
                (
                    START,
                    topics.ACCOUNTS,
                    events.account(name, self.event_id(), START, "created", time_zone="UTC", **profile),
                )
                for name in self.accounts
            ]
        )
        self.live(0, CALM_DAYS)

    def event_id(self) -> str:
        self._sent += 1
        return f"e{self._sent}"

    def send(self, batch: list[Dated]) -> None:
        for topic, _, record in self.engine.process(sorted(batch, key=lambda dated: dated[0])):
            self.records[topic].append(dict(record))

    def wait(self, until: int) -> None:
        """Time passes without events."""
        for topic, _, record in self.engine.finish(until):
            self.records[topic].append(dict(record))

    def live(self, first: int, last: int, level: Callable[[int], float] = lambda _day: 1.0) -> None:
        """Daily use on the days first..last-1 since the start, at a share of normal."""
        for day in range(first, last):
            batch: list[Dated] = []
            for number, name in enumerate(self.accounts):
                random = self._random[name]
                at = START + day * DAY + 16 * HOUR + number * MINUTE
                people = 40 * WEEK_SHAPE[day % 7] * level(day) * random.uniform(0.94, 1.06)
                use = {"logins": 1.6 * people, "active_users": people, "feature_use": 9 * people}
                for second, (metric, value) in enumerate(use.items()):
                    event = events.usage(name, self.event_id(), at + second, metric, float(round(value)), "count")
                    batch.append((at + second, topics.USAGE, event))
            self.send(batch)

    def respond(self, at: int, change: str, **fields: Any) -> None:
        opened = self.opened()[0]
        event = events.response(self.accounts[0], self.event_id(), at, opened["intervention_id"], change, **fields)
        self.send([(at, topics.RESPONSES, event)])

    def opened(self) -> list[dict[str, Any]]:
        return [record for record in self.records[topics.INTERVENTIONS] if record["state"] == "opened"]

    def outcomes(self) -> list[str]:
        return [record["outcome"] for record in self.records[topics.OUTCOMES]]

    def fall(self, days: int = 7, to: float = 0.4) -> dict[str, Any]:
        """Use falls to a share of normal over three days; returns the intervention that is opened for it."""
        self.live(CALM_DAYS, CALM_DAYS + days, lambda day: 1 - (1 - to) * min(1.0, (day - CALM_DAYS + 1) / 3))
        self.wait(START + (CALM_DAYS + days) * DAY + 9 * HOUR)
        return self.opened()[0]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_six_normal_weeks_raise_nothing(stage: Stage) -> None:
    stage.wait(FELL + 9 * HOUR)
    assert stage.records[topics.INTERVENTIONS] == []


def test_1_a_fall_of_use_opens_one_intervention_with_reasons_prescription_and_evidence(stage: Stage) -> None:
    opened = stage.fall()
    assert len(stage.opened()) == 1, "what fell together is one drop"
    assert opened["cause"]["dimension"] == "success"
    assert FELL - DAY <= opened["onset_at"] <= FELL + 3 * DAY
    assert opened["playbook"]["action"]
    assert not opened["playbook"]["generic"]
    assert all(part["value"] < part["expected"] for part in opened["evidence"] if part["expected"] is not None)
    assert any(part["expected"] is not None for part in opened["evidence"])
    assert opened["contributions"]
    assert opened["ack_by"] < opened["act_by"] < opened["verify_by"]


def test_1_contributions_sum_to_the_change_of_the_score(stage: Stage) -> None:
    stage.fall()
    rows = [row for row in stage.records[topics.HEALTH] if row["score"] is not None and row["band_score"] is not None]
    assert rows
    for row in rows:
        total = sum(part["points"] for part in row["since_band_change"])
        assert total == pytest.approx(row["score"] - row["band_score"], abs=1e-6)


def test_2_kind_words_and_a_closed_ticket_end_nothing(stage: Stage) -> None:
    opened = stage.fall()
    name, at = stage.accounts[0], opened["at"]
    ticket = {"ticket_id": "T1", "priority": "normal"}
    stage.send(
        [(at + HOUR, topics.TICKETS, events.ticket(name, "t1", at + HOUR, change="opened", actor="customer", **ticket))]
    )
    for hours in (2, 3, 4):
        stage.respond(at + hours * HOUR, "apologised", actor="agent-1")
    stage.respond(at + 5 * HOUR, "link_sent", actor="agent-1")
    stage.send([(at + 6 * HOUR, topics.TICKETS, events.ticket(name, "t2", at + 6 * HOUR, change="closed", **ticket))])
    stage.respond(at + 7 * HOUR, "handled_unresolved", actor="agent-1")
    stage.wait(at + 20 * HOUR)
    last = stage.records[topics.INTERVENTIONS][-1]
    assert stage.outcomes() == [], "the clock still runs"
    assert last["state"] in {"opened", "escalated"}
    assert last["reason"].startswith(("refused", "un")), "closing was refused, or a deadline was missed since"
    assert any("refused" in record["reason"] for record in stage.records[topics.INTERVENTIONS])
    assert last["grade"] is None or last["grade"] <= 2


def treat(stage: Stage, opened: dict[str, Any]) -> None:
    at = opened["at"]
    stage.respond(at + HOUR, "acknowledged", actor="csm-1", names_cause=True)
    stage.respond(at + 20 * HOUR, "action_executed", actor="csm-1", action=opened["playbook"]["action"], cost=10.0)


def test_3_a_second_fall_within_the_follow_up_is_a_relapse_of_the_same_episode(stage: Stage) -> None:
    opened = stage.fall(days=7)
    treat(stage, opened)
    well = CALM_DAYS + 8
    stage.live(well, well + 7)
    assert stage.outcomes() == ["back_on_track"]
    stage.respond(START + (well + 7) * DAY, "followed_up", actor="csm-1")
    stage.live(well + 7, well + 15, lambda _day: 0.35)
    stage.wait(START + (well + 15) * DAY + 9 * HOUR)
    assert stage.outcomes() == ["back_on_track", "relapsed"]
    last = stage.records[topics.OUTCOMES][-1]
    assert last["intervention_id"] == opened["intervention_id"]
    assert last["relapses"] == 1
    assert not last["resolved"]
    assert len(stage.opened()) == 1, "no second episode for the same drop"


def test_3_a_recovery_that_holds_is_confirmed_with_the_best_grade(stage: Stage) -> None:
    opened = stage.fall(days=7)
    treat(stage, opened)
    well = CALM_DAYS + 8
    stage.live(well, well + 4)
    stage.respond(START + (well + 4) * DAY, "followed_up", actor="csm-1")
    stage.live(well + 4, well + 28)
    assert stage.outcomes() == ["back_on_track", "confirmed"]
    last = stage.records[topics.OUTCOMES][-1]
    assert (last["grade"], last["resolved"], last["chases"], last["missing"]) == (4, True, 0, [])
    assert last["time_to_recovery_s"] == pytest.approx((last["recovered_at"] - last["onset_at"]) / 1000)
    assert START + (well - 1) * DAY <= last["recovered_at"] <= START + (well + 1) * DAY


def test_4_a_feed_that_stops_for_everybody_raises_nothing_and_makes_usage_unknown() -> None:
    stage = Stage(accounts=40)
    # Life goes on elsewhere: the partition's time moves, and only the usage feed is silent.
    for day in range(CALM_DAYS, CALM_DAYS + 6):
        at = START + day * DAY + 10 * HOUR
        said = [events.utterance(name, stage.event_id(), at, score=0.3, text="fine") for name in stage.accounts]
        stage.send([(at, topics.SENTIMENT, event) for event in said])
        stage.wait(START + (day + 1) * DAY)
    fold = stage.engine.folds[0]
    assert stage.records[topics.INTERVENTIONS] == []
    assert fold.tallies[topics.USAGE, "feed_silent"] == 1, "one signal for the source"
    rows = {name: fold.health_row(name) for name in stage.accounts}
    for row in rows.values():
        success = next(part for part in row["dimensions"] if part["name"] == "success")
        assert success["score"] is None
        assert row["band"] == "unknown" or row["confidence"] < 0.5


def test_4_nothing_is_raised_when_the_feed_comes_back() -> None:
    stage = Stage(accounts=40)
    stage.wait(START + (CALM_DAYS + 3) * DAY)
    stage.live(CALM_DAYS + 3, CALM_DAYS + 17)
    stage.wait(START + (CALM_DAYS + 17) * DAY)
    assert stage.records[topics.INTERVENTIONS] == []


def test_12_an_honest_no_is_handled_unresolved_acknowledged_and_not_resolved(stage: Stage) -> None:
    opened = stage.fall()
    at = opened["at"]
    no = {"reason": "not on the roadmap", "alternative": "weekly export"}
    stage.respond(at + HOUR, "acknowledged", actor="csm-1", names_cause=True)
    stage.respond(at + 2 * HOUR, "handled_unresolved", actor="csm-1", **no)
    assert stage.outcomes() == [], "without a follow-up it is refused"
    stage.respond(at + 20 * HOUR, "followed_up", actor="csm-1")
    stage.respond(at + 21 * HOUR, "handled_unresolved", actor="csm-1", **no)
    assert stage.outcomes() == ["handled_unresolved"]
    last = stage.records[topics.OUTCOMES][-1]
    assert (last["acknowledged"], last["resolved"], last["recovered_at"]) == (True, False, None)
