"""The order in which the parts of the core see an event or a timer of one account.

    arrival -> profile -> signals -> health -> detection -> interventions -> progress of open episodes

`step` and `fire` change the account in place, deterministically. They know no clock, no broker, no file: `now` is the
stream time of the partition, which the log alone moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from streams import topics
from streams.detection import silence
from streams.detection.detect import detect
from streams.domain import profile
from streams.domain.account import AccountState
from streams.domain.events import AccountEvent, Event, ResponseEvent
from streams.domain.finding import Finding
from streams.domain.ids import event_hash
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.domain.series import DropEnd
from streams.health import observe, score
from streams.interventions import decide, growth, progress, respond
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer


class Step(NamedTuple):
    """What a step did: its outcome for the tallies, whether the health row changed, and the outputs.

    `found` are all findings, also those that led to nothing, and `ended` the drops of metrics that are over.
    """

    outcome: str
    health_changed: bool
    outputs: list[Output]
    found: list[Finding]
    ended: list[DropEnd]


_DUPLICATE = Step("duplicate", health_changed=False, outputs=[], found=[], ended=[])
_ABSORBED = Step("applied", health_changed=False, outputs=[], found=[], ended=[])


def step(
    account: AccountState,
    partition: PartitionState,
    topic: str,
    event: Mapping[str, Any],
    origin: Origin,
    policy: Policy,
    scorer: Scorer | None,
) -> Step:
    """Applies one event to its account."""
    known = event_hash(event["event_id"])
    recent = account.recent_events
    if known in recent:
        return _DUPLICATE
    recent.append(known)
    if len(recent) > policy.time.duplicate_horizon:
        del recent[0]
    now = partition.stream_time
    outputs: list[Output] = []
    if topic == topics.ACCOUNTS:
        profile.apply(account.profile, cast("AccountEvent", event), now)
        outputs += growth.on_account_event(account, partition, event, now, origin, policy)
    outcome = observe.observe(account, partition, topic, cast("Event", event), now, policy, scorer)
    if outcome == observe.ABSORBED:
        return _ABSORBED
    if topic == topics.RESPONSES:
        if event["intervention_id"] not in account.episodes:
            outcome = "unknown_episode"
        outputs += respond.on_response(account, partition, cast("ResponseEvent", event), now, origin, policy)
    name = event.get("metric") or event.get("change") or event.get("channel") or topic
    changed = score.refresh(account, partition, now, policy, score.Change(name, event["event_id"], now, origin))
    found = _react(account, partition, now, origin, policy, topic, event, outputs)
    return Step(outcome, changed, outputs, found, _ended(account))


def fire(account: AccountState, partition: PartitionState, due: int, origin: Origin, policy: Policy) -> Step:
    """Fires the account's timers that are due at `due`, by name."""
    outputs: list[Output] = []
    found: list[Finding] = []
    changed = False
    for timer in sorted(name for name, at in account.timers.items() if at <= due):
        if account.timers.get(timer, due + 1) > due:
            continue  # moved or cleared by the one before
        del account.timers[timer]
        if timer == "silence" and silence.waits(account, partition, due, policy):
            continue
        if timer == "episodes":
            outputs += progress.on_episodes_timer(account, partition, due, origin, policy)
        elif timer == "guard":
            outputs += decide.on_guard_timer(account, partition, due, origin, policy)
        else:
            if timer == "signals":
                observe.on_signals_timer(account, partition, due, policy)
            changed |= score.refresh(account, partition, due, policy, score.Change(timer, None, due, origin))
            found += _react(account, partition, due, origin, policy, timer, None, outputs)
    return Step("timer", changed, outputs, found, _ended(account))


def _react(
    account: AccountState,
    partition: PartitionState,
    now: int,
    origin: Origin,
    policy: Policy,
    trigger: str,
    event: Mapping[str, Any] | None,
    outputs: list[Output],
) -> list[Finding]:
    found = detect(account, partition, now, policy, trigger)
    if found:
        traceparent = event["traceparent"] if event else None
        harm = [finding for finding in found if finding.harm]
        outputs += decide.on_findings(account, partition, harm, now, origin, policy, traceparent)
    if account.episodes:
        outputs += progress.on_progress(account, partition, now, origin, policy, trigger, event)
    return found


def _ended(account: AccountState) -> list[DropEnd]:
    """Takes the drops that are over."""
    ended = account.signals.ended
    if ended:
        account.signals.ended = []
    return ended
