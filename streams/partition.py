"""One partition's accounts, its stream time and its timers: the log goes in record by record, outputs come out.

The worker, the backtest and the tests' model all run this class; nothing else applies a record. It is a function of
the log: before a record is applied, every timer that is due by its record time fires, in order of (due, account).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, cast

from streams import fold, topics
from streams.detection import dormancy
from streams.domain.account import AccountState
from streams.domain.events import ControlEvent
from streams.domain.finding import Finding
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.domain.series import DropEnd
from streams.health import feeds, panel, score
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer

_NEVER = 1 << 62
Journal = Callable[[str, Finding | DropEnd], None]
"""Called with an account id and what was found there, or what is over."""


class PartitionFold:
    """All accounts of one partition, folded in place.

    `load` parses the text of a policy record; it raises ValueError when the text is no policy, and the record is then
    counted as `invalid_policy` and changes nothing.
    """

    def __init__(
        self,
        state: PartitionState,
        accounts: dict[str, AccountState],
        policy: Policy,
        load: Callable[[str], Policy],
        scorer: Scorer | None = None,
    ) -> None:
        self.state = state
        self.accounts = accounts
        self.policy = policy
        self._load = load
        self._scorer = scorer
        self.outputs: list[Output] = []
        """Outputs since the caller last took them."""
        self.dirty: set[str] = set()
        """Accounts that changed since the caller last cleared this."""
        self.health_changed: set[str] = set()
        """Accounts that are owed a health row; cleared by the caller."""
        self.tallies: Counter[tuple[str, str]] = Counter()
        """How many records had which outcome, by (topic, outcome); taken by the caller."""
        self.advancing = False
        """True while time has moved a part of the way to the next record: what is stored now would be in its midst."""
        self.journal: Journal | None = None
        """Told of each finding and of each metric's drop that is over, for those who want more than the outputs."""
        # The heap is derived from the accounts' timers and may hold entries that were replaced since; `_armed` is the
        # due time of each account's newest entry.
        self._armed = {key: min(a.timers.values()) for key, a in accounts.items() if a.timers}
        self._timers = [(due, key) for key, due in self._armed.items()]
        heapify(self._timers)

    def apply(self, topic: str, offset: int, time: int, event: Mapping[str, Any]) -> None:
        """Applies one decoded record; `time` is its Kafka timestamp in ms. A record applied before changes nothing."""
        state = self.state
        if offset <= state.applied.get(topic, -1):
            self.tallies[topic, "redelivered"] += 1
            return
        origin = Origin(topic, state.partition, offset)
        if time > state.stream_time:
            self._advance(time, origin)
        state.applied[topic] = offset
        if topic == topics.CONTROL:
            outcome = self._control(cast("ControlEvent", event))
        else:
            outcome = self._account_event(topic, origin, event)
        self.tallies[topic, outcome] += 1

    def advance(self, topic: str, offset: int, time: int, limit: int) -> bool:
        """Moves time towards a record that comes next, as `apply` and `skip` do, but fires `limit` timers at most.

        True when they have no more than that to fire, so that it will not take long; else it is to be called again.
        """
        # In the midst of a record time may be there already, with more timers that are due at that moment.
        nothing_due = time <= self.state.stream_time or not self._timers or self._timers[0][0] > time
        if nothing_due and not self.advancing:
            return True
        self.advancing = not self._advance(time, Origin(topic, self.state.partition, offset), limit)
        return not self.advancing

    def skip(self, topic: str, offset: int, time: int) -> bool:
        """Passes over a record that could not be read: it moves time and position, nothing else.

        False when it was passed before.
        """
        if offset <= self.state.applied.get(topic, -1):
            return False
        if time > self.state.stream_time:
            self._advance(time, Origin(topic, self.state.partition, offset))
        self.state.applied[topic] = offset
        self.tallies[topic, "dead_lettered"] += 1
        return True

    def health_row(self, account_id: str) -> dict[str, Any]:
        """The account's row of `account-health`."""
        return score.row(self.accounts[account_id], self.policy)

    def _account_event(self, topic: str, origin: Origin, event: Mapping[str, Any]) -> str:
        state, now = self.state, self.state.stream_time
        source = state.sources.get(topic)
        back = source is not None and source.silent_since is not None
        hours = -1 if source is None else source.hours
        feeds.observe_feed(state, topic, now, self.policy)
        if source is None or back or (state.feed_check_at == _NEVER and source.hours != hours):
            state.feed_check_at = 0  # a feed that is not judged may be from the next hour that was learnt
        if back:
            self._look_again()
        account_id: str = event["account_id"]
        account = self.accounts.get(account_id)
        if topic in panel.WATCHED:  # before what was applied already is told: the panel is the partition's
            panel.observe(state, topic, event, account, self.policy)
        if account is None:
            account = self.accounts[account_id] = AccountState(account_id, first_seen_at=now)
        elif origin.offset <= account.applied.get(topic, -1):
            # The account's state is ahead of the partition's: it was stored with its outbox before the last checkpoint.
            return "redelivered"
        account.applied[topic] = origin.offset
        step = fold.step(account, state, topic, event, origin, self.policy, self._scorer)
        self._settle(account, step)
        return step.outcome

    def _settle(self, account: AccountState, step: fold.Step) -> None:
        account_id = account.account_id
        account.changed_at = self.state.stream_time
        self.dirty.add(account_id)
        if step.health_changed or step.outputs:  # the row also says which episodes are open
            self.health_changed.add(account_id)
        if step.outputs:
            self.outputs += step.outputs
        if self.journal is not None:
            for found in step.found:
                self.journal(account_id, found)
            for ended in step.ended:
                self.journal(account_id, ended)
        if account.timers:
            self._arm(account)

    def _arm(self, account: AccountState) -> None:
        account_id, due = account.account_id, min(account.timers.values())
        if due != self._armed.get(account_id):
            self._armed[account_id] = due
            heappush(self._timers, (due, account_id))

    def _look_again(self) -> None:
        """A feed has turned silent, or is back: what is known of each account changes, within some minutes."""
        now = self.state.stream_time
        for account_id, account in self.accounts.items():
            # One that is ahead of the partition, as it was stored before a crash, has been through this.
            if account.changed_at <= now and feeds.look_again(account, now):
                account.changed_at = now
                self.dirty.add(account_id)
                self._arm(account)

    def _advance(self, time: int, origin: Origin, limit: int | None = None) -> bool:
        """Moves stream time to `time`, firing what is due on the way; False when it stops after `limit` timers."""
        state, timers = self.state, self._timers
        if time >= state.dormancy.due_at:
            dormancy.learn(state, time)
        while True:
            due = timers[0][0] if timers else _NEVER
            if state.feed_check_at <= min(due, time):
                self._check_feeds(time)
                continue
            if due > time:
                break
            if limit == 0:
                return False
            account = self.accounts[heappop(timers)[1]]
            if not account.timers or min(account.timers.values()) != due:
                continue  # an entry that a later one has replaced
            if limit is not None:
                limit -= 1
            self._armed.pop(account.account_id, None)
            state.stream_time = max(state.stream_time, due)
            self._settle(account, fold.fire(account, state, due, origin, self.policy))
        state.stream_time = time
        return True

    def _check_feeds(self, time: int) -> None:
        """Judges the feeds at the moment when one may have turned silent, and notes the next such moment."""
        state = self.state
        due = feeds.next_feed_check(state, self.policy)
        if due is not None and due <= max(state.feed_check_at, state.stream_time):
            state.stream_time = max(state.stream_time, min(due, time))
            turned = feeds.on_feed_timer(state, state.stream_time, self.policy)
            for topic in turned:
                self.tallies[topic, "feed_silent"] += 1
            if turned:
                self._look_again()
            due = feeds.next_feed_check(state, self.policy)
        state.feed_check_at = _NEVER if due is None else max(due, state.stream_time + 1)

    def _control(self, event: ControlEvent) -> str:
        kind = event["kind"]
        if kind == "policy" and event["policy"]:
            try:
                self.policy = self._load(event["policy"])
            except ValueError:
                return "invalid_policy"
            self.state.policy = event["policy"]
            self.state.feed_check_at = 0
        elif kind == "switch":
            if event["switch"] != "kill":
                return "unknown_switch"
            self.state.killed = bool(event["on"])
        elif kind != "tick":
            return "unknown_kind"
        return "applied"
