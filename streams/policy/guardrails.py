"""The sections `guardrails`, `episodes` and `experiment` of a policy. Durations are int ms."""

from __future__ import annotations

from pydantic import Field

from streams.policy.units import Duration, Section, Share, Text, TimeOfDay


class FrequencyCap(Section):
    """At most `count` interventions are opened for an account within `window`."""

    count: int = Field(ge=1)
    window: Duration


class QuietHours(Section):
    """Local time of the customer in which nothing is opened; `start` may lie after `end` (over midnight)."""

    start: TimeOfDay
    end: TimeOfDay

    def remaining(self, minute: int) -> int:
        """Minutes from local minute `minute` until they end; 0 outside them."""
        length = (self.end - self.start) % 1440
        into = (minute - self.start) % 1440
        return length - into if into < length else 0


class SpendCeiling(Section):
    """No step is opened that would take what was spent on an account within `window` above `limit` usd."""

    limit: float = Field(ge=0.0)
    window: Duration


class Guardrails(Section):
    """When an intervention is not fired. Each is a `SuppressionReason` of the suppressed-interventions schema."""

    min_confidence: Share
    """Findings with less confidence are suppressed as `low_confidence`."""
    cool_down: Duration
    """After an episode of the same dimension and subject has ended."""
    frequency_cap: FrequencyCap
    quiet_hours: QuietHours | None
    growth_pause: Duration
    """No growth touch while anything is open, nor for this long after a relapse."""
    critical_severity: Share
    """From this severity on, a second finding of the same moment gets its own episode."""
    arbitration_window: Duration
    """The losers of a moment with several findings are looked at again after this."""
    spend_ceiling: SpendCeiling
    recheck: Duration
    """A reason without a known end, such as the kill switch, is looked at again after this."""
    forget: Duration
    """A finding of low confidence, or of an account that has left, is recorded again only after this."""


class EpisodeRules(Section):
    """How an episode runs, beside the deadlines of its playbook."""

    settle: Duration
    """How long an executed action may work before verification begins."""
    follow_up: Duration
    """Watch after back on track: a fall within it is a relapse, a hold to its end confirms the recovery.

    The time that a metric must hold, and so a fall takes to be seen, comes on top.
    """
    verify_every: Duration
    """Recovery that comes with time alone, such as a hold that ends, is looked for at least this often."""
    held_out: Duration
    """How long the recovery of an untreated account is waited for before its episode expires."""


class Experiment(Section):
    """The untreated share, by a stable hash of the account id."""

    holdout: Share
    salt: Text
    """Another salt draws another holdout."""
    never_tiers: tuple[str, ...]
    """Commercial tiers that are never held out."""
