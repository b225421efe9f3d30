"""An episode: one drop of one account from being raised to its honest end. And what the guardrails remember.

Part of the stored account state (see `domain/account.py`): every field has a default, which is what an older record
reads as. Times and durations are int ms UTC; `None` or 0 as stated means not set.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.finding import Evidence

WAITING = frozenset({"opened", "escalated", "relapsed"})
"""States in which a step is prescribed and nobody has taken it up."""
TREATED = WAITING | {"owned", "acting", "acted", "verifying"}
"""States in which something is still owed to the customer."""
OPEN = TREATED | {"held_out"}
"""States in which the account is not back on track and the clock runs."""
ENDED = frozenset({"confirmed", "superseded", "handled_unresolved", "new_normal", "expired", "withdrawn"})
"""States that nothing leaves. `back_on_track` is neither open nor ended: it is watched for a relapse."""


@dataclass(slots=True)
class Prescription:
    """A step of a playbook, with its texts filled from the account's own data, frozen when it was prescribed."""

    playbook: str = ""
    step: int = 0
    """Step of the ladder, from 0."""
    action: str = ""
    channel: str = ""
    for_user: str = ""
    for_executive: str = ""
    success: str = ""
    generic: bool = False
    """True when own evidence was missing and a fallback text stands in for it."""
    actor: str = ""
    authority: str = ""
    """The action that the actor's authority is for."""
    limit: float | None = None
    """Highest cost in usd without approval; None: no limit."""


@dataclass(slots=True)
class Episode:
    """One drop, its treatment, and the facts from which it is graded. Changed by `interventions/machine.py` only."""

    intervention_id: str = ""
    number: int = 0
    """Ordinal of the episode in its account, from 1."""
    state: str = "opened"
    seq: int = 0
    """Sequence number of the next output record."""
    arm: str = "treated"
    """Experiment arm: treated, held_out or excluded."""

    kind: str = ""
    dimension: str = ""
    subject: str = ""
    severity: float = 0.0
    """0..1, the worst seen so far."""
    confidence: float = 0.0
    text: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    baseline: float | None = None
    """Normal that recovery is held to, frozen at onset."""
    onset_at: int = 0
    """First causing event: where the recovery clock starts."""
    opened_at: int = 0
    since: int = 0
    """When it was opened or last relapsed: only evidence after this proves recovery."""
    merged: int = 0
    """Later findings of the same family that were attached instead of fired."""
    traceparent: str | None = None

    prescription: Prescription | None = None
    ack_by: int | None = None
    act_by: int | None = None
    verify_by: int | None = None
    settle_at: int | None = None
    """When an executed action has had the time to work and verification begins."""
    follow_up_until: int | None = None
    """End of the window in which a fall is a relapse."""
    held_reason: str = ""
    """Why the next step of the ladder is held back; empty when it is not."""
    held_until: int | None = None
    """When a held step is looked at again."""

    owner: str | None = None
    responded_at: int | None = None
    """First response of any kind."""
    acknowledged_at: int | None = None
    """First acknowledgement that names the cause."""
    sympathised: bool = False
    """An apology, a link, or an acknowledgement that does not name the cause."""
    bounced: bool = False
    acted_at: int | None = None
    """First action that was executed within authority, or approved."""
    followed_up_at: int | None = None
    confirmed_at: int | None = None
    """When the customer said that it is well. Never ends an episode by itself."""
    promised_by: int | None = None
    """Promise that is still open."""
    promises_kept: int = 0
    promises_missed: int = 0
    declined: str = ""
    """Reason of the last refusal to do the step."""

    approval_needed: bool = False
    approved: bool = False
    approval_asked_at: int | None = None
    approval_wait: int = 0
    """Time spent waiting for approvals, ms."""
    pending_at: int | None = None
    """When an action was executed that still waits for approval."""
    pending_cost: float = 0.0

    chases: int = 0
    """How often the customer had to come back while an answer was owed."""
    chased_in: str = ""
    """Conversation of the last counted chase: one conversation is one chase."""
    recovered_at: int | None = None
    relapses: int = 0
    ended_at: int | None = None

    @property
    def cause(self) -> str:
        """What makes it the same drop: kind, dimension and subject."""
        return f"{self.kind}:{self.dimension}:{self.subject}"

    @property
    def open(self) -> bool:
        """True while the account is not back on track and the episode has not ended otherwise."""
        return self.state in OPEN


@dataclass(slots=True)
class Ended:
    """What is kept of an episode that has ended: for cool-down, for the history of a playbook, for context."""

    intervention_id: str = ""
    kind: str = ""
    dimension: str = ""
    subject: str = ""
    playbook: str = ""
    outcome: str = ""
    opened_at: int = 0
    ended_at: int = 0
    grade: int = 0
    relapses: int = 0


@dataclass(slots=True)
class Candidate:
    """A finding that is suppressed for now: kept to be looked at again, and so as not to be recorded twice."""

    kind: str = ""
    dimension: str = ""
    subject: str = ""
    severity: float = 0.0
    confidence: float = 0.0
    onset_at: int = 0
    at: int = 0
    text: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    baseline: float | None = None
    traceparent: str | None = None

    reason: str = ""
    """Reason of the suppression that was recorded."""
    until: int | None = None
    """When that reason ends; None: not known."""
    look_at: int = 0
    """When it is looked at again."""
    since: int = 0
    """First suppression of it."""
    repeats: int = 0
    """Findings that were swallowed because their suppression is recorded already."""


@dataclass(slots=True)
class Spend:
    """Money spent on an account within its episodes."""

    at: int = 0
    cost: float = 0.0


@dataclass(slots=True)
class Guard:
    """What the guardrails of one account remember. All lists are bounded by policy windows or by a fixed length."""

    episodes: int = 0
    """Episodes ever opened or held out: numbers the next one."""
    suppressions: int = 0
    """Suppressions ever recorded: numbers the next one."""
    fired: list[int] = field(default_factory=list)
    """When episodes were opened, within the window of the frequency cap."""
    spent: list[Spend] = field(default_factory=list)
    """What actions cost, within the window of the spend ceiling."""
    snoozed_until: int = 0
    relapsed_at: int = 0
    """Last relapse of any episode."""
    last_promise: str = ""
    """The newest promise, in words, for the context of the next episode."""
    candidates: dict[str, Candidate] = field(default_factory=dict)
    """Suppressed findings by cause."""
    history: list[Ended] = field(default_factory=list)
    """Ended episodes, oldest first, bounded."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Responses and events that changed nothing, by reason code."""
