"""All detectors, in the order in which their findings are weighed: what was said, what is stuck, what is seen."""

from __future__ import annotations

from streams import topics
from streams.detection import blocked, cancel, forecast, frustration, relative, silence, threshold
from streams.detection.series import finding as regular
from streams.domain.account import AccountState
from streams.domain.finding import Finding
from streams.domain.partition import PartitionState
from streams.policy.model import Policy
from streams.policy.signals import metric_policy


def detect(account: AccountState, partition: PartitionState, now: int, policy: Policy, trigger: str) -> list[Finding]:
    """What is newly wrong at stream time `now`; `trigger` is the topic or the timer that made us look.

    Each finding is given once, and again only after it was clearly over. An account that has left is left in peace.
    """
    if account.profile.churned_at is not None or trigger == topics.RESPONSES:
        return []
    found = _said_and_stuck(account, partition, now, policy, trigger)
    if trigger == "silence":
        overdue = silence.on_timer(account, partition, now, policy)
        if overdue is not None:
            found.append(overdue)
    found += _dropped(account, now, policy)
    if trigger in ("signals", topics.USAGE):
        found += threshold.on_metrics(account, now, policy)
        found += forecast.findings(account, now, policy)
    low = threshold.on_score(account, now, policy)
    if low is not None:
        found.append(low)
    return found


def _said_and_stuck(
    account: AccountState, partition: PartitionState, now: int, policy: Policy, trigger: str
) -> list[Finding]:
    found: list[Finding] = []
    intent = cancel.finding(account, now)
    if intent is not None:
        found.append(intent)
    if account.signals.tickets:
        found += blocked.findings(account, partition, now, policy)
    if trigger == topics.SENTIMENT:
        found += frustration.findings(account, now, policy)
    return found


def _dropped(account: AccountState, now: int, policy: Policy) -> list[Finding]:
    """Drops that were seen when periods closed."""
    signals = account.signals
    if not signals.alarms:
        return []
    alarms, signals.alarms = signals.alarms, []
    found: list[Finding] = []
    for name in alarms:
        signal = signals.metrics[name]
        metric = metric_policy(policy.metrics, name, signal.shape)
        if signal.base is None:
            continue
        if silence.explains(account, name, signal, metric, now):
            signals.alarms.append(name)  # told when the account is back and the metric is not
        else:
            about = regular.finding if signal.series is not None else relative.finding
            found.append(about(signal, name, metric, now))
    return found
