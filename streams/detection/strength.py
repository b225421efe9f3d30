"""Evidence as a strength in [0, 1] that means the same for every detector and series.

1/2 is where an alarm is raised at the false-alarm rate that the policy allows; each further multiple of the limit
halves what is missing to 1.
"""

from __future__ import annotations


def strength(evidence: float, limit: float) -> float:
    """1 - 2^(-evidence/limit); 0 for evidence at or below 0. `limit` is the evidence that raises an alarm, above 0."""
    return 1.0 - 2.0 ** (-evidence / limit) if evidence > 0 else 0.0
