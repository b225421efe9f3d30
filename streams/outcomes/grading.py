"""Grade of the vendor's answer, from events only and never from the warmth of words.

0 apathy      nothing, or nothing that arrived
1 sympathy    words without a cause named: an apology, a link, a promise; homework for the customer
2 empathy     an acknowledgement that names the cause, and no action
3 acted       the action was executed; something is missing for 4
4 compassion  acknowledged, acted, followed up, and the recovery verified
"""

from __future__ import annotations

from typing import NamedTuple

from streams.domain.episode import Episode

APATHY, SYMPATHY, EMPATHY, ACTED, COMPASSION = range(5)


class Grade(NamedTuple):
    """`missing` names what a higher grade lacks; `cause` is the root cause of a grade up to 2."""

    grade: int
    missing: list[str]
    cause: str | None


def grade(episode: Episode) -> Grade:
    """The grade as of now. Responses after the end no longer change it."""
    parts = {
        "acknowledgement": episode.acknowledged_at is not None,
        "action": episode.acted_at is not None,
        "follow_up": episode.followed_up_at is not None or episode.confirmed_at is not None,
        "verification": episode.recovered_at is not None,
    }
    missing = [name for name, seen in parts.items() if not seen]
    if parts["action"]:
        degree = ACTED if missing else COMPASSION
    elif parts["acknowledgement"]:
        degree = EMPATHY
    else:
        degree = SYMPATHY if episode.sympathised else APATHY
    return Grade(degree, missing, _root_cause(episode) if degree <= EMPATHY else None)


def _root_cause(episode: Episode) -> str | None:
    """Why nothing better was done.

    Nothing was prescribed; an approval was needed and never came; nobody took it; else somebody with a prescribed
    step and the authority for it did not get to it: capacity is what is left.
    """
    if episode.arm == "held_out":
        return None
    if episode.prescription is None:
        return "no_playbook"
    if episode.approval_needed and not episode.approved:
        return "no_authority"
    return "over_capacity" if episode.owner is not None else "no_owner"
