"""One partition's accounts driven through signals, health and detection only: what a day of theirs leads to."""

from collections.abc import Mapping
from typing import Any

from streams import topics
from streams.detection import silence
from streams.detection.detect import detect
from streams.domain import profile
from streams.domain.account import AccountState
from streams.domain.finding import Finding
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, WEEK, start_of
from streams.health import feeds, observe, panel, score
from streams.policy.load import default_policy
from streams.policy.model import Policy

MONDAY = start_of(WEEK, 1_700_000_000_000)
"""Some Monday, 00:00 UTC."""


class History:
    """Feeds events in time order, fires the timers between them, and keeps what was found."""

    def __init__(self, policy: Policy | None = None, scorer: Any = None) -> None:
        self.policy = policy or default_policy()
        self.scorer = scorer
        self.partition = PartitionState(0)
        self.accounts: dict[str, AccountState] = {}
        self.findings: list[tuple[str, Finding]] = []
        self.changes: list[tuple[float | None, float | None, list[float]]] = []
        """Of each refresh that changed a row: score before, score after, points of the contributions."""
        self.outcomes: list[str] = []
        self._number = 0

    @property
    def account(self) -> AccountState:
        """The account `a`."""
        return self.account_of("a")

    def account_of(self, name: str) -> AccountState:
        """An account, made when it is new."""
        return self.accounts.setdefault(name, AccountState(name))

    def kinds(self, name: str = "a") -> list[str]:
        """Kinds of what was found for an account, in order."""
        return [finding.kind for account, finding in self.findings if account == name]

    def usage(self, at: int, value: float, metric: str = "logins", name: str = "a") -> str:
        """A usage event at stream time `at`."""
        return self.event(topics.USAGE, at, {"metric": metric, "value": value, "unit": ""}, name)

    def say(self, at: int, value: float | None, name: str = "a", **fields: Any) -> str:
        """A sentiment event of the customer."""
        event = {
            "channel": "email", "interaction_id": None, "position": None, "speaker": "customer", "score": value,
            "text": None, "survey": "none", "survey_value": None,
        }  # fmt: skip
        return self.event(topics.SENTIMENT, at, event | fields, name)

    def ticket(self, at: int, change: str, ticket_id: str = "T1", name: str = "a", **fields: Any) -> str:
        """A step of a ticket."""
        event = {
            "ticket_id": ticket_id, "change": change, "priority": "urgent", "area": "support", "actor": "customer",
            "theme": "", "satisfaction": None,
        }  # fmt: skip
        return self.event(topics.TICKETS, at, event | fields, name)

    def commercial(self, at: int, change: str, name: str = "a", **fields: Any) -> str:
        """An account event."""
        event = dict.fromkeys(
            ("segment", "stage", "tier", "value", "renewal_at", "owner", "time_zone", "channel_preference")
        )
        return self.event(topics.ACCOUNTS, at, {**event, "goals": [], "change": change, **fields}, name)

    def event(self, topic: str, at: int, fields: Mapping[str, Any], name: str = "a") -> str:
        """Any event; `occurred_at` is its record time unless the fields say otherwise."""
        self.pass_to(at)
        self._number += 1
        event = {"event_id": f"e{self._number}", "account_id": name, "occurred_at": at, "source": "", "cohort": None,
                 "traceparent": None, **fields}  # fmt: skip
        self.partition.applied[topic] = self._number
        feeds.observe_feed(self.partition, topic, at, self.policy)
        account = self.account_of(name)
        if topic in panel.WATCHED:
            panel.observe(self.partition, topic, event, account, self.policy)
        if topic == topics.ACCOUNTS:
            profile.apply(account.profile, event, at)  # type: ignore[arg-type]
        outcome = observe.observe(account, self.partition, topic, event, at, self.policy, self.scorer)  # type: ignore[arg-type]
        self.outcomes.append(outcome)
        if outcome != observe.ABSORBED:
            self._look(account, at, topic, event["event_id"])
        return outcome

    def pass_to(self, at: int) -> None:
        """Lets time pass, firing what is due."""
        while True:
            due = feeds.next_feed_check(self.partition, self.policy)
            timers = [(t, name) for name, a in self.accounts.items() for t in a.timers.values()]
            first = min(timers, default=None)
            if due is not None and due <= at and (first is None or due <= first[0]):
                feeds.on_feed_timer(self.partition, due, self.policy)
                continue
            if first is None or first[0] > at:
                break
            moment, account = first[0], self.accounts[first[1]]
            self.partition.stream_time = moment
            for timer in sorted(name for name, t in account.timers.items() if t <= moment):
                del account.timers[timer]
                if timer == "silence" and silence.waits(account, self.partition, moment, self.policy):
                    continue
                if timer == "signals":
                    observe.on_signals_timer(account, self.partition, moment, self.policy)
                self._look(account, moment, timer, None)
        self.partition.stream_time = max(at, self.partition.stream_time)

    def _look(self, account: AccountState, at: int, trigger: str, event_id: str | None) -> None:
        before = account.health.score
        why = score.Change(trigger, event_id, at, Origin(trigger, 0, self._number))
        if score.refresh(account, self.partition, at, self.policy, why):
            health = account.health
            self.changes.append((before, health.score, [c.points for c in health.last_change]))
        found = detect(account, self.partition, at, self.policy, trigger)
        self.findings += [(account.account_id, finding) for finding in found]


def daily(history: History, day: int, value: float, metric: str = "logins", name: str = "a") -> None:
    """`value` on day `day` (from MONDAY), in four events over the working day."""
    for i in range(4):
        history.usage(MONDAY + day * DAY + (8 + 2 * i) * HOUR, value / 4, metric, name)
