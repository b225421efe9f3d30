"""Stories say what the records say, in sentences."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.domain.time import DAY, HOUR
from streams.interventions.lifecycle import Event
from streams.views.episode import EpisodeView
from streams.views.health_story import health_sentences
from streams.views.steps import contributions, step_text
from streams.views.story import Line, account_story, account_summary, episode_story, suppressed_line, waiting
from streams.views.view import View
from streams.views.words import number, printable
from tests.support.sample_outputs import START, health, outcome, samples, step, suppressed


def episode_of(*records: dict[str, Any]) -> EpisodeView:
    """An episode of these records."""
    episode = EpisodeView(records[0]["intervention_id"], records[0]["account_id"])
    for record in records:
        (episode.add_outcome if "outcome" in record else episode.add_step)(record)
    return episode


def told(lines: list[Line]) -> str:
    """All sentences."""
    return "\n".join(str(line) for line in lines)


def test_opening_tells_cause_evidence_contributions_step_authority_and_success() -> None:
    text = told(episode_story(episode_of(step("a", "opened", 0, START, START)), START))
    for part in (
        "Clear drop in success: weekly active users fell to 12 from a normal of 31.",
        "The first sign was 30h earlier",
        "weekly active users 12 users (normal: 31 users)",
        "weekly active users (success) -17.5",
        "Prescribed (usage drop): guided session by video call.",
        "Success manager may do it up to $200 without asking.",
        "To be acknowledged by 2026-03-02 12:00",
        "Success means: weekly active users are back at 31 for three days.",
    ):
        assert part in text


def test_what_is_owed_is_told_with_its_deadline_and_how_late_it_is() -> None:
    episode = episode_of(step("a", "opened", 0, START, START))
    assert waiting(episode, START + HOUR) == "It waits for an acknowledgement, due 2026-03-02 12:00 (in 3h)."
    late = waiting(episode, START + 10 * HOUR)
    assert late == "It waits for an acknowledgement, due 2026-03-02 12:00 (overdue by 6h)."


def test_approval_outside_the_authority_is_what_it_waits_for() -> None:
    authority = {"actor": "bot", "action": "refund", "limit": 50.0, "approval_needed": True}
    episode = episode_of(step("a", "opened", 0, START, START, authority=authority))
    assert "It waits for approval and an acknowledgement" in str(waiting(episode, START))
    assert "outside what bot may do: approval is asked" in told(episode_story(episode, START))


def test_after_the_action_it_waits_for_verified_recovery_and_names_the_criterion() -> None:
    episode = episode_of(step("a", "opened", 0, START, START), step("a", "verifying", 1, START + DAY, START, chases=2))
    text = str(waiting(episode, START + DAY))
    assert "It waits for verified recovery" in text
    assert "Weekly active users are back at 31 for three days" in text
    assert "The customer has chased 2 times" in text


def test_a_finished_episode_waits_for_nothing() -> None:
    opened = step("a", "opened", 0, START, START)
    for result in ("confirmed", "expired", "new_normal", "handled_unresolved", "withdrawn"):
        assert waiting(episode_of(opened, outcome(opened, result, 1, START + DAY)), START + DAY) is None


def test_a_recovered_episode_waits_for_its_confirmation() -> None:
    opened = step("a", "opened", 0, START, START)
    text = waiting(episode_of(opened, outcome(opened, "back_on_track", 1, START + DAY)), START + DAY)
    assert text is not None
    assert "follow-up window" in text


def test_outcome_tells_grade_what_was_missing_and_chases() -> None:
    opened = step("a", "opened", 0, START, START)
    text = told(episode_story(episode_of(opened, outcome(opened, "expired", 1, START + DAY)), START + DAY))
    assert "Outcome: expired." in text
    assert "Nobody acknowledged it by naming the cause." in text
    assert "graded 1 of 4, sympathy (nobody owned it)" in text
    assert "Missing for a higher grade: the prescribed action and verified recovery." in text
    assert "The customer had to chase 2 times." in text


def test_recovery_tells_how_long_it_took() -> None:
    opened = step("a", "opened", 0, START, START)
    record = outcome(opened, "back_on_track", 1, START + DAY, time_to_recovery_s=36 * 3600.0)
    assert "well again 36h after the first sign" in told(episode_story(episode_of(opened, record), START + DAY))


def test_a_step_tells_only_what_is_new() -> None:
    before = step("a", "opened", 0, START, START)
    after = step("a", "owned", 1, START + HOUR, START, owner="dana", reason="acknowledge", grade=2, chases=1)
    assert step_text(after, before) == [
        "Dana took it on and named the cause.",
        "The answer is graded 2 of 4, empathy.",
        "The customer had to chase.",
    ]


def test_a_record_that_keeps_its_state_tells_its_reason() -> None:
    before = step("a", "owned", 1, START, START, owner="dana")
    refused = step("a", "owned", 2, START + HOUR, START, owner="dana", reason="refuse")
    assert step_text(refused, before) == ["An attempt to close it was refused: what closing needs was missing."]


def test_the_next_step_of_the_ladder_is_told_in_full() -> None:
    before = step("a", "owned", 1, START, START)
    again = step("a", "escalated", 2, START + DAY, START, reason="action_overdue", owner="lead")
    again["playbook"] = before["playbook"] | {"step": 1, "action": "executive_call"}
    text = " ".join(step_text(again, before))
    assert text.startswith("It was escalated (action overdue). It is now with lead.")
    assert "Prescribed (usage drop, step 2): executive call by video call." in text


def test_an_owner_with_braces_is_told_as_it_is() -> None:
    record = step("a", "owned", 1, START, START, owner="{0} {who} {x.y}", reason="acknowledge")
    assert (
        step_text(record, step("a", "opened", 0, START, START))[0] == "{0} {who} {x.y} took it on and named the cause."
    )


def test_codes_of_a_newer_release_are_told_as_they_are() -> None:
    record = step("a", "deep_thought", 1, START, START, reason="new_reason")
    assert step_text(record, step("a", "opened", 0, START, START))[0] == "It went on to deep thought (new reason)."


def test_suppressed_tells_the_reason_and_when_it_is_looked_at_again() -> None:
    line = suppressed_line(suppressed("a", "quiet_hours", START))
    assert line.text == "Not fired (usage drop): it is night for the customer."
    assert "It is looked at again at 2026-03-02 20:00." in line.details


def test_contributions_tell_the_strongest_and_their_rest_sums_up() -> None:
    addends = step("a", "opened", 0, START, START)["contributions"]
    assert contributions(addends, 2) == (
        "weekly active users (success) -17.5, chat (sentiment) -4.2 and 2 smaller -2.5"
    )


def test_health_tells_unknown_as_unknown() -> None:
    assert "Health is unknown" in health_sentences(health("a", START, None))[0]
    assert health_sentences(None) == ["Nothing is known about its health yet."]
    texts = health_sentences(health("a", START, 42.0, trend=-7.6, covered=False))
    assert texts[0] == "Health is 42 of 100, at risk, with 80 % confidence, at 2026-03-02 08:00."
    assert "It is falling by 8 points a week." in texts
    assert "Nothing is known yet about sales." in texts
    assert "No profile of this account is known." in texts


def test_account_story_is_in_order_of_time_and_holds_every_record() -> None:
    view = View()
    for topic, account_id, record in samples(accounts=12, days=60):
        view.apply(topic, account_id, record)
    for account in view.accounts.values():
        lines = account_story(account, view.stream_time)
        assert [line.at for line in lines] == sorted(line.at for line in lines)
        steps = sum(len(episode.records()) for episode in account.episodes.values())
        assert sum(line.kind in {"opened", "step", "outcome"} for line in lines) == steps
        assert sum(line.kind == "suppressed" for line in lines) == len(account.suppressed)
        assert account_summary(account, view.stream_time)


def test_account_without_open_episodes_says_so() -> None:
    view = View()
    view.apply(topics.HEALTH, "a", health("a", START, 90.0))
    assert account_summary(view.accounts["a"], START)[-1] == "No open episodes."


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert printable("a\x1b[2Jb\x07c\x9bd\ne") == "a\ufffd[2Jb\ufffdc\ufffdd\ne"


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_every_figure_can_be_written(value: float) -> None:
    """No figure breaks a sentence, and none becomes long for being precise."""
    assert number(value)
    assert len(number(value)) <= 60


def test_a_reminder_on_the_last_step_tells_what_was_missed() -> None:
    before = step("a", "escalated", 1, START, START)
    reminded = step("a", "escalated", 2, START + HOUR, START, reason="unowned", previous="escalated")
    assert step_text(reminded, before) == ["A reminder went out: nobody took it on in time."]


def test_a_refused_close_tells_what_it_lacks() -> None:
    before = step("a", "owned", 1, START, START)
    refused = step("a", "owned", 2, START + HOUR, START, reason="refused_without_alternative", previous="owned")
    assert step_text(refused, before) == ["An attempt to close it was refused: it lacks an alternative."]


def test_a_false_alarm_is_not_graded() -> None:
    opened = step("a", "opened", 0, START, START)
    record = outcome(opened, "withdrawn", 1, START + DAY, reason="false_alarm")
    assert episode_story(episode_of(opened, record), START + DAY)[-1].details == ()


def test_every_event_of_the_life_cycle_has_words() -> None:
    """A record's reason is the event unless it is refined; none may be told as a bare code."""
    for event in set(Event) - {Event.SUPPRESS}:
        record = step("a", "owned", 1, START, START, reason=event.value)
        said = step_text(record, step("a", "opened", 0, START, START))[0]
        assert "_" not in said
        assert f"({event.value.replace('_', ' ')})" not in said
