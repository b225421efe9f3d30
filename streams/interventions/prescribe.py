"""Which playbook fits a drop, and its steps with the texts filled from the account's own data."""

from __future__ import annotations

from streams.domain.account import AccountState
from streams.domain.episode import Episode, Prescription
from streams.domain.time import format_duration, format_time
from streams.interventions.turn import Drop, Turn
from streams.policy.model import Policy
from streams.policy.playbooks import Fallback, Match, Playbook, Step, placeholders
from streams.policy.signals import metric_policy


def matching(policy: Policy, account: AccountState, drop: Drop, *, past: int, relapses: int = 0) -> Playbook | None:
    """The first playbook of the file that fits; None when none does. `past`: episodes that the account had before."""
    for playbook in policy.playbooks:
        if _fits(playbook.match, account, drop, past, relapses):
            return playbook
    return None


def _fits(match: Match, account: AccountState, drop: Drop, past: int, relapses: int) -> bool:
    profile = account.profile
    return (
        (not match.kinds or drop.kind in match.kinds)
        and (not match.dimensions or drop.dimension in match.dimensions)
        and (not match.subjects or drop.subject in match.subjects)
        and (not match.segments or profile.segment in match.segments)
        and (not match.stages or profile.stage in match.stages)
        and drop.severity >= match.min_severity
        and (match.relapsed is None or match.relapsed == (relapses > 0))
        and past >= match.min_past_episodes
    )


def prescribe_first(turn: Turn, episode: Episode) -> None:
    """Puts the first step of the playbook that fits now on the episode, with its deadlines.

    After a relapse another playbook may fit than before, or none: then only the end of waiting is set.
    """
    playbook = matching(turn.policy, turn.account, episode, past=episode.number - 1, relapses=episode.relapses)
    if playbook is None:
        episode.prescription = None
        episode.ack_by = episode.act_by = None
        episode.verify_by = turn.now + turn.policy.episodes.held_out
        return
    _put(turn, episode, playbook, 0)


def next_step(policy: Policy, episode: Episode) -> tuple[Playbook, int] | None:
    """The step after the current one on the ladder of the episode's playbook, as it stands now; None at its end."""
    current = episode.prescription
    if current is None:
        return None
    for playbook in policy.playbooks:
        if playbook.name == current.playbook and current.step + 1 < len(playbook.ladder):
            return playbook, current.step + 1
    return None


def prescribe_next(turn: Turn, episode: Episode) -> None:
    """Puts the next step of the ladder on the episode. Only when `next_step` has one."""
    found = next_step(turn.policy, episode)
    if found is not None:
        _put(turn, episode, *found)


def _put(turn: Turn, episode: Episode, playbook: Playbook, index: int) -> None:
    step = playbook.ladder[index]
    episode.prescription = _filled(turn, episode, playbook, index)
    limit = step.authority.limit
    episode.approval_needed = limit is not None and step.cost > limit
    episode.approval_asked_at = turn.now if episode.approval_needed else episode.approval_asked_at
    episode.approved = False
    episode.ack_by = turn.now + step.deadlines.ack
    episode.act_by = turn.now + step.deadlines.act
    episode.verify_by = turn.now + step.deadlines.verify + hold_time(turn, episode)


def hold_time(turn: Turn, episode: Episode) -> int:
    """How long a recovery of the episode's metric must hold to be verified: that comes on top of other windows."""
    if episode.subject not in turn.account.signals.metrics:
        return 0
    return turn.policy.verification.hold_periods * metric_policy(turn.policy.metrics, episode.subject).length


def _filled(turn: Turn, episode: Episode, playbook: Playbook, index: int) -> Prescription:
    step = playbook.ladder[index]
    user, executive, generic = _texts(step, playbook.fallback, evidence_of(turn, episode, step))
    return Prescription(
        playbook=playbook.name,
        step=index,
        action=step.action,
        channel=step.channel,
        for_user=user,
        for_executive=executive,
        success=step.success,
        generic=generic,
        actor=step.authority.actor,
        authority=step.authority.action,
        limit=step.authority.limit,
    )


def _texts(step: Step, fallback: Fallback, values: dict[str, str | None]) -> tuple[str, str, bool]:
    user, executive = _fill(step.for_user, values), _fill(step.for_executive, values)
    return user or fallback.for_user, executive or fallback.for_executive, user is None or executive is None


def _fill(template: str, values: dict[str, str | None]) -> str | None:
    """The template with its placeholders filled; None when one of them is not known."""
    names = placeholders(template)
    if any(values[name] is None for name in names):
        return None
    return template.format_map(values)


def evidence_of(turn: Turn, episode: Episode, step: Step) -> dict[str, str | None]:
    """Values of all placeholders (`policy/playbooks.py`) for an episode; None where the account's data say nothing."""
    profile, now = turn.account.profile, turn.now
    leading = next((item for item in episode.evidence if item.expected is not None), None)
    figure = leading or next(iter(episode.evidence), None)
    renewal = profile.renewal_at
    return {
        "account": turn.account.account_id,
        "action": step.action.replace("_", " "),
        "dimension": episode.dimension,
        "direction": _direction(leading.value, leading.expected) if leading else None,
        "drop": _distance(leading.value, leading.expected) if leading else None,
        "expected": _number(leading.expected) if leading else None,
        "finding": _sentence(episode.text) or None,
        "goal": profile.goals[0] if profile.goals else None,
        "onset": format_time(episode.onset_at)[:10],
        "open_for": format_duration(now - episode.onset_at),
        "owner": profile.owner or None,
        "past_episodes": str(episode.number - 1),
        "relapses": str(episode.relapses),
        "renewal": format_time(renewal)[:10] if renewal is not None else None,
        "renewal_in": format_duration(renewal - now) if renewal is not None and renewal > now else None,
        "segment": profile.segment or None,
        "stage": profile.stage or None,
        "subject": episode.subject.replace("_", " ") or None,
        "unit": figure.unit if figure and figure.unit else None,
        "value": _number(figure.value) if figure else None,
        "worth": _number(profile.value),
    }


def _number(value: float | None) -> str | None:
    """A figure as people write it: whole from 100 on, three digits below."""
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004  see the docstring


def _distance(value: float, expected: float | None) -> str | None:
    return f"{abs(expected - value) / abs(expected):.0%}".rstrip("%") if expected else None


def _direction(value: float, expected: float | None) -> str | None:
    return None if expected is None else "below" if value < expected else "above"


def _sentence(text: str) -> str:
    """With a capital letter and a full stop, so that it can stand among others."""
    text = text.strip().rstrip(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""
