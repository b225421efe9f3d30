"""An episode as it runs: responses, deadlines, ladder, verification, relapse, honest ends."""

import pytest

from streams import topics
from streams.domain.partition import SourceState
from streams.domain.time import DAY, HOUR, MINUTE
from tests.support.desk import START, Desk, finding, policy_with, states


def test_an_opened_record_carries_what_is_needed_to_act() -> None:
    """Prescription, authority, deadlines, evidence and context come with the first record."""
    desk = Desk()
    desk.account.profile.owner = "dana"
    desk.ticket("T-1")
    (record,) = desk.find(finding())
    assert (record["state"], record["previous"], record["seq"], record["reason"]) == ("opened", None, 0, "open")
    assert record["playbook"]["name"] == "unblock-ticket"
    assert "T-1" in record["playbook"]["for_user"]
    assert record["authority"] == {
        "actor": "support_lead",
        "action": "reprioritise",
        "limit": 100.0,
        "approval_needed": False,
    }
    assert record["ack_by"] < record["act_by"] < record["verify_by"]
    assert record["evidence"][0]["expected"] == 24.0
    assert any("open ticket T-1" in line for line in record["context"])
    assert "account owner: dana" in record["context"]


def test_an_acknowledgement_that_names_the_cause_makes_an_owner() -> None:
    """Opened becomes owned, by the one who acted."""
    desk = Desk()
    episode = desk.open()
    (record,) = desk.acknowledge(episode)
    assert (record["state"], record["previous"], record["owner"], record["grade"]) == ("owned", "opened", "kim", 2)


def test_an_acknowledgement_that_names_no_cause_is_only_words() -> None:
    """It changes no state and is worth no more than sympathy."""
    desk = Desk()
    episode = desk.open()
    assert desk.respond(episode, "acknowledged") == []
    assert episode.acknowledged_at is None
    assert desk.account.guard.ignored == {"acknowledgement_without_cause": 1}


def test_an_executed_action_is_verified_after_its_settling_time() -> None:
    """Acted, and an hour later verifying."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    assert states(desk.respond(episode, "action_executed")) == ["acted"]
    assert states(desk.wait(HOUR)) == ["verifying"]


def test_a_follow_up_begins_verification_at_once() -> None:
    """Somebody who comes back to the customer need not wait."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "action_executed")
    assert states(desk.respond(episode, "followed_up")) == ["verifying"]


def test_a_recovery_that_holds_ends_confirmed_with_the_best_grade() -> None:
    """Acknowledged, acted, followed up, verified: grade 4, recovery dated from onset to where it began to hold."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "action_executed")
    desk.respond(episode, "followed_up")
    desk.wait(6 * HOUR)
    resolved = desk.now
    records = desk.recover(episode)
    assert states(records) == ["back_on_track", "back_on_track"]
    outcome = records[1]
    assert (outcome["grade"], outcome["missing"], outcome["low_grade_cause"]) == (4, [], None)
    assert outcome["recovered_at"] == resolved
    assert outcome["time_to_recovery_s"] == (resolved - episode.onset_at) / 1000
    assert (outcome["resolved"], outcome["acknowledged"], outcome["chases"]) == (True, True, 0)
    assert states(desk.wait(7 * DAY)) == ["confirmed", "confirmed"]
    assert desk.account.episodes == {}
    assert desk.account.guard.history[-1].outcome == "confirmed"


def test_words_do_not_close_an_episode() -> None:
    """Three apologies, a link, a closed ticket that comes back: grade 1 at most, and the clock still runs."""
    desk = Desk()
    episode = desk.open()
    for _ in range(3):
        desk.respond(episode, "apologised")
    desk.respond(episode, "link_sent")
    desk.ticket("T-1", resolved=True)
    desk.ticket_event("T-1", "closed", "agent")
    (refused,) = desk.respond(episode, "handled_unresolved")
    assert (refused["state"], refused["reason"], refused["grade"]) == (
        "opened",
        "refused_without_acknowledgement",
        1,
    )
    desk.respond(episode, "customer_confirmed")
    assert episode.open
    assert desk.account.timers["episodes"] > desk.now


def test_nobody_taking_it_up_escalates_reminds_and_then_expires() -> None:
    """The ladder is climbed at each missed deadline; when its time is over it expires: grade 0, no owner."""
    desk = Desk()
    episode = desk.open()
    (escalated,) = desk.wait(4 * HOUR)
    assert (escalated["state"], escalated["reason"]) == ("escalated", "unowned")
    assert escalated["playbook"]["step"] == 1
    (reminded,) = desk.wait(13 * DAY)
    assert (reminded["state"], reminded["previous"], reminded["reason"]) == ("escalated", "escalated", "unowned")
    expired, outcome = desk.wait(DAY)
    assert (expired["state"], expired["reason"]) == ("expired", "unverified")
    assert (outcome["outcome"], outcome["grade"], outcome["low_grade_cause"]) == ("expired", 0, "no_owner")
    assert episode.intervention_id not in desk.account.episodes


def test_an_owner_who_does_not_act_is_escalated() -> None:
    """Empathy without action runs into the action deadline; who had the means and did not do it was over capacity."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    records = desk.wait(2 * DAY)
    assert (states(records), records[0]["reason"]) == (["escalated"], "unacted")
    assert records[0]["low_grade_cause"] == "over_capacity"


