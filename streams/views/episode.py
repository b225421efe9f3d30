"""One episode as its output records tell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PHASES: dict[str, str] = {
    "held_out": "held_out",
    "opened": "open",
    "owned": "open",
    "acting": "open",
    "acted": "open",
    "verifying": "open",
    "relapsed": "open",
    "escalated": "open",
    "back_on_track": "recovered",
    "confirmed": "recovered",
    "new_normal": "ended",
    "handled_unresolved": "ended",
    "expired": "ended",
    "superseded": "ended",
    "withdrawn": "ended",
    "other": "open",
}
"""What a state means to a reader: somebody has to do something (open), the account is well again (recovered), it
ended otherwise (ended), or it is watched without treatment (held_out). A state of a newer worker counts as open:
better shown once too often than forgotten."""

# A false alarm, and an episode that went on under another id, say nothing about recovery.
NOT_SETTLED = frozenset({"withdrawn", "superseded"})

# What the records of an episode mostly repeat: kept once, or memory would be several times larger.
_REPEATED = ("cause", "evidence", "contributions", "playbook", "authority", "context")


def phase_of(state: str) -> str:
    """Phase of a state; open for one that this release does not know."""
    return PHASES.get(state, "open")


@dataclass(slots=True)
class EpisodeView:
    """An episode: its records by `seq`. A repeated `(id, seq)` is a copy and is dropped."""

    intervention_id: str
    account_id: str
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Records of `interventions`."""
    outcomes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Records of `intervention-outcomes`; they share the counter."""
    last_step: int = -1
    last_outcome: int = -1
    chases: int = 0
    """How often the customer had to chase so far."""
    _prescribed: int = -1
    _grade: tuple[int, int | None] = (-1, None)
    _value: tuple[int, float | None] = (-1, None)

    def add_step(self, record: dict[str, Any]) -> bool:
        """Takes a record of `interventions`; False when it is a copy."""
        seq = int(record["seq"])
        if seq in self.steps:
            return False
        before = self.steps.get(self.last_step)
        if before is not None:
            record |= {name: before[name] for name in _REPEATED if before[name] == record[name]}
        self.steps[seq] = record
        self.last_step = max(self.last_step, seq)
        if record["playbook"]:
            self._prescribed = max(self._prescribed, seq)
        self._note(seq, record)
        return True

    def add_outcome(self, record: dict[str, Any]) -> bool:
        """Takes a record of `intervention-outcomes`; False when it is a copy."""
        seq = int(record["seq"])
        if seq in self.outcomes:
            return False
        self.outcomes[seq] = record
        self.last_outcome = max(self.last_outcome, seq)
        self._note(seq, record)
        return True

    def _note(self, seq: int, record: dict[str, Any]) -> None:
        """Keeps the newest figures at hand: they are asked for often, and records come in any order between topics."""
        self.chases = max(self.chases, int(record["chases"]))
        if record["grade"] is not None and seq > self._grade[0]:
            self._grade = (seq, int(record["grade"]))
        if record["value"] is not None and seq > self._value[0]:
            self._value = (seq, float(record["value"]))

    @property
    def latest(self) -> dict[str, Any]:
        """The newest record of either topic: what holds now."""
        if self.last_outcome > self.last_step:
            return self.outcomes[self.last_outcome]
        return self.steps[self.last_step]

    @property
    def step(self) -> dict[str, Any] | None:
        """The newest record of `interventions`; None when retention has removed them all."""
        return self.steps.get(self.last_step)

    @property
    def outcome(self) -> dict[str, Any] | None:
        """The newest outcome, None while there is none."""
        return self.outcomes.get(self.last_outcome)

    @property
    def first(self) -> dict[str, Any]:
        """The oldest record known: how it began."""
        return self.records()[0][1]

    @property
    def prescribed(self) -> dict[str, Any] | None:
        """The newest record that prescribes a step; None when nothing was prescribed."""
        return self.steps.get(self._prescribed)

    @property
    def state(self) -> str:
        """State that the newest record entered."""
        latest = self.latest
        return str(latest["state"] if "state" in latest else latest["outcome"])

    @property
    def phase(self) -> str:
        """open, recovered, ended or held_out."""
        return phase_of(self.state)

    @property
    def settled(self) -> bool:
        """True when it says something about recovery: recovered, or ended honestly without."""
        return self.phase in {"recovered", "ended"} and self.state not in NOT_SETTLED

    @property
    def grade(self) -> int | None:
        """0 apathy to 4 compassion, so far; None when not graded yet."""
        return self._grade[1]

    @property
    def value(self) -> float | None:
        """Value of the account a year in usd; None when unknown."""
        return self._value[1]

    @property
    def ended_at(self) -> int | None:
        """When it left the open phase; None while it is open."""
        return None if self.phase in {"open", "held_out"} else int(self.latest["at"])

    def records(self) -> list[tuple[int, dict[str, Any]]]:
        """All records in order of `seq`."""
        # The counter is shared, so a seq is in one of the two only.
        return sorted((*self.steps.items(), *self.outcomes.items()), key=lambda item: item[0])
