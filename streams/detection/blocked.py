"""An open blocker that nobody has resolved in time: delay itself is the risk."""

from __future__ import annotations

from streams import topics
from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.domain.partition import PartitionState
from streams.domain.time import HOUR, format_duration
from streams.policy.model import Policy

_SEVERITY = {"urgent": 0.8, "high": 0.6}


def findings(account: AccountState, partition: PartitionState, now: int, policy: Policy) -> list[Finding]:
    """Open tickets past the age at which their priority blocks, each reported once while it is open.

    Held while the ticket feed is silent: the ticket may be closed long since.
    """
    found: list[Finding] = []
    if partition.silent(topics.TICKETS):
        return found
    for key, ticket in account.signals.tickets.items():
        after = policy.detection.blocked.after.get(ticket.priority)
        if ticket.reported or not ticket.open or after is None or now - ticket.opened_at < after:
            continue
        ticket.reported = True
        age = now - ticket.opened_at
        about = f" about {ticket.theme}" if ticket.theme else ""
        waiting = f", {ticket.customer_replies} unanswered messages" if ticket.customer_replies else ""
        found.append(
            Finding(
                kind="blocked",
                dimension=ticket.area,
                subject=key,
                severity=min(
                    1.0, _SEVERITY.get(ticket.priority, 0.5) + 0.05 * (ticket.customer_replies + ticket.reopened)
                ),
                confidence=1.0,
                onset_at=ticket.opened_at,
                at=now,
                text=f"{ticket.priority.capitalize()} ticket {key}{about} is open for {format_duration(age)}{waiting}",
                evidence=(Evidence("open_for", age / HOUR, now, after / HOUR, "hours", ticket.event_id),),
            )
        )
    return found
