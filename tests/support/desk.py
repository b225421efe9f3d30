"""One account on a desk: findings, tickets, responses and time go in, decided records come out.

Runs the real decision code with the real verification. Every output is encoded strictly by its schema on the way.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_writer

from streams import topics
from streams.domain.account import AccountState
from streams.domain.episode import Episode
from streams.domain.finding import Evidence, Finding
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.domain.signal import TicketState, Utterance
from streams.domain.time import DAY, HOUR
from streams.interventions import decide, growth, progress, respond
from streams.policy.load import default_policy, load_policy
from streams.policy.model import Policy

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
START = 1_700_048_400_000
"""A Wednesday, 11:40 UTC: no quiet hours."""


@cache
def _schema(topic: str) -> Any:
    return parse_schema(json.loads((SCHEMAS / topic / "v1.avsc").read_text(encoding="utf-8")))


def encode(output: Output) -> bytes:
    """The record by its schema; raises when it has a field too many, too few or of the wrong type."""
    buffer = io.BytesIO()
    schemaless_writer(buffer, _schema(output.topic), output.record, strict=True)
    return buffer.getvalue()


def policy_with(text: str) -> Policy:
    """The shipped policy with changes, as YAML."""
    return load_policy(f"extends: default\n{text}", "test.yaml")


class Desk:
    """The account, its partition, stream time, and all that was put out."""

    def __init__(self, policy: Policy | None = None, account_id: str = "acme") -> None:
        self.policy = policy or default_policy()
        self.account = AccountState(account_id)
        self.partition = PartitionState(0, stream_time=START)
        self.now = START
        self.outputs: list[Output] = []
        self._offset = 0

    def _origin(self, topic: str) -> Origin:
        self._offset += 1
        return Origin(topic, 0, self._offset)

    def _take(self, outputs: list[Output]) -> list[dict[str, Any]]:
        for output in outputs:
            encode(output)
        self.outputs += outputs
        return [output.record for output in outputs]

    def find(self, *findings: Finding, traceparent: str | None = None) -> list[dict[str, Any]]:
        """What is decided on findings of one moment."""
        origin = self._origin(topics.USAGE)
        found = list(findings)
        return self._take(
            decide.on_findings(self.account, self.partition, found, self.now, origin, self.policy, traceparent)
        )

    def open(self, **fields: Any) -> Episode:
        """Opens an episode for a blocked ticket, which is there and open."""
        drop = finding(at=self.now, **fields)
        if drop.kind == "blocked":
            self.ticket(drop.subject)
        self.find(drop)
        return next(one for one in self.account.episodes.values() if one.cause == drop.cause)

    def ticket(self, ticket_id: str, *, resolved: bool = False) -> None:
        """Puts a ticket's state where the ticket stream would have put it."""
        ticket = self.account.signals.tickets.setdefault(
            ticket_id, TicketState(opened_at=self.now - 4 * DAY, priority="high")
        )
        ticket.status = "resolved" if resolved else "open"
        ticket.resolved_at = self.now if resolved else None
        ticket.changed_at = self.now

    def respond(self, episode: Episode | str, change: str, **fields: Any) -> list[dict[str, Any]]:
        """Applies a response to an episode."""
        event: Any = {
            "event_id": f"r{self._offset}",
            "account_id": self.account.account_id,
            "occurred_at": self.now,
            "source": "",
            "cohort": None,
            "traceparent": None,
            "intervention_id": episode if isinstance(episode, str) else episode.intervention_id,
            "change": change,
            "actor": "kim",
            "actor_kind": "human",
            "names_cause": False,
            "promised_by": None,
            "snooze_until": None,
            "action": None,
            "cost": None,
            "reason": None,
            "alternative": None,
            **fields,
        }
        origin = self._origin(topics.RESPONSES)
        return self._take(respond.on_response(self.account, self.partition, event, self.now, origin, self.policy))

    def acknowledge(self, episode: Episode) -> list[dict[str, Any]]:
        """A valid acknowledgement."""
        return self.respond(episode, "acknowledged", names_cause=True)

    def account_event(self, change: str) -> list[dict[str, Any]]:
        """A commercial event, after the profile took it."""
        event = {"event_id": f"a{self._offset}", "occurred_at": self.now, "change": change, "traceparent": None}
        if change == "churned":
            self.account.profile.churned_at = self.now
        origin = self._origin(topics.ACCOUNTS)
        return self._take(growth.on_account_event(self.account, self.partition, event, self.now, origin, self.policy))

    def step(self, topic: str = topics.USAGE, event: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """What follows on any event of the account."""
        origin = self._origin(topic)
        return self._take(
            progress.on_progress(self.account, self.partition, self.now, origin, self.policy, topic, event)
        )

    def ticket_event(self, ticket_id: str, change: str, actor: str = "customer") -> list[dict[str, Any]]:
        """A step of a ticket, as far as episodes look at it."""
        event = {
            "event_id": f"t{self._offset}",
            "occurred_at": self.now,
            "traceparent": None,
            "ticket_id": ticket_id,
            "change": change,
            "actor": actor,
        }
        return self.step(topics.TICKETS, event)

    def say(self, score: float, interaction: str | None = None) -> list[dict[str, Any]]:
        """The customer says something."""
        event_id = f"s{self._offset}"
        self.account.signals.utterances.append(Utterance(self.now, "chat", score, event_id=event_id))
        event = {
            "event_id": event_id,
            "occurred_at": self.now,
            "traceparent": None,
            "speaker": "customer",
            "interaction_id": interaction,
        }
        return self.step(topics.SENTIMENT, event)

    def wait(self, duration: int) -> list[dict[str, Any]]:
        """Lets time pass: timers fire at their due time, in order."""
        until = self.now + duration
        records: list[dict[str, Any]] = []
        timers = self.account.timers
        while timers and min(timers.values()) <= until:
            self.now = self.partition.stream_time = min(timers.values())
            for name in sorted(name for name, due in timers.items() if due <= self.now):
                del timers[name]
                handler = {"episodes": progress.on_episodes_timer, "guard": decide.on_guard_timer}[name]
                records += self._take(
                    handler(self.account, self.partition, self.now, self._origin(topics.CONTROL), self.policy)
                )
        self.now = self.partition.stream_time = until
        return records

    def recover(self, episode: Episode) -> list[dict[str, Any]]:
        """The ticket behind the episode is resolved and stays so for the hold time."""
        self.ticket(episode.subject, resolved=True)
        return self.wait(self.policy.verification.blocked_hold + 6 * HOUR)


def finding(**fields: Any) -> Finding:
    """A blocked ticket, or what the fields make of it."""
    at = fields.get("at", START)
    values: dict[str, Any] = {
        "kind": "blocked",
        "dimension": "support",
        "subject": "T-1",
        "severity": 0.6,
        "confidence": 0.9,
        "onset_at": at - 2 * DAY,
        "at": at,
        "text": "High ticket T-1 is open for 2d.",
        "evidence": (Evidence("open_for", 48.0, at, 24.0, "hours", "e-1"),),
        **fields,
    }
    return Finding(**values)


def states(records: list[dict[str, Any]]) -> list[str]:
    """States or outcomes or reasons that records tell, in order."""
    return [str(one.get("state") or one.get("outcome") or one["reason"]) for one in records]
