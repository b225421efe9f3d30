"""What holds at the very bound: of severity, spending, authority, caps, time and memory."""

from __future__ import annotations

import pytest

from streams.domain.time import DAY, HOUR, MINUTE
from tests.support.desk import START, Desk, finding, policy_with, states

COSTLY = """
playbooks:
  - name: help
    match: {kinds: [blocked]}
    ladder:
      - action: help
        channel: phone
        for_user: "We help with {subject}."
        for_executive: "{account} is helped."
        success: "Solved."
        authority: {actor: csm, action: help, limit: 60}
        deadlines: {ack: 1h, act: 1d, verify: 7d}
        cost: 50
      - action: visit
        channel: phone
        for_user: "We come for {subject}."
        for_executive: "{account} is visited."
        success: "Solved."
        authority: {actor: csm, action: visit, limit: 10}
        deadlines: {ack: 1h, act: 1d, verify: 7d}
        cost: 50
    fallback: {for_user: "We help.", for_executive: "They are helped."}
"""


@pytest.mark.parametrize(("severity", "state"), [(0.9, "opened"), (0.89, "duplicate")])
def test_finding_of_just_the_critical_severity_does_not_wait_behind_another(severity: float, state: str) -> None:
    desk = Desk(policy_with("guardrails: {critical_severity: 0.9}"))
    second = finding(dimension="service", subject="T-2", severity=severity)
    assert states(desk.find(finding(severity=1.0), second)) == ["opened", state]


def test_finding_that_began_later_does_not_move_the_onset() -> None:
    """Recovery time runs from the first cause, and a milder finding does not make the episode milder."""
    desk = Desk()
    episode = desk.open()
    onset, severity = episode.onset_at, episode.severity
    desk.find(finding(subject="T-2", severity=0.1, onset_at=onset + DAY))
    assert (episode.onset_at, episode.severity) == (onset, severity)


@pytest.mark.parametrize(("spent", "state"), [(50.0, "opened"), (50.5, "no_authority")])
def test_spending_may_reach_the_ceiling_and_not_pass_it(spent: float, state: str) -> None:
    desk = Desk(policy_with(COSTLY + "guardrails: {spend_ceiling: {limit: 100, window: 30d}}"))
    first = desk.open()
    desk.respond(first, "action_executed", cost=spent)
    assert states(desk.find(finding(dimension="service", subject="T-2"))) == [state]


def test_spending_is_forgotten_after_its_window() -> None:
    """A month later the same step is affordable again."""
    desk = Desk(policy_with(COSTLY + "guardrails: {spend_ceiling: {limit: 100, window: 30d}}"))
    first = desk.open()
    desk.respond(first, "action_executed", cost=60.0)
    desk.now = desk.partition.stream_time = START + 30 * DAY
    assert states(desk.find(finding(at=desk.now, dimension="service", subject="T-2"))) == ["opened"]


@pytest.mark.parametrize(("cost", "state"), [(60.0, "acted"), (60.5, "acting")])
def test_action_at_its_limit_is_within_authority(cost: float, state: str) -> None:
    desk = Desk(policy_with(COSTLY))
    assert states(desk.respond(desk.open(), "action_executed", cost=cost)) == [state]


def test_approval_of_one_step_is_none_of_the_next() -> None:
    """What was approved for the first step does not let the second one spend."""
    desk = Desk(policy_with(COSTLY))
    episode = desk.open()
    desk.respond(episode, "approved")
    assert states(desk.wait(DAY)) == ["escalated"]
    assert desk.outputs[-1].record["playbook"]["action"] == "visit"
    assert states(desk.respond(episode, "action_executed", cost=50.0)) == ["acting"]


def test_cap_ends_when_the_oldest_that_fills_it_leaves_the_window() -> None:
    """Also when more were fired than the cap allows, as intents to cancel may be."""
    desk = Desk(policy_with("guardrails: {frequency_cap: {count: 2, window: 7d}}"))
    desk.account.guard.fired = [START - 3 * DAY, START - 2 * DAY, START - DAY]
    (record,) = desk.find(finding())
    assert (record["reason"], record["until"]) == ("frequency_cap", START + 5 * DAY)


def test_snooze_is_named_before_the_cool_down() -> None:
    """The first reason in the documented order counts: a snooze is somebody's wish."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "snoozed", snooze_until=START + DAY)
    desk.respond(episode, "false_alarm")
    assert states(desk.find(finding())) == ["snoozed"]


def test_snooze_and_cool_down_are_over_at_their_end() -> None:
    """Not a moment later."""
    desk = Desk()
    episode = desk.open()
    desk.respond(episode, "snoozed", snooze_until=START + 3 * DAY)
    desk.respond(episode, "false_alarm")
    desk.now = desk.partition.stream_time = START + 3 * DAY
    assert states(desk.find(finding(at=desk.now))) == ["opened"]


def test_account_remembers_its_last_twenty_episodes() -> None:
    """The state stays small however long an account lives."""
    desk = Desk(policy_with("guardrails: {frequency_cap: {count: 99}, cool_down: 0d}"))
    for number in range(23):
        desk.respond(desk.open(subject=f"T-{number}"), "false_alarm")
        desk.wait(MINUTE)
    assert [past.subject for past in desk.account.guard.history] == [f"T-{number}" for number in range(3, 23)]


def test_message_of_the_moment_at_which_an_episode_opens_is_no_chase() -> None:
    """It may be what caused it; the first that comes later is one."""
    desk = Desk()
    episode = desk.open()
    desk.ticket_event("T-1", "replied")
    desk.say(-0.6)
    assert episode.chases == 0
    desk.wait(1)
    desk.ticket_event("T-1", "replied")
    desk.say(-0.6)
    assert episode.chases == 2


def test_back_on_track_beats_a_deadline_of_the_same_moment() -> None:
    """Who has recovered is not escalated."""
    desk = Desk()
    episode = desk.open()
    assert episode.ack_by is not None
    ticket = desk.account.signals.tickets["T-1"]
    ticket.status, ticket.resolved_at = "resolved", episode.ack_by - desk.policy.verification.blocked_hold
    assert states(desk.wait(episode.ack_by - desk.now))[:1] == ["back_on_track"]


def test_time_to_recovery_runs_from_the_onset() -> None:
    """Not from when it was noticed."""
    desk = Desk()
    episode = desk.open()
    desk.wait(HOUR)
    outcome = desk.recover(episode)[-1]
    assert outcome["time_to_recovery_s"] == (START + HOUR - episode.onset_at) / 1000


def test_proof_of_the_first_recovery_proves_nothing_after_a_relapse() -> None:
    """The renewal that answered the first intent to cancel does not answer the second."""
    desk = Desk()
    intent = {"kind": "cancel_intent", "dimension": "sales", "subject": "", "severity": 1.0, "confidence": 1.0}
    desk.find(finding(**intent))
    desk.wait(HOUR)
    desk.account.signals.committed_at = desk.now
    assert states(desk.step())[:1] == ["back_on_track"]
    desk.wait(HOUR)
    assert states(desk.find(finding(at=desk.now, **intent)))[0] == "relapsed"
    assert desk.step() == []
    desk.wait(HOUR)
    desk.account.signals.committed_at = desk.now
    assert states(desk.step())[:1] == ["back_on_track"]
