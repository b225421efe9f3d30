"""Tickets: who acted, what is owed, how blockers age."""

from streams.domain.time import DAY, HOUR
from streams.health.tickets import penalty
from tests.support.history import MONDAY, History


def test_customer_messages_since_an_agent_acted_are_counted() -> None:
    """Two chases, then an answer."""
    history = History()
    history.ticket(MONDAY, "opened")
    history.ticket(MONDAY + HOUR, "replied")
    history.ticket(MONDAY + 2 * HOUR, "replied")
    ticket = history.account.signals.tickets["T1"]
    assert (ticket.customer_replies, ticket.last_actor) == (2, "customer")
    history.ticket(MONDAY + 3 * HOUR, "replied", actor="agent")
    assert (ticket.customer_replies, ticket.last_actor) == (0, "agent")


def test_a_reopened_ticket_is_open_again() -> None:
    """And its being blocked can be found again."""
    history = History()
    history.ticket(MONDAY, "opened")
    history.ticket(MONDAY + HOUR, "resolved", actor="agent")
    assert not history.account.signals.tickets["T1"].open
    history.ticket(MONDAY + 2 * HOUR, "reopened")
    ticket = history.account.signals.tickets["T1"]
    assert (ticket.open, ticket.reopened, ticket.resolved_at) == (True, 1, None)


def test_an_open_blocker_ages_into_the_score_up_to_a_cap() -> None:
    """Twelve points a day for an urgent one, sixty at most."""
    history = History()
    history.ticket(MONDAY, "opened")
    signals, rules = history.account.signals, history.policy.health
    assert penalty(signals, "support", MONDAY + 2 * DAY, rules)[0] == 24.0
    assert penalty(signals, "support", MONDAY + 30 * DAY, rules)[0] == 60.0
    assert penalty(signals, "service", MONDAY + 30 * DAY, rules)[0] == 0.0


def test_closed_tickets_are_forgotten_after_the_follow_up_window() -> None:
    """A month later, at the next ticket."""
    history = History()
    history.ticket(MONDAY, "opened")
    history.ticket(MONDAY + HOUR, "closed", actor="agent")
    history.ticket(MONDAY + 40 * DAY, "opened", "T2")
    assert list(history.account.signals.tickets) == ["T2"]


def test_the_number_of_tickets_is_bounded() -> None:
    """The oldest go."""
    history = History()
    for i in range(100):
        history.ticket(MONDAY + i, "opened", f"T{i}")
    assert len(history.account.signals.tickets) == 64
    assert "T99" in history.account.signals.tickets
