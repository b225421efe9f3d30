"""The table of the life cycle."""

from itertools import product
from pathlib import Path

import pytest

from streams.domain.episode import ENDED, OPEN, TREATED, WAITING
from streams.interventions.lifecycle import MEANING, TABLE, Event, State, document, ignored, transition

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_pair_is_a_transition_or_a_declared_no_op(state: State, event: Event) -> None:
    """No pair raises; one that is not in the table keeps the state, does nothing and has a reason code."""
    change = transition(state.value, event)
    if (state, event) in TABLE:
        assert change.legal
    else:
        assert (change.to, change.effects, change.outcome, change.legal) == (state, (), None, False)
        assert ignored(state, event) == f"{event.value}_when_{state.value}"


def test_only_a_verified_recovery_leads_back_on_track() -> None:
    """There is one door to recovery."""
    doors = {event for (_, event), change in TABLE.items() if change.to is State.BACK_ON_TRACK}
    assert doors == {Event.VERIFIED}


def test_only_a_recovery_can_be_confirmed() -> None:
    """Confirmed follows on back on track, and on nothing else."""
    before = {state for (state, _), change in TABLE.items() if change.to is State.CONFIRMED}
    assert before == {State.BACK_ON_TRACK}


def test_nothing_leaves_an_end() -> None:
    """The states named as ends are exactly those without a way out, beside a suppressed candidate."""
    final = {state for state in State if not any(pair[0] is state for pair in TABLE)}
    assert final == {State(state) for state in ENDED} | {State.SUPPRESSED}


def test_every_open_state_can_recover_and_can_end_without() -> None:
    """No episode is stuck: it can be verified, fall to a lower level, expire, and the account can leave."""
    for state in OPEN:
        for event in (Event.VERIFIED, Event.LOWER_LEVEL, Event.EXPIRE, Event.CHURN):
            assert transition(state, event).legal, (state, event)


def test_what_the_domain_calls_waiting_is_what_can_be_taken_up() -> None:
    """The sets of states in the domain agree with the table."""
    assert {state for state, event in TABLE if event is Event.ACKNOWLEDGE} == set(WAITING)
    assert {state for state, event in TABLE if event is Event.ESCALATE} == set(TREATED)


def test_every_event_has_a_meaning_and_a_place() -> None:
    """No event is declared and never used."""
    assert set(MEANING) == set(Event) == {event for _, event in TABLE}


def test_the_document_is_the_one_that_the_table_renders() -> None:
    """`docs/lifecycle.md` is current; writing `document()` into it renews it."""
    assert (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8") == document()
