"""Is the account back on track? Judged against the baseline that was frozen at onset, never against kind words.

Recovery must hold for a time, and is then dated back to where it began. A lower level that lasts is the new normal,
which is an honest end but no recovery. While a feed is silent nothing is proven.
"""

from __future__ import annotations

from typing import NamedTuple

from streams import topics
from streams.detection.relative import is_back
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.signal import SignalState
from streams.health import normal, rhythm, voice
from streams.health.score import SCORE, recovery_bound
from streams.policy.model import Policy
from streams.policy.signals import DIMENSIONS, MetricPolicy, metric_policy

_HALF = 2.0


class Verdict(NamedTuple):
    """`outcome` is not_yet, recovered or new_normal; `at` is when the recovery began to hold, only for recovered."""

    outcome: str
    at: int | None = None


NOT_YET = Verdict("not_yet")
NEW_NORMAL = Verdict("new_normal")


def recovered(at: int) -> Verdict:
    """Recovered, and it has held since `at`."""
    return Verdict("recovered", at)


def verdict(
    account: AccountState,
    partition: PartitionState,
    finding_kind: str,
    dimension: str,
    subject: str,
    baseline: float | None,
    onset_at: int,
    since: int,
    now: int,
    policy: Policy,
) -> Verdict:
    """Judges one drop at stream time `now`. Only evidence after `since` (opened, or last relapse) proves anything."""
    if finding_kind in ("relative", "forecast") or (finding_kind == "threshold" and subject != SCORE):
        return _metric(account, finding_kind, subject, baseline, onset_at, since, now, policy)
    if finding_kind in ("silence", "silent_start"):
        return _activity(account, partition, since, now, policy)
    if finding_kind == "blocked":
        return _ticket(account, subject, now, policy)
    if finding_kind == "cancel_intent":
        return _commitment(account, since, now)
    if finding_kind == "frustration" or (finding_kind != "threshold" and dimension == "sentiment"):
        normal_before = baseline if finding_kind == "frustration" else None
        return _mood(account, partition, normal_before, since, now, policy)
    return _score(account, dimension if finding_kind != "threshold" else "", baseline, since, now, policy)


def _metric(
    account: AccountState,
    kind: str,
    name: str,
    baseline: float | None,
    onset_at: int,
    since: int,
    now: int,
    policy: Policy,
) -> Verdict:
    """The metric is back at its baseline for the hold periods, or has settled below it for good."""
    signal = account.signals.metrics.get(name)
    if signal is None:
        return NOT_YET
    if kind == "relative":
        return _drop(signal, onset_at, since)
    metric, rules = metric_policy(policy.metrics, name, signal.shape), policy.verification
    base = baseline if baseline is not None else normal.raw(signal.level, metric)
    share = 1.0
    if kind == "forecast":
        share = (1.0 + rules.share_back(metric)) / _HALF  # it was raised while most of the normal was still there
    began = run_start(signal, metric, base, share, max(onset_at, since - metric.length), rules.hold_periods)
    if began is not None:
        return recovered(began)
    if now - since < rules.new_normal_after or not signal.ats or signal.ats[-1] < since:
        return NOT_YET
    present = normal.raw_of_last(signal, rules.hold_periods, metric)
    if present is None or is_back(present, base, share, metric):
        return NOT_YET
    gone = metric.good == "up" and present <= rules.gone_share * base
    return NOT_YET if gone else NEW_NORMAL


def _drop(signal: SignalState, onset_at: int, since: int) -> Verdict:
    """How the detector has ended, after `since`, the drop of the metric that began at `onset_at` or after.

    The end is decided in one place, where the drop is followed (`detection/relative.py`, `health/series.py`).
    """
    if signal.base is not None or not signal.ends:
        return NOT_YET
    end = signal.ends[-1]
    if end.onset_at < onset_at or end.judged_at < since:
        return NOT_YET
    return recovered(end.at) if end.ended_as == "recovered" else NEW_NORMAL


def run_start(
    signal: SignalState, metric: MetricPolicy, base: float, share: float, after: int, hold: int
) -> int | None:
    """Start of the run of newest periods that are back at `share` of the raw `base`; None when there is none.

    A run has at least `hold` periods that began after `after`, begins with a period that is back, is back on average
    both as a whole and in its newest `hold` periods, and holds no period that is less than half way back.
    """
    total = ff = 0.0
    count = 0
    began: int | None = None
    for i in range(len(signal.ys) - 1, -1, -1):
        at, y, f = signal.ats[i], signal.ys[i], signal.fs[i]
        if at < after:
            break
        if f < normal.FAINT:
            continue
        value = normal.raw(y / f, metric)
        if not is_back(value, base, share / _HALF, metric):
            break
        count += 1
        ff += f * f
        total += value * f * f
        back = is_back(total / ff, base, share, metric)
        if count == hold and not back:
            return None
        if count >= hold and back and is_back(value, base, share, metric):
            began = at
    return began