def test_an_action_that_does_not_help_is_escalated() -> None:
    """Past the verification deadline without recovery, the next step comes."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "action_executed")
    records = desk.wait(10 * DAY)
    assert [(one["state"], one["reason"]) for one in records[:2]] == [
        ("verifying", "settle"),
        ("escalated", "unverified"),
    ]


def test_a_missed_promise_escalates_before_the_action_deadline() -> None:
    """An answer to `by when` is a deadline of its own."""
    desk = Desk()
    episode = desk.open()
    assert states(desk.respond(episode, "promised", promised_by=desk.now + 2 * HOUR)) == ["acting"]
    records = desk.wait(2 * HOUR)
    assert [(one["state"], one["reason"]) for one in records] == [("escalated", "promise_missed")]
    assert (episode.promises_kept, episode.promises_missed) == (0, 1)


def test_an_action_in_time_keeps_the_promise() -> None:
    """The outcome says so."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "promised", promised_by=desk.now + 2 * HOUR)
    desk.wait(HOUR)
    desk.respond(episode, "action_executed")
    assert desk.recover(episode)[-1]["promise_kept"] is True


def test_a_promise_without_a_time_is_none() -> None:
    """It is counted and changes nothing."""
    desk = Desk()
    episode = desk.open()
    assert desk.respond(episode, "promised") == []
    assert desk.account.guard.ignored == {"promise_without_time": 1}


def test_an_action_above_the_limit_waits_for_approval() -> None:
    """It is recorded, does not count as done, and its waiting time is on the clock; the approval makes it count."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    (asked,) = desk.respond(episode, "action_executed", cost=150.0)
    assert (asked["state"], asked["reason"]) == ("acting", "over_limit")
    assert asked["authority"]["approval_needed"] is True
    assert episode.acted_at is None
    desk.wait(3 * HOUR)
    (acted,) = desk.respond(episode, "approved")
    assert (acted["state"], acted["reason"]) == ("acted", "approved")
    assert episode.approval_wait == 3 * HOUR
    assert desk.recover(episode)[-1]["without_approval"] is False


def test_an_approval_that_never_comes_is_the_root_cause() -> None:
    """The action deadline passes while waiting: no authority."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "action_executed", cost=150.0)
    records = desk.wait(2 * DAY)
    assert (records[0]["state"], records[0]["reason"]) == ("escalated", "approval_overdue")


def test_a_declined_approval_gives_the_work_back() -> None:
    """Acting becomes owned again; what was executed without authority never counts."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "action_executed", cost=150.0)
    assert states(desk.respond(episode, "declined", reason="too dear")) == ["owned"]
    desk.respond(episode, "approved")
    assert episode.acted_at is None


def test_a_failed_action_was_no_action() -> None:
    """The episode goes back to its owner and the grade with it."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "action_executed")
    (record,) = desk.respond(episode, "action_failed")
    assert (record["state"], record["grade"]) == ("owned", 2)


