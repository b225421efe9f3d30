"""From findings to decisions: merging, guardrails, arbitration, holdout, growth."""

import pytest

from streams import topics
from streams.domain.partition import SourceState
from streams.domain.time import DAY, HOUR, MINUTE
from streams.interventions import holdout
from tests.support.desk import START, Desk, finding, policy_with, states


def test_a_second_finding_of_the_same_dimension_is_attached_and_not_fired_again() -> None:
    """It is counted, makes the episode worse, and moves the recovery clock back to the first cause."""
    desk = Desk()
    episode = desk.open()
    assert desk.find(finding(subject="T-2", severity=0.7, onset_at=START - 9 * DAY)) == []
    assert (episode.merged, episode.severity, episode.onset_at) == (1, 0.7, START - 9 * DAY)


def test_a_low_score_is_evidence_for_whatever_is_open() -> None:
    """Of one moment, what is known more closely is opened, and the score is attached to it."""
    desk = Desk()
    low = finding(kind="threshold", dimension="support", subject="score", severity=1.0, confidence=1.0)
    (opened,) = desk.find(low, finding(kind="relative", dimension="success", subject="logins", severity=0.5))
    assert opened["cause"]["subject"] == "logins"
    assert next(iter(desk.account.episodes.values())).merged == 1


def test_evidence_of_an_episode_stays_bounded() -> None:
    """The first figures and the newest are kept."""
    desk = Desk()
    episode = desk.open()
    first = episode.evidence[0]
    for day in range(40):
        desk.find(finding(at=START + day * DAY, evidence=(finding(at=START + day * DAY).evidence[0],)))
    assert len(episode.evidence) == 16
    assert episode.evidence[0] is first


def test_a_finding_of_low_confidence_is_suppressed_once() -> None:
    """The record names the figures; the same finding again is swallowed."""
    desk = Desk()
    (record,) = desk.find(finding(confidence=0.1))
    assert (record["reason"], record["detail"], record["seq"]) == ("low_confidence", "confidence 0.10 < 0.30", 0)
    assert desk.find(finding(confidence=0.1)) == []
    assert desk.account.episodes == {}


def test_a_better_founded_finding_is_opened_after_a_weak_one() -> None:
    """A suppression is no ban."""
    desk = Desk()
    desk.find(finding(confidence=0.1))
    assert states(desk.find(finding(confidence=0.8))) == ["opened"]
    assert desk.account.guard.candidates == {}


def test_an_account_that_has_left_is_left_alone() -> None:
    """Churned."""
    desk = Desk()
    desk.account.profile.churned_at = START - DAY
    assert states(desk.find(finding())) == ["churned"]


def test_nothing_is_fired_while_its_feed_is_silent() -> None:
    """A broken source says nothing about a customer; when it is back, the finding is looked at again."""
    desk = Desk()
    desk.ticket("T-1")
    desk.partition.sources[topics.TICKETS] = SourceState(last_at=START - DAY, silent_since=START - DAY)
    (record,) = desk.find(finding())
    assert (record["reason"], record["until"]) == ("feed_silent", None)
    assert desk.wait(6 * HOUR) == []
    desk.partition.sources[topics.TICKETS].silent_since = None
    assert states(desk.wait(9 * HOUR)) == ["quiet_hours"]
    assert states(desk.wait(12 * HOUR))[0] == "opened"


def test_a_drop_of_use_does_not_wait_for_the_ticket_feed() -> None:
    """Each finding rests on its own feed."""
    desk = Desk()
    desk.partition.sources[topics.TICKETS] = SourceState(last_at=START - DAY, silent_since=START - DAY)
    assert states(desk.find(finding(kind="relative", dimension="success", subject="logins"))) == ["opened"]


def test_the_kill_switch_stops_everything_and_is_recorded_once() -> None:
    """Switched off, what still stands is opened."""
    desk = Desk()
    desk.ticket("T-1")
    desk.partition.killed = True
    assert states(desk.find(finding())) == ["kill_switch"]
    assert desk.wait(3 * HOUR) == desk.find(finding()) == []
    assert desk.wait(20 * HOUR) == []
    desk.partition.killed = False
    assert states(desk.wait(6 * HOUR)) == ["opened"]


def test_quiet_hours_are_the_customers_own() -> None:
    """11:40 UTC is 21:40 in Brisbane: it waits for seven in the morning there."""
    desk = Desk()
    desk.ticket("T-1")
    desk.account.profile.time_zone = "Australia/Brisbane"
    (record,) = desk.find(finding())
    assert (record["reason"], record["detail"]) == ("quiet_hours", "it is 21:40 in Australia/Brisbane")
    assert record["until"] == START + 9 * HOUR + 20 * MINUTE
    assert states(desk.wait(9 * HOUR + 20 * MINUTE)) == ["opened"]


def test_a_ticket_that_is_closed_over_night_is_no_blocker_in_the_morning() -> None:
    """Nobody is told about what is over, even before its hold time has passed."""
    desk = Desk()
    desk.ticket("T-1")
    desk.account.profile.time_zone = "Australia/Brisbane"
    assert states(desk.find(finding())) == ["quiet_hours"]
    desk.wait(9 * HOUR)
    desk.ticket("T-1", resolved=True)
    assert desk.wait(HOUR) == []
    assert desk.account.guard.candidates == {}


