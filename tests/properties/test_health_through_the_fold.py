"""Health under random histories of the whole fold: missing and silent feeds, late events, other policies.

Everything is checked from the rows that others read (`account-health`), at every refresh, not at the end only.
"""

from __future__ import annotations

import pickle
from collections import ChainMap
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, WEEK
from streams.health import bands, score
from streams.health.feeds import WATCHED
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.policy.model import Policy
from tests.support.history import MONDAY

SOME = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TINY = 1e-9
OTHER = """
extends: default
version: "{number}"
health:
  weights:
    - weights: {{support: {support}, service: 0.1, success: {success}, sales: 0.1, sentiment: 0.3}}
  half_life: {half_life}
  blocker_cap: 30
metrics:
  logins: {{weight: {weight}}}
"""
FIELDS: dict[str, dict[str, Any]] = {
    topics.USAGE: {"metric": "logins", "value": 1.0, "unit": ""},
    topics.SENTIMENT: {
        "channel": "email", "interaction_id": None, "position": None, "speaker": "customer", "score": 0.3,
        "text": None, "survey": "none", "survey_value": None,
    },
    topics.TICKETS: {
        "ticket_id": "T", "change": "opened", "priority": "normal", "area": "support", "actor": "customer",
        "theme": "", "satisfaction": None,
    },
    topics.ACCOUNTS: {
        **dict.fromkeys(("segment", "stage", "tier", "value", "renewal_at", "owner", "time_zone")),
        "channel_preference": None, "goals": [], "change": "updated",
    },
}  # fmt: skip


@dataclass
class Look:
    """One refresh that changed a row: the rows, what made the fold look, and the feeds that were silent then."""

    before: dict[str, Any]
    after: dict[str, Any]
    why: score.Change
    silent: tuple[str, ...]
    above: frozenset[str]
    """What counted as recovered so far: the score, dimensions."""
    policy: Policy