def test_whoever_takes_over_reads_what_was_tried() -> None:
    """The escalated record tells what was done so far, so that nobody has to ask the customer."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "bounced")
    desk.wait(HOUR)
    desk.respond(episode, "action_executed", cost=150.0)
    desk.respond(episode, "declined", reason="too dear")
    desk.respond(episode, "promised", promised_by=desk.now + HOUR)
    (escalated,) = desk.wait(HOUR)
    assert {
        "first response 60m after it was raised",
        "a message bounced",
        "declined: too dear",
        "promises missed: 1",
    } <= set(escalated["context"])
    assert any(line.startswith("last promise: an answer by ") for line in escalated["context"])


def test_a_message_that_bounced_is_recorded_and_stays_apathy() -> None:
    """Nothing arrived, so nothing was done."""
    desk = Desk()
    episode = desk.open()
    (record,) = desk.respond(episode, "bounced")
    assert (record["state"], record["reason"], record["grade"]) == ("opened", "bounce", 0)
    assert episode.responded_at is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"reason": "not on our road map", "alternative": "export by hand"}, "refused_without_follow_up"),
        ({"reason": "not on our road map"}, "refused_without_alternative"),
        ({"alternative": "export by hand"}, "refused_without_reason"),
    ],
)
def test_an_honest_no_needs_all_its_parts(given: dict[str, str], reason: str) -> None:
    """What is missing is the reason of the refusal."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    (record,) = desk.respond(episode, "handled_unresolved", **given)
    assert (record["state"], record["reason"]) == ("owned", reason)


def test_an_honest_no_ends_the_episode_acknowledged_and_unresolved() -> None:
    """Acknowledged, explained, alternative, followed up: both axes are kept."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "followed_up")
    records = desk.respond(episode, "handled_unresolved", reason="not planned", alternative="export by hand")
    assert states(records) == ["handled_unresolved", "handled_unresolved"]
    assert (records[1]["acknowledged"], records[1]["resolved"]) == (True, False)


def test_a_fall_within_the_follow_up_window_reopens_the_same_episode() -> None:
    """Relapsed: same id, next sequence numbers, not counted as recovered, and the playbook for relapses."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "action_executed")
    desk.recover(episode)
    desk.wait(DAY)
    desk.ticket("T-1")
    relapsed, outcome = desk.find(finding(at=desk.now))
    assert (relapsed["state"], relapsed["intervention_id"]) == ("relapsed", episode.intervention_id)
    assert relapsed["playbook"]["name"] == "relapse-root-cause-review"
    assert (outcome["outcome"], outcome["resolved"], outcome["time_to_recovery_s"]) == ("relapsed", False, None)
    assert (outcome["relapses"], outcome["seq"]) == (1, relapsed["seq"] + 1)
    assert desk.recover(episode)[-1]["relapses"] == 1


def test_a_fall_after_the_confirmation_is_another_episode() -> None:
    """The follow-up window and the cool-down have ended: a new id."""
    desk = Desk()
    first = desk.open()
    desk.recover(first)
    desk.wait(20 * DAY)
    second = desk.open()
    assert second.intervention_id != first.intervention_id
    assert (first.state, second.state) == ("confirmed", "opened")


def test_an_account_that_recovers_by_itself_is_back_on_track_with_grade_zero() -> None:
    """Recovery is the account's, the grade is ours."""
    desk = Desk()
    episode = desk.open()
    outcome = desk.recover(episode)[-1]
    assert (outcome["outcome"], outcome["grade"], outcome["low_grade_cause"]) == ("back_on_track", 0, "no_owner")
    assert outcome["missing"] == ["acknowledgement", "action", "follow_up"]


def test_a_false_alarm_is_withdrawn() -> None:
    """It ends with an outcome of its own."""
    desk = Desk()
    episode = desk.open()
    assert states(desk.respond(episode, "false_alarm")) == ["withdrawn", "withdrawn"]


def test_an_account_that_leaves_ends_its_episodes_as_expired() -> None:
    """Leaving is no recovery."""
    desk = Desk()
    desk.open()
    records = desk.account_event("churned")
    assert states(records) == ["expired", "expired"]
    assert records[0]["reason"] == "churned"
    assert "episodes" not in desk.account.timers


