"""A finding: what a detector says about an account, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, frozen=True)
class Evidence:
    """A figure behind a finding. `expected` is the account's own normal; `at` in ms."""

    name: str
    value: float
    at: int
    expected: float | None = None
    unit: str = ""
    event_id: str | None = None
    scored_by: str = ""
    """Name and version of the model that scored the texts behind it; empty when none did."""

    def record(self) -> dict[str, Any]:
        """As the `Evidence` record of the output schemas."""
        return {
            "name": self.name,
            "value": self.value,
            "expected": self.expected,
            "unit": self.unit,
            "event_id": self.event_id,
            "at": self.at,
            "scored_by": self.scored_by,
        }


@dataclass(slots=True, frozen=True)
class Finding:
    """A drop as a detector sees it.

    `kind` is one of the `DropKind` symbols of the interventions schema; `subject` is what it was seen on (metric,
    ticket or interaction id, empty for the whole account); `severity` and `confidence` lie in [0, 1]; `onset_at` is the
    first causing event, `at` the moment of detection, both in ms. `baseline` is the normal to which recovery is held,
    in the unit of the subject, frozen here; None when recovery is judged otherwise.
    """

    kind: str
    dimension: str
    subject: str
    severity: float
    confidence: float
    onset_at: int
    at: int
    text: str
    evidence: tuple[Evidence, ...] = ()
    baseline: float | None = None
    harm: bool = True
    """False for a change for the better: it is told, nothing is fired."""

    @property
    def cause(self) -> str:
        """What makes two findings the same: kind, dimension and subject."""
        return f"{self.kind}:{self.dimension}:{self.subject}"
