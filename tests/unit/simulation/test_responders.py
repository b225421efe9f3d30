"""Responders decide from the record alone, in time and in the order that their kind stands for."""

from random import Random
from typing import Any

import pytest

from streams.domain.time import DAY, HOUR
from streams.simulation.desk import Desk
from streams.simulation.drops import RESPONDERS
from streams.simulation.responders import FALSE_ALARM, answer
from streams.simulation.world import World

AT = 1_000 * DAY


def record(state: str = "opened", **fields: Any) -> dict[str, Any]:
    return {
        "intervention_id": "i",
        "seq": 0,
        "account_id": "a",
        "state": state,
        "at": AT,
        "opened_at": AT,
        "ack_by": AT + 4 * HOUR,
        "act_by": AT + 2 * DAY,
        "playbook": {"action": "call"},
        "authority": {"limit": 100.0, "approval_needed": False},
        **fields,
    }


@pytest.mark.parametrize("kind", [*RESPONDERS, FALSE_ALARM])
@pytest.mark.parametrize("seed", range(5))
def test_answers_come_after_the_question_and_in_order(kind: str, seed: int) -> None:
    times = [reply.at for reply in answer(kind, record(), Random(seed))]
    assert times == sorted(times)
    assert all(at > AT for at in times)


@pytest.mark.parametrize("seed", range(20))
def test_acting_well_keeps_both_deadlines_and_heals(seed: int) -> None:
    replies = {reply.change: reply for reply in answer("well", record(), Random(seed))}
    assert replies["acknowledged"].at <= AT + 4 * HOUR
    assert replies["acknowledged"].fields["names_cause"]
    assert replies["action_executed"].at <= AT + 2 * DAY
    assert replies["action_executed"].effect == "heal"
    assert replies["action_executed"].fields["action"] == "call"
    assert replies["promised"].fields["promised_by"] >= replies["action_executed"].at
    assert replies["followed_up"].at > replies["action_executed"].at


def test_acting_well_waits_for_an_approval_when_one_is_needed() -> None:
    asked = record(authority={"limit": 100.0, "approval_needed": True})
    changes = [reply.change for reply in answer("well", asked, Random(1))]
    assert changes.index("approved") < changes.index("action_executed")


@pytest.mark.parametrize("seed", range(20))
def test_acting_badly_is_kind_words_only(seed: int) -> None:
    replies = answer("badly", record(), Random(seed))
    assert {"apologised", "link_sent"} <= {reply.change for reply in replies}
    assert not any(reply.fields.get("names_cause") or reply.effect == "heal" for reply in replies)
    assert all(reply.fields.get("reason") is None for reply in replies)


def test_an_absent_responder_does_nothing() -> None:
    assert answer("absent", record(), Random(1)) == []


def test_an_honest_no_names_cause_reason_and_alternative() -> None:
    *before, last = answer("honest_no", record(), Random(1))
    assert [reply.change for reply in before] == ["acknowledged", "followed_up"]
    assert last.change == "handled_unresolved"
    assert last.effect == "refuse"
    assert last.fields["reason"]
    assert last.fields["alternative"]


@pytest.mark.parametrize("state", ["owned", "acting", "acted", "verifying", "back_on_track", "confirmed", "expired"])
def test_records_that_ask_for_nothing_are_not_answered(state: str) -> None:
    assert answer("well", record(state), Random(1)) == []


def test_the_desk_answers_a_record_once_and_heals_the_account() -> None:
    world = World(7, 60, 56)
    drop = next(drop for drop in world.drops if drop.responder == "well" and drop.kind == "relative")
    opened = drop.start + drop.ramp
    for _ in world.advance(opened):
        pass
    desk = Desk(world)
    asked = record(account_id=drop.account_id, at=opened, opened_at=opened, ack_by=None, act_by=None)
    desk.take(asked)
    desk.take(asked)
    assert desk.sent["action_executed"] == 1
    answers = [e for _, topic, e in world.advance(opened + 10 * DAY) if topic == "response-events"]
    assert [event["change"] for event in answers] == ["acknowledged", "promised", "action_executed", "followed_up"]
    assert drop.acted_at == answers[2]["occurred_at"]
    assert drop.recoveries


def test_the_desk_takes_an_episode_without_a_drop_for_a_false_alarm() -> None:
    world = World(7, 60, 56)
    hurt = {drop.account_id for drop in world.drops}
    calm = next(account_id for account_id in world.accounts if account_id not in hurt)
    desk = Desk(world)
    for number in range(10):
        desk.take(record(account_id=calm, intervention_id=f"i{number}"))
    assert set(desk.sent) == {"acknowledged", "false_alarm"}