def _activity(account: AccountState, partition: PartitionState, since: int, now: int, policy: Policy) -> Verdict:
    """Use has resumed after `since`, and has gone on for the hold time without being overdue again."""
    pulse, hold = account.signals.rhythm, policy.verification.activity_hold
    began = pulse.resumed_at if pulse.resumed_at >= since else pulse.first_at
    if began < since or pulse.overdue_at is not None or partition.silent(topics.USAGE):
        return NOT_YET
    # One visit is no return: use must be seen again in the second half of the hold time.
    if now - began < hold or pulse.last_at - began < hold // 2:
        return NOT_YET
    patience = rhythm.patience(account, partition, policy)
    if patience is not None and now - pulse.last_at > patience:
        return NOT_YET
    return recovered(began)


def _mood(
    account: AccountState, partition: PartitionState, baseline: float | None, since: int, now: int, policy: Policy
) -> Verdict:
    """The customer sounds as it usually does there, or has been calm with no ticket open."""
    rules, signals = policy.verification, account.signals
    # Weeks of anger become what is usual; still they are no recovery. Only who was never kind may stay as unkind.
    floor = min(0.0, baseline or 0.0) - rules.sentiment_margin
    later = [said for said in signals.utterances if said.at > since]
    proof = [said for said in later if said.substantial]
    best: int | None = None
    heard = total = 0.0
    for count, said in enumerate(reversed(proof), 1):
        heard += said.score
        # Against the normal before the drop: what was said since must not lower what is asked for.
        total += said.score - _usual(account, said.channel, since, said.normal)
        fine = total / count >= -rules.sentiment_margin and heard / count >= floor
        if count == rules.sentiment_utterances and not fine:
            return NOT_YET
        if count >= rules.sentiment_utterances and fine:
            best = said.at
    if best is not None:
        return recovered(best)
    if partition.silent(topics.SENTIMENT):
        return NOT_YET
    # Silence after anger is only calm when nothing is left open and the customer is still there.
    last_word = max([since, *(said.at for said in later)])
    calm_from = max([last_word, *(t.changed_at for t in signals.tickets.values())])
    waiting = any(ticket.open for ticket in signals.tickets.values())
    if waiting or signals.rhythm.overdue_at is not None or now - calm_from < rules.quiet_hold:
        return NOT_YET
    return recovered(calm_from)


def _usual(account: AccountState, channel: str, since: int, fallback: float) -> float:
    """Normal of a channel as it was at `since`: that of the first utterance after it."""
    for said in account.signals.utterances:
        if said.channel == channel and said.at > since:
            return said.normal
    state = account.signals.channels.get(channel)
    return voice.usual(state) if state is not None else fallback


def _ticket(account: AccountState, ticket_id: str, now: int, policy: Policy) -> Verdict:
    """The ticket is resolved or closed and has stayed so. A ticket long forgotten has stayed closed."""
    ticket = account.signals.tickets.get(ticket_id)
    if ticket is None:
        return NOT_YET
    if ticket.resolved_at is None or now - ticket.resolved_at < policy.verification.blocked_hold:
        return NOT_YET
    return recovered(ticket.resolved_at)


def _commitment(account: AccountState, since: int, now: int) -> Verdict:
    """The customer has renewed or expanded since, and has not taken it back."""
    signals = account.signals
    at = signals.committed_at
    if signals.cancel_at is not None or at is None or at < since or at > now:
        return NOT_YET
    return recovered(at)


def _score(
    account: AccountState, dimension: str, baseline: float | None, since: int, now: int, policy: Policy
) -> Verdict:
    """The score (or one dimension's) is back above the bound and has stayed there for the hold time."""
    rules, health = policy.verification, account.health
    known = health.dimensions.get(dimension) if dimension in DIMENSIONS else None
    score = known.score if known is not None else health.score
    name = dimension if known is not None else SCORE
    bound = baseline if baseline is not None else recovery_bound(name, policy)
    above = health.above.get(name) if score is not None and score >= bound else None
    if above is None or now - max(above, since) < rules.score_hold:
        return NOT_YET
    return recovered(max(above, since))
