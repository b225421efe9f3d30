"""Tickets: their life, who owes whom an answer, and how an open blocker ages."""

from __future__ import annotations

from streams.domain.events import TicketEvent
from streams.domain.signal import Signals, TicketState
from streams.domain.time import DAY
from streams.health import voice
from streams.policy.signals import HealthPolicy

_STAFF = ("agent", "bot")


def observe(signals: Signals, event: TicketEvent, at: int, now: int, rules: HealthPolicy) -> bool:
    """Takes in a step of a ticket's life. True when it is a ticket not seen before, or opened again."""
    tickets = signals.tickets
    _forget(tickets, now, rules)
    ticket_id, change, actor = event["ticket_id"], event["change"], event["actor"]
    ticket = tickets.get(ticket_id)
    fresh = ticket is None
    if ticket is None:
        if change in ("resolved", "closed"):
            ticket = TicketState(opened_at=at, changed_at=at, status=change, resolved_at=at)
        else:
            ticket = TicketState(opened_at=at, changed_at=at)
        tickets[ticket_id] = ticket
    again = _move(ticket, change, at, actor)
    ticket.changed_at = max(ticket.changed_at, at)
    ticket.priority = event["priority"]
    ticket.area = event["area"]
    ticket.theme = event["theme"] or ticket.theme
    ticket.event_id = event["event_id"]
    ticket.last_actor = actor
    satisfaction = event["satisfaction"]
    if satisfaction is not None:
        score = voice.survey_score("csat", satisfaction)
        voice.hear(signals, "ticket/csat", score, at, event["event_id"])
    return fresh or again


def _move(ticket: TicketState, change: str, at: int, actor: str) -> bool:
    """Moves the ticket; True when it was opened again."""
    again = False
    if change in ("resolved", "closed"):
        if ticket.open:
            ticket.resolved_at = at
        ticket.status = change
        ticket.customer_replies = 0
    elif change == "reopened" or (change in ("opened", "escalated") and not ticket.open):
        again = not ticket.open
        ticket.reopened += again
        if again:
            ticket.status, ticket.resolved_at, ticket.reported = "open", None, False
    elif change == "reassigned":
        ticket.handovers += 1
    if change != "opened" and ticket.open:
        if actor == "customer":
            ticket.customer_replies += 1
        elif actor in _STAFF:
            ticket.customer_replies = 0
    return again


def _forget(tickets: dict[str, TicketState], now: int, rules: HealthPolicy) -> None:
    """Drops what was closed longer ago than the follow-up window, and the oldest when there are too many."""
    old = [key for key, t in tickets.items() if t.resolved_at is not None and now - t.resolved_at > rules.follow_up]
    for key in old:
        del tickets[key]
    while len(tickets) >= rules.max_tickets:
        del tickets[min(tickets, key=lambda key: (tickets[key].open, tickets[key].changed_at, key))]


def penalty(signals: Signals, area: str, now: int, rules: HealthPolicy) -> tuple[float, str]:
    """Points that the open blockers of an area take by their age, capped, and the event of the worst one."""
    total, worst, event_id = 0.0, 0.0, ""
    for ticket in signals.tickets.values():
        if ticket.open and ticket.area == area:
            points = rules.blocker_points.get(ticket.priority, 0.0) * max(0, now - ticket.opened_at) / DAY
            total += points
            if points > worst:
                worst, event_id = points, ticket.event_id
    return min(total, rules.blocker_cap), event_id
