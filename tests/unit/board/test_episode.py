"""What a reader is told about a single episode."""

from __future__ import annotations

from streams.domain.time import DAY
from streams.shell import schemas
from streams.topics import INTERVENTIONS
from streams.views.episode import PHASES, EpisodeView, phase_of
from streams.views.words import STATES, SUPPRESSED
from tests.support.sample_outputs import START, outcome, step


def symbols(topic: str, field: str) -> set[str]:
    """Symbols of an enum field of an output schema."""
    source = schemas.newest(topic).source
    assert isinstance(source, dict)
    return set(next(f["type"]["symbols"] for f in source["fields"] if f["name"] == field))


def test_every_state_of_the_schema_has_a_phase_and_words() -> None:
    states = symbols(INTERVENTIONS, "state")
    assert states == set(PHASES)
    assert states - {"other"} == set(STATES)


def test_every_suppression_reason_of_the_schema_has_words() -> None:
    assert symbols("suppressed-interventions", "reason") - {"other"} == set(SUPPRESSED)


def test_a_state_of_a_newer_release_counts_as_open() -> None:
    assert phase_of("pondering") == "open"


def test_relapse_after_recovery_is_open_again() -> None:
    opened = step("a", "opened", 0, START, START)
    episode = EpisodeView(opened["intervention_id"], "a")
    episode.add_step(opened)
    episode.add_outcome(outcome(opened, "back_on_track", 2, START + DAY))
    assert episode.settled
    episode.add_step(step("a", "relapsed", 3, START + 2 * DAY, START))
    assert (episode.phase, episode.settled, episode.ended_at) == ("open", False, None)


def test_outcome_alone_is_enough_when_the_steps_are_gone() -> None:
    opened = step("a", "opened", 0, START, START)
    episode = EpisodeView(opened["intervention_id"], "a")
    episode.add_outcome(outcome(opened, "expired", 5, START + 9 * DAY))
    assert (episode.state, episode.step, episode.prescribed, episode.grade, episode.chases) == (
        "expired",
        None,
        None,
        1,
        2,
    )


def test_withdrawn_and_superseded_say_nothing_about_recovery() -> None:
    for state in ("withdrawn", "superseded"):
        episode = EpisodeView("i", "a")
        episode.add_step(step("a", state, 0, START, START))
        assert (episode.phase, episode.settled) == ("ended", False)
