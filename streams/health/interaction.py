"""Conversations: what the customer said in each, and how the mood moved inside it."""

from __future__ import annotations

from streams.domain.signal import Interaction
from streams.policy.signals import FrustrationPolicy

_FIRST = 4
_LAST = 12
_THIRD = 3
_CLEAR = 0.05
"""Scores below minus this are negative."""


def add(
    interactions: dict[str, Interaction],
    interaction_id: str,
    channel: str,
    at: int,
    score: float,
    event_id: str,
    rules: FrustrationPolicy,
    *,
    substantial: bool = True,
    scored_by: str = "",
) -> None:
    """Adds an utterance. Of a long conversation the first 4 and the last 12 are kept; the oldest conversation goes.

    A few polite words after negative ones are counted, but do not lift the mood. When another model scores, the mood
    of the conversation is followed anew.
    """
    known = interactions.get(interaction_id)
    if known is None:
        if len(interactions) >= rules.max_interactions:
            del interactions[min(interactions, key=lambda key: (interactions[key].last_at, key))]
        known = interactions[interaction_id] = Interaction(channel=channel, started_at=at, last_at=at)
    known.count += 1
    known.last_at = max(known.last_at, at)
    if scored_by:
        if known.scored_by and known.scored_by != scored_by:
            known.scores.clear()
        known.scored_by = scored_by
    if not substantial and known.scores and known.scores[-1] < -_CLEAR:
        return
    known.event_id = event_id
    known.scores.append(score)
    if len(known.scores) > _FIRST + _LAST:
        del known.scores[_FIRST]


def ends(scores: list[float], least: int) -> tuple[float, float] | None:
    """Mean of the first and of the last third (at least two utterances when there are four); None when too few."""
    if len(scores) < max(2, least):
        return None
    size = max(min(2, len(scores) // 2), len(scores) // _THIRD)
    return sum(scores[:size]) / size, sum(scores[-size:]) / size


def shift(scores: list[float], least: int) -> float | None:
    """Sentiment shift (mean end - mean start)/2 in [-1, 1], from scores in order; None with fewer than `least`."""
    found = ends(scores, least)
    return None if found is None else (found[1] - found[0]) / 2