@dataclass
class Watched:
    """A partition's fold whose log is written step by step and whose every look at health is kept."""

    fold: PartitionFold = field(
        default_factory=lambda: PartitionFold(
            PartitionState(0), {}, default_policy(), lambda text: load_policy(text, "log")
        )
    )
    offsets: dict[str, int] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    sent: MutableMapping[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """Topic and event by event id."""

    def put(self, topic: str, at: int, name: str = "a", late: int = 0, **fields: Any) -> None:
        """One event of an account, `late` ms old when it arrives at `at`."""
        number = sum(self.offsets.values())
        common = {"event_id": f"e{number}", "account_id": name, "source": "", "cohort": None, "traceparent": None}
        event = {**common, "occurred_at": at - late, **FIELDS[topic], **fields}
        self.sent[event["event_id"]] = topic, event
        self._apply(topic, at, event)

    def control(self, at: int, kind: str, **fields: Any) -> None:
        """A record of the control topic: a tick or a policy."""
        self._apply(topics.CONTROL, at, {"kind": kind, "policy": None, "switch": None, "on": None, **fields})

    @property
    def account(self) -> AccountState:
        """The account `a`."""
        return self.fold.accounts["a"]

    @property
    def row(self) -> dict[str, Any]:
        """Its row of `account-health`."""
        return self.fold.health_row("a")

    def _apply(self, topic: str, at: int, event: dict[str, Any]) -> None:
        offset = self.offsets[topic] = self.offsets.get(topic, -1) + 1
        with patch.object(score, "refresh", self._looked(score.refresh)):
            self.fold.apply(topic, offset, at, event)

    def _looked(self, refresh: Callable[..., bool]) -> Callable[..., bool]:
        def look(account: AccountState, partition: PartitionState, now: int, policy: Policy, why: score.Change) -> bool:
            before = score.row(account, policy)
            changed = refresh(account, partition, now, policy, why)
            if changed and account.account_id == "a":
                silent = tuple(topic for topic in WATCHED if partition.silent(topic))
                after = score.row(account, policy)
                self.looks.append(Look(before, after, why, silent, frozenset(account.health.above), policy))
            return changed

        return look


def neighbours(to: Watched, begin: int, end: int, *, without: str = "") -> None:
    """Other accounts keep the feeds alive, once an hour, day and night."""
    for hour in range(begin, end):
        at = MONDAY + hour * HOUR
        for number, topic in enumerate(WATCHED):
            if topic != without:
                to.put(topic, at + number, name=f"z{hour % 5}", ticket_id=f"T{hour % 4}")


def known_account(*, words: bool = True) -> Watched:
    """Five weeks: daily use, words, a gauge, tickets and a renewal of one account among others."""
    log = Watched()
    log.put(topics.ACCOUNTS, MONDAY, change="created", segment="small")
    for day in range(35):
        neighbours(log, 24 * day, 24 * day + 9)
        at = MONDAY + day * DAY + 9 * HOUR
        log.put(topics.USAGE, at, value=40.0 if day % 7 < 5 else 4.0)
        log.put(topics.USAGE, at + 1, metric="errors", value=3.0)
        log.put(topics.USAGE, at + 2, metric="goal_progress", value=0.6)
        if words and day % 2:
            log.put(topics.SENTIMENT, at + 3, score=-0.9 if day > 30 else 0.5)
        neighbours(log, 24 * day + 10, 24 * day + 24)
    return log


KNOWN = known_account()
STORED = pickle.dumps((KNOWN.fold.state, KNOWN.fold.accounts))


def known() -> Watched:
    """A copy of it."""
    state, accounts = pickle.loads(STORED)  # noqa: S301  from a few lines above
    fold = PartitionFold(state, accounts, default_policy(), lambda text: load_policy(text, "log"))
    return Watched(fold, dict(KNOWN.offsets), [], ChainMap({}, KNOWN.sent))


START = 35 * DAY
steps = st.lists(
    st.tuples(
        st.sampled_from(["use", "use", "say", "say", "ticket", "ticket", "contract", "policy", "outage", "wait"]),
        st.sampled_from([HOUR, 7 * HOUR, DAY, 3 * DAY]),
        st.integers(0, 7),
        st.floats(-1, 1),
    ),
    min_size=1,
    max_size=14,
)
CHANGES = ("opened", "opened", "replied", "resolved", "reopened", "closed", "escalated", "reassigned")
CONTRACTS = ("updated", "renewed", "expanded", "contracted", "cancel_intent", "updated", "renewed", "created")


def play(log: Watched, todo: list[tuple[str, int, int, float]]) -> Watched:
    """Plays steps one after the other, from the end of the five weeks on."""
    at = MONDAY + START
    for number, (kind, wait, choice, value) in enumerate(todo):
        at += wait
        late = (0, 0, 0, HOUR, DAY, 3 * DAY, 0, 10 * DAY)[choice]
        if kind == "use":
            metric = ("logins", "errors", "goal_progress", "spend", "tickets_seen", "logins", "logins", "seats_in_use")
            log.put(topics.USAGE, at, late=late, metric=metric[choice], value=abs(value) * 50)
        elif kind == "say":
            log.put(topics.SENTIMENT, at, late=late, score=value, channel=("email", "chat")[choice % 2])
        elif kind == "ticket":
            fields: dict[str, Any] = {
                "priority": ("normal", "high", "urgent")[choice % 3],
                "satisfaction": 1.0 if choice == 6 else None,
            }
            log.put(
                topics.TICKETS, at, late=late, change=CHANGES[choice], area=("support", "service")[number % 2],
                ticket_id=f"A{choice % 2}", actor="agent" if value > 0 else "customer", **fields,
            )  # fmt: skip
        elif kind == "contract":
            stage = (None, "onboarding", "renewal", None)[choice % 4]
            log.put(topics.ACCOUNTS, at, change=CONTRACTS[choice], stage=stage)
        elif kind == "policy":
            text = OTHER.format(
                number=number + 2, support=choice / 10, success=0.2 + abs(value), half_life=("7d", "21d")[choice % 2],
                weight=1 + choice,
            )  # fmt: skip
            log.control(at, "policy", policy=text)
        elif kind == "outage":
            begin = (at - MONDAY) // HOUR + 1
            neighbours(log, begin, begin + 30, without=WATCHED[choice % 3])
            at += 31 * HOUR
        else:
            at += choice * DAY
            log.control(at, "tick")
    log.control(at + DAY, "tick")
    return log


def weighed(row: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Share of the score and score of each known dimension, from the row alone."""
    known = [d for d in row["dimensions"] if d["score"] is not None]
    total = sum(d["weight"] * d["confidence"] for d in known)
    return {d["name"]: (d["weight"] * d["confidence"] / total, d["score"]) for d in known} if total else {}


def played(todo: list[tuple[str, int, int, float]]) -> Iterator[tuple[Watched, Look]]:
    """Every look of the history."""
    log = play(known(), todo)
    for look in log.looks:
        yield log, look


@SOME
@given(steps)
def test_the_row_is_the_weighted_mean_of_its_dimensions(todo: list[tuple[str, int, int, float]]) -> None:
    """Score and confidence can be computed from the row; everything lies in its range."""
    for log, look in played(todo):
        row = look.after
        confidence = sum(d["weight"] * d["confidence"] for d in row["dimensions"])
        assert abs(row["confidence"] - confidence) < TINY
        assert 0 <= row["confidence"] <= 1 + TINY
        assert sum(d["weight"] for d in row["dimensions"]) == pytest.approx(1)
        if row["score"] is not None:
            assert abs(row["score"] - sum(share * value for share, value in weighed(row).values())) < TINY
            assert 0 <= row["score"] <= 100
        for d in row["dimensions"]:
            assert (d["score"] is None) == (d["confidence"] == 0) == (d["as_of"] is None)
        assert len(row["since_band_change"]) <= log.fold.policy.health.max_contributions


@SOME
@given(steps)
def test_contributions_sum_to_each_change(todo: list[tuple[str, int, int, float]]) -> None:
    """Of the last change, and of all changes since the band changed, within 1e-9."""
    for _, look in played(todo):
        before, after = look.before["score"], look.after["score"]
        points = [c["points"] for c in look.after["last_change"]]
        if before is None or after is None:
            assert points == []
        else:
            assert abs(sum(points) - (after - before)) < TINY
        if after is not None:
            since = sum(c["points"] for c in look.after["since_band_change"])
            assert abs(since - (after - look.after["band_score"])) < TINY


@SOME
@given(steps)
def test_each_dimension_is_given_what_it_did(todo: list[tuple[str, int, int, float]]) -> None:
    """Measured from the old score S, a dimension did w'(s' - S) - w(s - S): no more and no less is told of it."""
    for _, look in played(todo):
        start = look.before["score"]
        if start is None or look.after["score"] is None or _changed_rules(look):
            continue
        old, new = weighed(look.before), weighed(look.after)
        for name in {*old, *new}:
            share, value = old.get(name, (0.0, start))
            fresh_share, fresh = new.get(name, (0.0, start))
            told = sum(c["points"] for c in look.after["last_change"] if c["dimension"] == name)
            assert abs(told - (fresh_share * (fresh - start) - share * (value - start))) < TINY
        assert {c["dimension"] for c in look.after["last_change"]} <= {*old, *new}


@SOME
@given(steps)
def test_what_the_rules_did_is_told_apart_from_what_happened(todo: list[tuple[str, int, int, float]]) -> None:
    """Addends named `policy` appear when policy, segment or stage changed and only then, and name no event."""
    for _, look in played(todo):
        of_rules = [c for c in look.after["last_change"] if c["name"] == score.POLICY]
        assert all(c["event_id"] is None for c in of_rules)
        if not _changed_rules(look):
            assert of_rules == []


def _changed_rules(look: Look) -> bool:
    """True when another policy, segment or stage weighed the account before."""
    weights = [[d["weight"] for d in row["dimensions"]] for row in (look.before, look.after)]
    return weights[0] != weights[1] or look.before["policy_version"] != look.after["policy_version"]


SOURCES = {"mood": {topics.SENTIMENT, topics.TICKETS}, "tickets": {topics.TICKETS}}


@SOME
@given(steps)
def test_a_contribution_names_an_event_that_speaks_for_it(todo: list[tuple[str, int, int, float]]) -> None:
    """The event is one of the account's own, of the right feed and metric, and was applied before."""
    for log, look in played(todo):
        for c in [*look.after["last_change"], *look.after["since_band_change"]]:
            if c["event_id"] is None:
                continue
            topic, event = log.sent[c["event_id"]]
            assert event["account_id"] == "a"
            if topic == topics.USAGE:
                assert event["metric"] == c["name"]
            elif topic == topics.ACCOUNTS:
                assert c["dimension"] == "sales"
            else:
                assert topic in SOURCES.get(c["name"], {topics.TICKETS})


@SOME
@given(steps)
def test_the_unknown_is_never_green(todo: list[tuple[str, int, int, float]]) -> None:
    """No score: band unknown, and the other way round. Too little known: no score. Healthy: a score that is."""
    rules = default_policy().health
    for _, look in played(todo):
        row = look.after
        assert (row["score"] is None) == (row["band"] == "unknown")
        if row["confidence"] <= rules.min_confidence:
            assert row["score"] is None
        if row["band"] == "healthy":
            assert row["score"] >= rules.bands.healthy - rules.bands.hysteresis


@SOME
@given(steps)
def test_a_silent_feed_makes_nothing_better(todo: list[tuple[str, int, int, float]]) -> None:
    """While it withholds what it told of the account before, that is unknown, and the band does not rise."""
    for _, look in played(todo):
        if not look.silent:
            continue
        old = {d["name"]: d["score"] for d in look.before["dimensions"]}
        new = {d["name"]: d["score"] for d in look.after["dimensions"]}
        if topics.SENTIMENT in look.silent:
            assert new["sentiment"] is None
        if topics.USAGE in look.silent:
            assert new["success"] is None
        lost = any(new[name] is None and value is not None for name, value in old.items())
        if lost and look.before["band"] != "unknown" and look.after["band"] != "unknown":
            assert bands.ORDER.index(look.after["band"]) <= bands.ORDER.index(look.before["band"])


def test_the_outages_of_these_histories_are_seen() -> None:
    """Else the property above would look at nothing: an angry account whose words are no longer heard."""
    log = known()
    text = OTHER.format(number=2, support=0, success=0.3, half_life="14d", weight=1)
    log.control(MONDAY + START + 1, "policy", policy=text)
    for number in range(12):
        log.put(topics.SENTIMENT, MONDAY + START + number, score=-1.0)
    before = log.row
    assert (before["band"], before["dimensions"][4]["score"] < 60) == ("watch", True)
    play(log, [("outage", HOUR, 1, 0.0), ("use", HOUR, 0, 0.8)])
    deaf = next(look for look in log.looks if look.silent == (topics.SENTIMENT,))
    after = deaf.after
    assert after["dimensions"][4]["score"] is None
    assert after["confidence"] < before["confidence"]
    assert bands.band(after["score"], "watch", log.fold.policy.health.bands) == "healthy"
    assert after["band"] == "watch"
    assert score.SCORE not in deaf.above, "nothing has recovered because it is no longer heard of"
    log.put(topics.SENTIMENT, log.fold.state.stream_time + HOUR, score=0.9)
    assert log.row["dimensions"][4]["score"] < 70


@SOME
@given(steps)
def test_only_what_is_known_to_be_back_counts_as_back(todo: list[tuple[str, int, int, float]]) -> None:
    """Score and dimensions, while no feed is silent: exactly those at or above the bound of recovery."""
    for _, look in played(todo):
        if look.silent:
            continue
        values = {d["name"]: d["score"] for d in look.after["dimensions"]} | {score.SCORE: look.after["score"]}
        back = {
            name
            for name, value in values.items()
            if value is not None and value >= score.recovery_bound(name, look.policy)
        }
        assert look.above == back


def without(topic: str) -> Watched:
    """The known account as it is when one of its feeds has fallen silent at this very moment."""
    log = known()
    source = log.fold.state.sources[topic]
    source.silent_since = source.last_at
    return log


@pytest.mark.parametrize("topic", [topics.USAGE, topics.SENTIMENT])
def test_the_same_account_is_less_known_without_a_feed(topic: str) -> None:
    """And its band is not better than with it."""
    log, now = without(topic), KNOWN.fold.state.stream_time
    whole = known().account
    why = score.Change("tick", None, now, Origin("t", 0, 1))
    score.refresh(whole, KNOWN.fold.state, now, log.fold.policy, why)
    score.refresh(log.account, log.fold.state, now, log.fold.policy, why)
    assert log.account.health.confidence < whole.health.confidence - 0.05
    if whole.health.band != "unknown" and log.account.health.band != "unknown":
        assert bands.ORDER.index(log.account.health.band) <= bands.ORDER.index(whole.health.band)


@SOME
@given(steps, st.lists(st.sampled_from([HOUR, DAY, WEEK, 10 * WEEK]), min_size=1, max_size=6))
def test_evidence_that_grows_old_is_never_better_known(
    todo: list[tuple[str, int, int, float]], waits: list[int]
) -> None:
    """With nothing new, no dimension gains confidence as time passes; blockers that age are the exception."""
    log = play(known(), todo)
    account, now, policy = log.account, log.fold.state.stream_time, log.fold.policy
    blocked = {ticket.area for ticket in account.signals.tickets.values() if ticket.open}
    score.refresh(account, log.fold.state, now, policy, score.Change("tick", None, now, Origin("t", 0, 1)))
    for wait in waits:
        old = {name: d.confidence for name, d in account.health.dimensions.items()}
        now += wait
        score.refresh(account, log.fold.state, now, policy, score.Change("tick", None, now, Origin("t", 0, 1)))
        for name, d in account.health.dimensions.items():
            if name not in blocked:
                assert d.confidence <= old[name] + TINY


@SOME
@given(steps, st.sampled_from(["", topics.USAGE]))
def test_an_account_that_nobody_hears_of_becomes_unknown_by_itself(
    todo: list[tuple[str, int, int, float]], source: str
) -> None:
    """Timers alone see to it, whether others are heard of or not; what stands open keeps it known, never green."""
    log = play(known(), [*todo, ("contract", HOUR, 0, 0.0)])
    now = log.fold.state.stream_time
    for week in range(80):
        if source:
            log.put(source, now + week * WEEK, name="z1")
        log.control(now + week * WEEK + 1, "tick")
    row, signals = log.row, log.account.signals
    standing = signals.cancel_at is not None or any(ticket.open for ticket in signals.tickets.values())
    assert row["band"] != "healthy"
    if not standing:
        assert (row["band"], row["score"]) == ("unknown", None)
        assert row["confidence"] < 0.2


ONCE: list[tuple[str, dict[str, Any]]] = [
    *((topics.TICKETS, {"change": change, "priority": p}) for change in CHANGES for p in ("normal", "high", "urgent")),
    *((topics.SENTIMENT, {"score": value}) for value in (-1.0, 0.0, 1.0)),
    *((topics.ACCOUNTS, {"change": change}) for change in {*CONTRACTS}),
    *((topics.USAGE, {"metric": metric, "value": 100.0}) for metric in ("logins", "goal_progress", "never_heard_of")),
]


@pytest.mark.parametrize("stage", [None, "onboarding", "renewal"])
@pytest.mark.parametrize(("topic", "fields"), ONCE)
def test_one_event_makes_nobody_green(topic: str, fields: dict[str, Any], stage: str | None) -> None:
    """A new account with a single event, looked at for three months."""
    log = Watched()
    log.put(topics.ACCOUNTS, MONDAY, stage=stage, segment="enterprise")
    log.put(topic, MONDAY + HOUR, **fields)
    for week in range(13):
        log.control(MONDAY + 2 * HOUR + week * WEEK, "tick")
    assert all(look.after["band"] != "healthy" for look in log.looks)
    assert log.row["band"] != "healthy"
