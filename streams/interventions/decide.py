"""From findings to decisions: attached to an open episode, a relapse, or exactly one of held out, suppressed, opened.

Arbitration: of several findings of one moment the most urgent is decided first (an intent to cancel, then severity
times confidence). Once one has been opened, the others of other dimensions wait as `duplicate` behind it, unless they
are critical and so get their own episode.
"""

from __future__ import annotations

from streams.domain.account import AccountState
from streams.domain.episode import WAITING, Candidate, Episode
from streams.domain.finding import Evidence, Finding
from streams.domain.ids import intervention_id
from streams.domain.outputs import Origin, Output
from streams.domain.partition import PartitionState
from streams.interventions import holdout, progress, records
from streams.interventions.guardrails import Hold, hold
from streams.interventions.lifecycle import Event, State
from streams.interventions.machine import fire
from streams.interventions.prescribe import matching
from streams.interventions.turn import CANCEL_INTENT, Turn, family, of_whole_account
from streams.outcomes.verification import verdict
from streams.policy.model import Policy

_FIRST_EVIDENCE = 6
_LAST_EVIDENCE = 10
_MOST_CANDIDATES = 32
_NOT_LOOKED_AT = frozenset({"low_confidence", "churned"})
"""Reasons that time alone does not lift: such a finding is only remembered, so as not to be recorded again."""


def on_findings(
    account: AccountState,
    partition: PartitionState,
    findings: list[Finding],
    now: int,
    origin: Origin,
    policy: Policy,
    traceparent: str | None,
) -> list[Output]:
    """Decides on what the detectors found in one step."""
    if not findings:
        return []
    return decide(Turn(account, partition, now, origin, policy, traceparent), findings)


def on_guard_timer(
    account: AccountState, partition: PartitionState, now: int, origin: Origin, policy: Policy
) -> list[Output]:
    """Looks again at suppressed findings whose reason may have ended; what has recovered meanwhile is dropped."""
    turn = Turn(account, partition, now, origin, policy)
    candidates = account.guard.candidates
    again = []
    for cause in [cause for cause, candidate in candidates.items() if candidate.look_at <= now]:
        candidate = candidates[cause]
        if candidate.reason in _NOT_LOOKED_AT or _is_over(turn, candidate):
            del candidates[cause]
        else:
            again.append(_finding(candidate))
    outputs = decide(turn, again) if again else []
    _schedule(account, now)
    return outputs


def decide(turn: Turn, findings: list[Finding]) -> list[Output]:
    """Decides on the findings of one moment, most urgent first."""
    outputs: list[Output] = []
    winner: Episode | None = None
    for finding in sorted(findings, key=_urgency):
        known = _episode_of(turn.account, finding)
        if known is not None and known.open:
            attach(known, finding)
            turn.account.guard.candidates.pop(finding.cause, None)
            continue
        playbook = matching(turn.policy, turn.account, finding, past=turn.account.guard.episodes)
        if known is not None:
            # Back on track and being watched: a fall is a relapse whatever the guardrails say, except the kill switch.
            stop = hold(turn, finding, playbook) if turn.partition.killed else None
            outputs += (
                _suppress(turn, finding, stop, playbook.name if playbook else "")
                if stop
                else _relapse(turn, known, finding)
            )
            continue
        reason = hold(turn, finding, playbook) or _lost(turn, finding, winner)
        if reason is not None:
            outputs += _suppress(turn, finding, reason, playbook.name if playbook else "")
            continue
        winner, opened = _begin(turn, finding)
        outputs += opened
    _schedule(turn.account, turn.now)
    if outputs:
        progress.schedule(turn)
    return outputs


def attach(episode: Episode, finding: Finding) -> None:
    """Adds a later finding of the same family as evidence: it is counted, not fired again."""
    episode.merged += 1
    episode.severity = max(episode.severity, finding.severity)
    episode.onset_at = min(episode.onset_at, finding.onset_at)
    _add_evidence(episode, finding.evidence)


def _add_evidence(episode: Episode, evidence: tuple[Evidence, ...]) -> None:
    """The first figures stay, of the later ones the newest."""
    known = {(item.name, item.at) for item in episode.evidence}
    episode.evidence += [item for item in evidence if (item.name, item.at) not in known]
    del episode.evidence[_FIRST_EVIDENCE:-_LAST_EVIDENCE]


def _urgency(finding: Finding) -> tuple[bool, bool, float, str]:
    """Sort key. What is known more closely goes before the score, so that the score is evidence for it."""
    urgency = finding.severity * finding.confidence
    return finding.kind != CANCEL_INTENT, of_whole_account(finding), -urgency, finding.cause


def _episode_of(account: AccountState, finding: Finding) -> Episode | None:
    """The episode that the finding belongs to: one of the same family, or an open one of the same dimension.

    An intent to cancel only belongs to another one; a low score to whatever is open.
    """
    if finding.kind == CANCEL_INTENT:
        episodes = [episode for episode in account.episodes.values() if episode.kind == CANCEL_INTENT]
    else:
        episodes = [
            episode
            for episode in account.episodes.values()
            if (episode.open and (episode.dimension == finding.dimension or of_whole_account(finding)))
            or family(episode) == family(finding)
        ]
    return min(episodes, key=lambda episode: (not episode.open, family(episode) != family(finding)), default=None)


