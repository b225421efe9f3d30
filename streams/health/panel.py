"""A sample of the partition's accounts, from which it learns what is usual: gaps, and how long silences last.

The panel is part of the partition's state and sees the events themselves, so that it depends on the log alone. (The
accounts' own states would not do: after a crash some of them are ahead of the partition. What they tell, which metrics
are reports of a machine, counts from the event on that showed it.) Members are the accounts
whose id has a hash below a limit; when they are too many the limit is lowered, so that old and new accounts have the
same chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from streams import topics
from streams.domain.account import AccountState
from streams.domain.panel import Member
from streams.domain.partition import PartitionState
from streams.health import rhythm, silences
from streams.policy.model import Policy
from streams.policy.signals import metric_policy

WATCHED = frozenset({topics.USAGE, topics.ACCOUNTS})
"""Topics of which the panel sees the events."""
MOST = 3072
"""Members at most. In a partition of more accounts there are at least three quarters of them, but for chance."""


def observe(
    partition: PartitionState, topic: str, event: Mapping[str, Any], account: AccountState | None, policy: Policy
) -> None:
    """Sees an event at stream time. `account` only tells which metrics are reports of a machine."""
    _see(partition, topic, event, account, policy)
    if account is not None and topic == topics.USAGE:
        signal = account.signals.metrics.get(event["metric"])
        if signal is not None and signal.alone and signal.shaped_at == partition.applied.get(topic, -1):
            leave(partition, account.account_id)  # as it did when the account, which is ahead, saw this event


def _see(
    partition: PartitionState, topic: str, event: Mapping[str, Any], account: AccountState | None, policy: Policy
) -> None:
    account_id: str = event["account_id"]
    panel = partition.panel
    member = panel.members.get(account_id)
    if member is None and crc32(account_id.encode()) >= panel.limit:
        return
    if topic == topics.ACCOUNTS:
        if event["segment"] is not None:
            member = member or _enter(partition, account_id)
            if member is not None:
                member.segment = event["segment"]
        return
    at = min(event["occurred_at"], partition.stream_time)
    if member is not None and at - member.rhythm.last_at < policy.time.session:
        if event["value"] > 0 and at > member.rhythm.last_at and _is_use(event["metric"], account, partition, policy):
            member.rhythm.last_at = at
        return
    late = partition.stream_time - at > policy.time.max_lateness
    if event["value"] > 0 and not late and _is_use(event["metric"], account, partition, policy):
        member = member or _enter(partition, account_id)
        if member is not None:
            _session(partition, member, at, policy)


def leave(partition: PartitionState, account_id: str) -> None:
    """Takes an account out: what it did was no activity of a customer."""
    member = partition.panel.members.pop(account_id, None)
    if member is not None:
        silences.forget(partition, member)


def _is_use(name: str, account: AccountState | None, partition: PartitionState, policy: Policy) -> bool:
    signal = account.signals.metrics.get(name) if account is not None else None
    known = signal is not None and signal.shaped_at < partition.applied.get(topics.USAGE, -1)
    return metric_policy(policy.metrics, name, signal.shape if signal is not None and known else "").tells_use


def _session(partition: PartitionState, member: Member, at: int, policy: Policy) -> None:
    pulse = member.rhythm
    judged = rhythm.judged(pulse, partition)
    if pulse.last_at and judged:
        rhythm.count(pulse, rhythm.pool_of(member.segment, partition), at - pulse.last_at)
    rhythm.active(pulse, partition, at, policy)
    silences.session(partition, member, at, judged=judged)


def _enter(partition: PartitionState, account_id: str) -> Member | None:
    """A new member; None when it is the one for which there is no room."""
    panel = partition.panel
    panel.members[account_id] = Member()
    if len(panel.members) > MOST:
        panel.limit = panel.limit * 3 // 4
        for name in [name for name in panel.members if crc32(name.encode()) >= panel.limit]:
            silences.forget(partition, panel.members.pop(name))
        silences.thin(partition.dormancy)
    return panel.members.get(account_id)
