"""Everything the output topics have said so far, in memory. Pure: records go in, nothing else."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams import topics
from streams.views.episode import EpisodeView

HISTORY_POINTS = 400
"""Health points kept an account; older ones are thinned out beyond it."""
SUPPRESSED_KEPT = 100
"""Newest suppressed interventions kept an account; all are counted."""
RECENT_KEPT = 200
"""Newest records kept for the live views; health rows, of which there are many, are not among them."""


class Point(NamedTuple):
    """Health at one moment: time in ms, score 0..100 or None when unknown, band."""

    at: int
    score: float | None
    band: str


class Recent(NamedTuple):
    """A record that has just come: its logical topic and what it says."""

    topic: str
    record: dict[str, Any]


@dataclass(slots=True)
class AccountView:
    """One account."""

    account_id: str
    health: dict[str, Any] | None = None
    """The newest record of `account-health`."""
    history: list[Point] = field(default_factory=list)
    episodes: dict[str, EpisodeView] = field(default_factory=dict)
    suppressed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Newest suppressed interventions by id, oldest first."""
    suppressed_total: int = 0

    @property
    def band(self) -> str:
        """Band now; unknown before the first health row."""
        return str(self.health["band"]) if self.health else "unknown"

    @property
    def value(self) -> float | None:
        """Value a year in usd, from the newest episode that knows it."""
        known = [(e.latest["at"], e.value) for e in self.episodes.values() if e.value is not None]
        return max(known)[1] if known else None


class View:
    """Takes records of the output topics in any order between topics and keeps what holds now."""

    def __init__(self) -> None:
        self.accounts: dict[str, AccountView] = {}
        self.episodes: dict[str, EpisodeView] = {}
        self.suppressed: Counter[str] = Counter()
        """Suppressed interventions by reason."""
        self.records: Counter[str] = Counter()
        """Records taken by topic, copies not counted."""
        self.duplicates = 0
        """Copies of `(id, seq)` that were dropped."""
        self.stream_time = 0
        """Newest stream time seen in any record, in ms: the `now` of every elapsed time."""
        self.version = 0
        """Moves with every record that changed something."""
        self.recent: deque[Recent] = deque(maxlen=RECENT_KEPT)

    def apply(self, topic: str, account_id: str, record: dict[str, Any] | None) -> bool:
        """Takes one record by its logical topic; None as record is a tombstone: the account was erased.

        Returns True when it was news, False for a copy or a topic that is not kept here.
        """
        if record is None:
            return self._forget(account_id)
        if topic == topics.HEALTH:
            news = self._health(record)
        elif topic == topics.INTERVENTIONS:
            news = self._episode(record).add_step(record)
        elif topic == topics.OUTCOMES:
            news = self._episode(record).add_outcome(record)
        elif topic == topics.SUPPRESSED:
            news = self._suppressed(record)
        else:
            return False
        if not news:
            self.duplicates += 1
            return False
        self.version += 1
        self.records[topic] += 1
        self.stream_time = max(self.stream_time, int(record["as_of" if topic == topics.HEALTH else "at"]))
        if topic != topics.HEALTH:
            self.recent.append(Recent(topic, record))
        return True

    def move(self, at: int) -> None:
        """Moves stream time on to the time of a record that was seen and not taken."""
        self.stream_time = max(self.stream_time, at)

    def account(self, account_id: str) -> AccountView:
        """The account, made when it is new."""
        found = self.accounts.get(account_id)
        if found is None:
            found = self.accounts[account_id] = AccountView(account_id)
        return found

    def _episode(self, record: dict[str, Any]) -> EpisodeView:
        found = self.episodes.get(record["intervention_id"])
        if found is None:
            found = EpisodeView(record["intervention_id"], record["account_id"])
            self.episodes[found.intervention_id] = found
            self.account(found.account_id).episodes[found.intervention_id] = found
        return found

    def _health(self, record: dict[str, Any]) -> bool:
        account = self.account(record["account_id"])
        if account.health == record:
            return False
        # The newest row of a key is the one that was read last: all rows of an account share a partition.
        account.health = record
        point = Point(int(record["as_of"]), record["score"], str(record["band"]))
        if account.history and account.history[-1].at == point.at:
            account.history[-1] = point
        else:
            account.history.append(point)
            if len(account.history) > HISTORY_POINTS:
                account.history = thin(account.history)
        return True

    def _suppressed(self, record: dict[str, Any]) -> bool:
        account = self.account(record["account_id"])
        if record["suppression_id"] in account.suppressed:
            return False
        account.suppressed[record["suppression_id"]] = record
        account.suppressed_total += 1
        self.suppressed[str(record["reason"])] += 1
        if len(account.suppressed) > SUPPRESSED_KEPT:
            del account.suppressed[next(iter(account.suppressed))]
        return True

    def _forget(self, account_id: str) -> bool:
        account = self.accounts.pop(account_id, None)
        if account is None:
            return False
        for intervention_id in account.episodes:
            self.episodes.pop(intervention_id, None)
        for record in account.suppressed.values():
            self.suppressed[str(record["reason"])] -= 1
        kept = [recent for recent in self.recent if recent.record["account_id"] != account_id]
        self.recent = deque(kept, maxlen=RECENT_KEPT)
        self.version += 1
        return True


def thin(history: list[Point]) -> list[Point]:
    """Half of the points of the older half go; the first point and every change of band stay."""
    middle = len(history) // 2
    kept = [
        point for index, point in enumerate(history[:middle]) if index % 2 == 0 or point.band != history[index - 1].band
    ]
    thinned = kept + history[middle:]
    # A score that changes band all the time leaves nothing to thin: then the oldest go.
    return thinned if len(thinned) <= HISTORY_POINTS else thinned[-HISTORY_POINTS:]
