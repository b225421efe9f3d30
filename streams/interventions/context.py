"""The context bundle: what the customer need not repeat. Short lines for people, from the account's own records."""

from __future__ import annotations

from streams.domain.account import AccountState
from streams.domain.episode import Episode
from streams.domain.time import format_duration, format_time
from streams.health.score import reasons
from streams.policy.model import Policy

_FACTS = 6
_TICKETS = 5
_EPISODES = 3
_WORTH_TELLING = 0.5
"""Points; smaller changes of the score are no facts for people."""


def context(account: AccountState, episode: Episode, now: int, policy: Policy) -> list[str]:
    """Who it is, the time line of the last facts, open tickets, what was done so far, past episodes, last promise."""
    return [
        *_profile(account, now),
        *_time_line(account, policy),
        *_tickets(account, now),
        *_so_far(episode),
        *_past(account),
    ]


def _profile(account: AccountState, now: int) -> list[str]:
    profile = account.profile
    lines = []
    if profile.owner:
        lines.append(f"account owner: {profile.owner}")
    if profile.goals:
        lines.append(f"goals: {'; '.join(profile.goals)}")
    if profile.channel_preference:
        lines.append(f"prefers: {profile.channel_preference}")
    if profile.renewal_at is not None and profile.renewal_at > now:
        lines.append(f"renewal in {format_duration(profile.renewal_at - now)}")
    return lines


def _time_line(account: AccountState, policy: Policy) -> list[str]:
    """The changes of the score that weigh most, in the order in which they happened, and the last angry words."""
    facts = [
        (item.at, f"{item.dimension}: {item.name} {item.points:+.1f} points")
        for item in sorted(reasons(account.health, policy), key=lambda item: (-abs(item.points), item.at))[:_FACTS]
        if abs(item.points) >= _WORTH_TELLING
    ]
    worst = min(account.signals.utterances, key=lambda said: (said.score, -said.at), default=None)
    if worst is not None and worst.score < 0:
        facts.append((worst.at, f"said on {worst.channel}: sentiment {worst.score:+.2f}"))
    return [f"{format_time(at)[:16]} {text}" for at, text in sorted(facts)]


def _tickets(account: AccountState, now: int) -> list[str]:
    lines = []
    tickets = sorted(account.signals.tickets.items(), key=lambda item: (item[1].opened_at, item[0]))
    for ticket_id, ticket in [item for item in tickets if item[1].open][:_TICKETS]:
        theme = f", {ticket.theme}" if ticket.theme else ""
        line = f"open ticket {ticket_id} ({ticket.priority}{theme}) for {format_duration(now - ticket.opened_at)}"
        if ticket.customer_replies:
            line += f", customer wrote {ticket.customer_replies} times since an answer"
        if ticket.handovers:
            line += f", handed over {ticket.handovers} times"
        lines.append(line)
    return lines


def _so_far(episode: Episode) -> list[str]:
    """What was already tried in this episode: for whoever takes it over."""
    lines = []
    if episode.responded_at is not None:
        lines.append(f"first response {format_duration(episode.responded_at - episode.opened_at)} after it was raised")
    if episode.bounced:
        lines.append("a message bounced")
    if episode.acted_at is not None:
        lines.append(f"action executed on {format_time(episode.acted_at)[:16]}")
    if episode.declined:
        lines.append(f"declined: {episode.declined}")
    if episode.approval_wait:
        lines.append(f"waited {format_duration(episode.approval_wait)} for approval")
    if episode.promises_missed:
        lines.append(f"promises missed: {episode.promises_missed}")
    return lines


def _past(account: AccountState) -> list[str]:
    guard = account.guard
    lines = [
        f"episode of {format_time(past.opened_at)[:10]}: {past.kind} in {past.dimension}, "
        f"ended {past.outcome}, grade {past.grade}"
        for past in guard.history[-_EPISODES:]
    ]
    if guard.last_promise:
        lines.append(f"last promise: {guard.last_promise}")
    return lines