def _lost(turn: Turn, finding: Finding, winner: Episode | None) -> Hold | None:
    """Arbitration: why the finding waits behind one that was opened a moment ago."""
    rules = turn.policy.guardrails
    if winner is None or finding.severity >= rules.critical_severity:
        return None
    return Hold("duplicate", turn.now + rules.arbitration_window, f"behind {winner.intervention_id} ({winner.cause})")


def _begin(turn: Turn, finding: Finding) -> tuple[Episode, list[Output]]:
    """A new episode, treated or held out."""
    account, guard = turn.account, turn.account.guard
    guard.episodes += 1
    waited = guard.candidates.pop(finding.cause, None)
    window = turn.policy.guardrails.frequency_cap.window
    guard.fired = [*(at for at in guard.fired if at + window > turn.now), turn.now]
    arm = holdout.arm(account, finding, turn.policy.experiment)
    episode = Episode(
        intervention_id=intervention_id(account.account_id, finding.cause, guard.episodes),
        number=guard.episodes,
        state=State.CANDIDATE.value,
        arm=arm,
        kind=finding.kind,
        dimension=finding.dimension,
        subject=finding.subject,
        severity=finding.severity,
        confidence=finding.confidence,
        text=finding.text,
        evidence=list(finding.evidence),
        baseline=finding.baseline,
        onset_at=finding.onset_at,
        opened_at=turn.now,
        since=turn.now,
        traceparent=turn.traceparent or (waited.traceparent if waited else None),
    )
    account.episodes[episode.intervention_id] = episode
    if arm == "held_out":
        episode.verify_by = turn.now + turn.policy.episodes.held_out
        return episode, fire(turn, episode, Event.HOLD_OUT)
    outputs = fire(turn, episode, Event.OPEN)
    if finding.kind == CANCEL_INTENT:
        for other in list(account.episodes.values()):
            if other is not episode and other.state in WAITING:
                outputs += fire(turn, other, Event.SUPERSEDE, "cancel_intent")
    return episode, outputs


def _relapse(turn: Turn, episode: Episode, finding: Finding) -> list[Output]:
    """Reopens the episode: the same drop, not a new one. The account's normal stays the one frozen at its onset."""
    turn.account.guard.candidates.pop(finding.cause, None)
    episode.severity = max(episode.severity, finding.severity)
    episode.text = finding.text
    _add_evidence(episode, finding.evidence)
    return fire(turn, episode, Event.RELAPSE_UNTREATED if episode.arm == "held_out" else Event.RELAPSE)


def _suppress(turn: Turn, finding: Finding, why: Hold, playbook: str) -> list[Output]:
    """Keeps the finding for later. Recorded once, until its reason ends or changes."""
    rules, candidates = turn.policy.guardrails, turn.account.guard.candidates
    known = candidates.get(finding.cause)
    same = known is not None and known.reason == why.reason
    lasting = known is not None and (known.until is None or turn.now < known.until)
    candidate = Candidate(
        kind=finding.kind,
        dimension=finding.dimension,
        subject=finding.subject,
        severity=finding.severity,
        confidence=finding.confidence,
        onset_at=finding.onset_at,
        at=finding.at,
        text=finding.text,
        evidence=list(finding.evidence),
        baseline=finding.baseline,
        traceparent=turn.traceparent or (known.traceparent if known else None),
        reason=why.reason,
        until=why.until,
        since=known.since if known else turn.now,
        repeats=known.repeats + 1 if known else 0,
    )
    if why.until is not None:
        candidate.look_at = why.until
    else:
        candidate.look_at = turn.now + (rules.forget if why.reason in _NOT_LOOKED_AT else rules.recheck)
    candidates[finding.cause] = candidate
    while len(candidates) > _MOST_CANDIDATES:
        del candidates[min(candidates, key=lambda cause: (candidates[cause].at, cause))]
    if same and lasting:
        return []
    return [records.suppressed(turn, finding, why.reason, why.until, why.detail, playbook)]


def _is_over(turn: Turn, candidate: Candidate) -> bool:
    """True when what was suppressed has ended by itself."""
    if candidate.kind == "blocked":
        # A ticket that was closed overnight is no blocker in the morning; opened again, it is found again.
        ticket = turn.account.signals.tickets.get(candidate.subject)
        if ticket is None or not ticket.open:
            return True
    found = verdict(
        turn.account,
        turn.partition,
        candidate.kind,
        candidate.dimension,
        candidate.subject,
        candidate.baseline,
        candidate.onset_at,
        candidate.since,
        turn.now,
        turn.policy,
    )
    return found.outcome != "not_yet"


def _finding(candidate: Candidate) -> Finding:
    return Finding(
        kind=candidate.kind,
        dimension=candidate.dimension,
        subject=candidate.subject,
        severity=candidate.severity,
        confidence=candidate.confidence,
        onset_at=candidate.onset_at,
        at=candidate.at,
        text=candidate.text,
        evidence=tuple(candidate.evidence),
        baseline=candidate.baseline,
    )


def _schedule(account: AccountState, now: int) -> None:
    """Sets the `guard` timer to the next look at a suppressed finding."""
    candidates = account.guard.candidates
    account.schedule("guard", min((one.look_at for one in candidates.values()), default=None), now)
