"""Playbooks: which drop they fit, and the ladder of prescribed steps. The section `playbooks` of a policy.

Texts are templates. Their {placeholders} are filled from the account's own data; when one cannot be filled, the
playbook's fallback text is used and the step is marked generic.
"""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from streams.policy.units import Duration, Section, Share, Text

PLACEHOLDERS: dict[str, str] = {
    "account": "id of the account",
    "action": "the prescribed action",
    "dimension": "dimension that hurts",
    "direction": "below or above: where the leading figure lies from its normal",
    "drop": "how far the leading figure lies from its normal, per cent",
    "expected": "the account's own normal of the leading figure",
    "finding": "the finding in one sentence",
    "goal": "the first goal that the customer named",
    "onset": "date of the first causing event",
    "open_for": "time since the first causing event",
    "owner": "who owns the account",
    "past_episodes": "how many episodes the account had before",
    "relapses": "how often this episode has relapsed",
    "renewal": "date of the next renewal",
    "renewal_in": "time until the next renewal",
    "segment": "segment of the account",
    "stage": "stage of its journey",
    "subject": "metric, ticket or interaction on which it was seen",
    "unit": "unit of the leading figure",
    "value": "the leading figure",
    "worth": "value of the account a year, usd",
}
"""What a text may name, with its meaning."""

Kind = Literal[
    "threshold",
    "relative",
    "forecast",
    "silence",
    "silent_start",
    "frustration",
    "blocked",
    "cancel_intent",
    "notice",
]
DimensionName = Literal["support", "service", "success", "sales", "sentiment"]


def placeholders(template: str) -> list[str]:
    """Names in the braces of a template, in order. Raises ValueError when it cannot be parsed."""
    names = []
    for _, name, spec, conversion in Formatter().parse(template):
        if name is not None:
            if spec or conversion:
                raise ValueError(f"{{{name}}}: a placeholder is only a name in braces")
            names.append(name)
    return names


def _template(value: str) -> str:
    for name in placeholders(value):
        if name not in PLACEHOLDERS:
            raise ValueError(f"unknown placeholder {{{name}}}; known are {', '.join(PLACEHOLDERS)}")
    return value


def _fixed(value: str) -> str:
    if placeholders(value):
        raise ValueError("a fallback is used when evidence is missing, so it may not name any: remove the braces")
    return value


Template = Annotated[Text, AfterValidator(_template)]
Fixed = Annotated[Text, AfterValidator(_fixed)]


class Match(Section):
    """Conditions, all of which must hold; an empty list or null allows everything."""

    kinds: tuple[Kind, ...] = ()
    dimensions: tuple[DimensionName, ...] = ()
    subjects: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    min_severity: Share = 0.0
    relapsed: bool | None = None
    """True: only after a relapse of this episode; False: only before one."""
    min_past_episodes: int = Field(0, ge=0)
    """Episodes that the account has had before."""


class AuthorityScope(Section):
    """Who may do the step without asking: `actor` may do `action` for at most `limit` usd (null: no limit)."""

    actor: Text
    action: Text
    limit: float | None = Field(None, ge=0.0)


class Deadlines(Section):
    """Counted from the moment the step is prescribed.

    The time that a recovered metric must hold comes on top of `verify`.
    """

    ack: Duration
    act: Duration
    verify: Duration

    @model_validator(mode="after")
    def _ordered(self) -> Deadlines:
        if not 0 < self.ack <= self.act <= self.verify:
            raise ValueError("must be ordered and longer than 0: ack <= act <= verify")
        return self


class Step(Section):
    """One prescribed step: what to do, where, with which words, by whom, until when, and what counts as success."""

    action: Text
    channel: Text
    for_user: Template
    for_executive: Template
    success: Text
    authority: AuthorityScope
    deadlines: Deadlines
    cost: float = Field(0.0, ge=0.0)
    """What the step is expected to cost, usd; held against the spend ceiling."""


class Fallback(Section):
    """Texts for when own evidence is missing."""

    for_user: Fixed
    for_executive: Fixed


class Playbook(Section):
    """A named answer to a kind of drop. Without a prescribed step and its success criterion it is refused."""

    name: Text
    match: Match
    ladder: tuple[Step, ...]
    fallback: Fallback

    @model_validator(mode="after")
    def _prescribes(self) -> Playbook:
        if not self.ladder:
            raise ValueError("prescribes nothing: its ladder needs at least one step with a success criterion")
        return self