def test_the_trace_of_the_causing_event_survives_the_waiting() -> None:
    """What is opened in the morning still names the event of the night."""
    desk = Desk()
    desk.ticket("T-1")
    desk.account.profile.time_zone = "Australia/Brisbane"
    desk.find(finding(), traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    (record,) = desk.wait(10 * HOUR)
    assert record["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_recovers_while_it_waits_is_never_opened() -> None:
    """The candidate is dropped without a record."""
    desk = Desk()
    desk.ticket("T-1", resolved=True)
    desk.account.signals.tickets["T-1"].resolved_at = START - 2 * DAY
    desk.account.profile.time_zone = "Australia/Brisbane"
    desk.find(finding())
    assert desk.wait(DAY) == []
    assert desk.account.guard.candidates == {}


def test_a_snoozed_account_is_left_alone_until_the_snooze_ends() -> None:
    """Snooze has an expiry, and the finding is looked at again then."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "snoozed", snooze_until=START + DAY)
    desk.ticket("T-2")
    (record,) = desk.find(finding(dimension="service", subject="T-2"))
    assert (record["reason"], record["until"]) == ("snoozed", START + DAY)
    opened = [one for one in desk.wait(DAY) if one.get("state") == "opened"]
    assert [one["cause"]["dimension"] for one in opened] == ["service"]


def test_the_same_trouble_cools_down_after_it_has_ended() -> None:
    """Another one of the account does not."""
    desk = Desk()
    first = desk.open()
    desk.respond(first, "false_alarm")
    (record,) = desk.find(finding())
    assert (record["reason"], record["until"]) == ("cooldown", START + 3 * DAY)
    assert states(desk.find(finding(subject="T-9"))) == ["opened"]


def test_every_conversation_is_the_same_trouble_for_frustration() -> None:
    """A new conversation id does not get past the cool-down."""
    desk = Desk()
    angry = {"kind": "frustration", "dimension": "sentiment"}
    desk.find(finding(subject="chat-1", **angry))
    desk.respond(next(iter(desk.account.episodes)), "false_alarm")
    assert states(desk.find(finding(subject="chat-2", **angry))) == ["cooldown"]


def test_an_account_is_not_flooded() -> None:
    """Three in a week; the fourth waits until the first is a week old."""
    desk = Desk()
    for dimension in ("support", "service", "success"):
        desk.find(finding(dimension=dimension, subject=f"T-{dimension}"))
        desk.wait(HOUR)
    (record,) = desk.find(finding(dimension="sales", subject="T-sales"))
    assert (record["reason"], record["until"]) == ("frequency_cap", START + 7 * DAY)


def test_an_intent_to_cancel_passes_caps_cool_down_quiet_hours_and_holdout() -> None:
    """It is opened at once."""
    desk = Desk(policy_with("experiment: {holdout: 1}\nguardrails: {frequency_cap: {count: 1}, cool_down: 30d}"))
    desk.account.profile.time_zone = "Australia/Brisbane"
    desk.account.guard.fired = [START - HOUR]
    intent = finding(kind="cancel_intent", dimension="sales", subject="", severity=1.0, confidence=1.0)
    (record,) = desk.find(intent)
    assert (record["state"], record["arm"], record["playbook"]["name"]) == (
        "opened",
        "excluded",
        "save-cancelling-account",
    )


def test_an_intent_to_cancel_does_not_pass_the_kill_switch() -> None:
    """Nothing does."""
    desk = Desk()
    desk.partition.killed = True
    assert states(desk.find(finding(kind="cancel_intent", dimension="sales", subject=""))) == ["kill_switch"]


def test_an_intent_to_cancel_supersedes_what_nobody_has_begun() -> None:
    """Work that somebody is on goes on."""
    desk = Desk()
    idle = desk.open()
    begun = desk.open(subject="T-2", dimension="service")
    desk.acknowledge(begun)
    records = desk.find(finding(kind="cancel_intent", dimension="sales", subject=""))
    assert states(records) == ["opened", "superseded", "superseded"]
    assert records[1]["intervention_id"] == idle.intervention_id
    assert begun.state == "owned"


def test_of_two_findings_of_one_moment_the_more_urgent_is_opened() -> None:
    """The other waits behind it, and is looked at again when the window ends."""
    desk = Desk()
    for ticket in ("T-1", "T-2"):
        desk.ticket(ticket)
    opened, waiting = desk.find(finding(severity=0.5), finding(dimension="service", subject="T-2", severity=0.7))
    assert (opened["state"], opened["cause"]["subject"]) == ("opened", "T-2")
    assert (waiting["reason"], waiting["until"]) == ("duplicate", START + DAY)
    assert opened["intervention_id"] in waiting["detail"]
    assert "opened" in states(desk.wait(DAY))


def test_a_critical_finding_gets_its_own_episode_beside_a_more_urgent_one() -> None:
    """Waiting would cost too much."""
    desk = Desk()
    records = desk.find(finding(severity=0.9), finding(dimension="service", subject="T-2", severity=0.95))
    assert states(records) == ["opened", "opened"]


def test_no_playbook_means_no_intervention() -> None:
    """A finding without a prescribed step is not fired."""
    desk = Desk(policy_with(ONE_PLAYBOOK))
    (record,) = desk.find(finding(kind="silence", dimension="success", subject=""))
    assert (record["reason"], record["detail"]) == ("no_playbook", "no playbook fits silence in success")


def test_a_step_above_the_spend_ceiling_is_not_opened() -> None:
    """What was spent on the account lately counts."""
    desk = Desk(policy_with(ONE_PLAYBOOK + "guardrails: {spend_ceiling: {limit: 100, window: 30d}}\n"))
    first = desk.open()
    assert desk.outputs[0].record["authority"]["approval_needed"] is True
    desk.respond(first, "approved")
    desk.respond(first, "action_executed", cost=60.0)
    (record,) = desk.find(finding(dimension="service", subject="T-2"))
    assert (record["reason"], record["until"]) == ("no_authority", START + 30 * DAY)


def test_first_playbook_that_fits_wins_by_severity() -> None:
    """An urgent blocker gets the stronger ladder."""
    desk = Desk()
    (record,) = desk.find(finding(severity=0.8))
    assert record["playbook"]["name"] == "unblock-urgent-ticket"


def test_a_text_that_cannot_be_filled_falls_back_and_is_marked_generic() -> None:
    """No goal is known, so none is named."""
    desk = Desk()
    (record,) = desk.find(finding(kind="silent_start", dimension="success", subject=""))
    assert record["playbook"]["generic"] is True
    assert "{" not in record["playbook"]["for_user"]


def test_a_known_goal_is_named_in_the_text() -> None:
    """Own evidence, own words."""
    desk = Desk()
    desk.account.profile.goals = ["close the books in two days"]
    (record,) = desk.find(finding(kind="silent_start", dimension="success", subject=""))
    assert record["playbook"]["generic"] is False
    assert "close the books in two days" in record["playbook"]["for_user"]


def test_growth_is_inhibited_while_something_hurts() -> None:
    """An upsell is not what an account in pain needs."""
    desk = Desk()
    assert desk.account_event("growth_planned") == []
    desk.open()
    (record,) = desk.account_event("growth_planned")
    assert (record["reason"], record["detail"]) == ("growth_inhibited", "blocked in support is open since 2023-11-15")


def test_growth_is_inhibited_for_a_while_after_a_relapse() -> None:
    """Back on track again is not enough yet."""
    desk = Desk()
    episode = desk.open()
    desk.recover(episode)
    desk.ticket("T-1")
    desk.find(finding(at=desk.now))
    fell = desk.now
    desk.recover(episode)
    (record,) = desk.account_event("growth_planned")
    assert (record["reason"], record["until"]) == ("growth_inhibited", fell + 14 * DAY)
    desk.wait(14 * DAY)
    assert desk.account_event("growth_planned") == []


def test_the_holdout_has_the_size_of_its_share_and_is_stable() -> None:
    """About a tenth of the accounts, the same ones each time, others for another salt."""
    rules = policy_with('experiment: {holdout: 0.1, salt: "a"}').experiment
    accounts = [Desk(account_id=f"account-{n}").account for n in range(2_000)]
    held = {one.account_id for one in accounts if holdout.arm(one, finding(), rules) == "held_out"}
    assert 150 < len(held) < 250
    assert held == {one.account_id for one in accounts if holdout.arm(one, finding(), rules) == "held_out"}
    other = rules.model_copy(update={"salt": "b"})
    assert held != {one.account_id for one in accounts if holdout.arm(one, finding(), other) == "held_out"}


@pytest.mark.parametrize("tier", ["platinum", "gold"])
def test_top_tiers_are_never_held_out(tier: str) -> None:
    """They are excluded from the experiment, whatever their hash."""
    desk = Desk(policy_with("experiment: {holdout: 1}"))
    desk.account.profile.tier = tier
    (record,) = desk.find(finding())
    assert (record["state"], record["arm"]) == ("opened", "excluded")


def test_ids_count_the_episodes_of_the_account() -> None:
    """The same history gives the same ids; the next episode of the same cause another."""
    ids = []
    for _ in range(2):
        desk = Desk()
        first = desk.open()
        desk.respond(first, "false_alarm")
        desk.wait(4 * DAY)
        ids.append((first.intervention_id, desk.open().intervention_id))
    assert ids[0] == ids[1]
    assert ids[0][0] != ids[0][1]


ONE_PLAYBOOK = """
playbooks:
  - name: only-blockers
    match: {kinds: [blocked]}
    ladder:
      - action: help
        channel: phone
        for_user: "We help with {subject}."
        for_executive: "{account} is helped."
        success: "Solved."
        authority: {actor: csm, action: help, limit: 10}
        deadlines: {ack: 1h, act: 1d, verify: 7d}
        cost: 50
    fallback: {for_user: "We help.", for_executive: "Helped."}
"""