def test_a_response_to_an_unknown_episode_is_counted() -> None:
    """Nothing else happens."""
    desk = Desk()
    assert desk.respond("nobody-knows", "acknowledged") == []
    assert desk.account.guard.ignored == {"unknown_episode": 1}


def test_a_customer_who_writes_while_nobody_answers_chases() -> None:
    """Once somebody has taken it up, writing is talking; opening it again is always a chase."""
    desk = Desk()
    episode = desk.open()
    desk.wait(HOUR)
    desk.ticket_event("T-1", "replied")
    desk.ticket_event("T-1", "replied", "agent")
    desk.say(-0.6, "chat-1")
    desk.say(-0.7, "chat-1")
    desk.say(0.5)
    assert episode.chases == 2
    desk.acknowledge(episode)
    desk.ticket_event("T-1", "replied")
    desk.ticket_event("T-1", "reopened")
    assert episode.chases == 3


def test_a_chase_on_one_ticket_is_not_counted_on_the_episode_of_another() -> None:
    """Each blocker has its own chases."""
    desk = Desk()
    first = desk.open()
    second = desk.open(subject="T-2", dimension="service", severity=0.9)
    desk.wait(HOUR)
    desk.ticket_event("T-2", "replied")
    assert (first.chases, second.chases) == (0, 1)


def test_a_snooze_holds_the_ladder_and_says_so_once() -> None:
    """The step is suppressed with the episode's id, and taken when the snooze ends."""
    desk = Desk()
    episode = desk.open()
    until = desk.now + DAY
    desk.respond(episode, "snoozed", snooze_until=until)
    held = desk.wait(DAY - MINUTE)
    assert [(one["reason"], one["intervention_id"], one["until"]) for one in held] == [
        ("snoozed", episode.intervention_id, until)
    ]
    assert states(desk.wait(MINUTE)) == ["escalated"]


def test_the_kill_switch_holds_the_ladder() -> None:
    """Nothing is fired while it is on; verification goes on."""
    desk = Desk()
    episode = desk.open()
    desk.partition.killed = True
    assert states(desk.wait(2 * DAY)) == ["kill_switch"]
    assert states(desk.recover(episode)) == ["back_on_track", "back_on_track"]


def test_nothing_expires_while_the_feed_is_silent_that_would_show_the_recovery() -> None:
    """Put off and recorded once; when the feed is back, the deadline counts."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "action_executed")
    desk.partition.sources[topics.TICKETS] = SourceState(last_at=START, silent_since=START)
    assert states(desk.wait(15 * DAY)) == ["verifying", "feed_silent"]
    desk.partition.sources[topics.TICKETS].silent_since = None
    assert states(desk.wait(6 * HOUR)) == ["escalated"]


def test_sequence_numbers_run_over_both_topics_without_a_gap() -> None:
    """Consumers can tell a missing record."""
    desk = Desk()
    episode = desk.open()
    desk.acknowledge(episode)
    desk.respond(episode, "action_executed")
    desk.recover(episode)
    desk.wait(10 * DAY)
    mine = [one for one in desk.outputs if one.id == episode.intervention_id]
    assert [one.seq for one in mine] == list(range(len(mine)))
    assert {one.topic for one in mine} == {topics.INTERVENTIONS, topics.OUTCOMES}


def test_an_untreated_account_is_followed_to_its_outcome() -> None:
    """Held out: nothing prescribed, responses ignored, recovery and relapse reported with the arm."""
    desk = Desk(policy_with("experiment: {holdout: 1}"))
    episode = desk.open()
    first = desk.outputs[0].record
    assert (first["state"], first["playbook"], first["arm"], first["ack_by"]) == ("held_out", None, "held_out", None)
    assert desk.acknowledge(episode) == []
    outcome = desk.recover(episode)[-1]
    assert (outcome["outcome"], outcome["arm"], outcome["low_grade_cause"]) == ("back_on_track", "held_out", None)
    desk.ticket("T-1")
    records = desk.find(finding(at=desk.now))
    assert states(records) == ["held_out", "relapsed"]
    assert states(desk.wait(28 * DAY)) == ["expired", "expired"]
