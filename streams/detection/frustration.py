"""Sentiment that falls inside one conversation, seen while it goes on.

The sentiment shift of an interaction is (mean end - mean start)/2 over the customer's utterances
(`health/interaction.py`). A single angry remark is no fall; it ages into the sentiment dimension instead.
"""

from __future__ import annotations

from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.health import interaction
from streams.policy.model import Policy


def findings(account: AccountState, now: int, policy: Policy) -> list[Finding]:
    """Conversations that turned sour, each reported once."""
    found: list[Finding] = []
    rules = policy.detection.frustration
    for key, talk in account.signals.interactions.items():
        if talk.reported:
            continue
        both = interaction.ends(talk.scores, rules.min_utterances)
        if both is None:
            continue
        start, end = both
        shift = (end - start) / 2
        if shift > rules.shift or end >= rules.end:
            continue
        talk.reported = True
        found.append(
            Finding(
                kind="frustration",
                dimension="sentiment",
                subject=key,
                severity=min(1.0, 0.4 - shift / 2 - end / 4),
                confidence=min(1.0, 0.5 + 0.05 * talk.count),
                onset_at=talk.started_at,
                at=now,
                text=f"The mood fell from {start:+.2f} to {end:+.2f} in one {talk.channel} conversation",
                evidence=(Evidence("sentiment", end, talk.last_at, start, "-1..1", talk.event_id),),
                baseline=_usual_before(account, talk.channel, talk.started_at),
            )
        )
    return found


def _usual_before(account: AccountState, channel: str, started_at: int) -> float | None:
    """How the customer usually sounded on the channel when the conversation began; None when that is forgotten."""
    for said in account.signals.utterances:
        if said.channel == channel and said.at >= started_at:
            return said.normal
    return None
