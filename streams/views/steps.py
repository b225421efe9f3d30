"""One record of an episode as sentences, the most telling first: how it began, what was done, how it ended."""

from __future__ import annotations

from typing import Any

from streams.domain.time import SECOND, format_duration
from streams.views.episode import NOT_SETTLED
from streams.views.words import (
    GRADES,
    LOW_GRADE_CAUSES,
    MISSING,
    STATES,
    listed,
    moment,
    number,
    plain,
    say,
    sentence,
    severity,
    usd,
)

_STRONGEST = 3

_STATES = {
    "held_out": "It is watched without treatment, as part of the experiment",
    "opened": "It is open",
    "owned": "{who} took it on",
    "acting": "Work on the prescribed step began",
    "acted": "The prescribed step was carried out",
    "verifying": "From here on the account's own data decide whether it is well again",
    "back_on_track": "The account is back on its own normal",
    "confirmed": "The recovery held through the follow-up window",
    "relapsed": "The account fell back: the same episode is open again",
    "escalated": "It was escalated",
    "superseded": "An intent to cancel took it over",
    "handled_unresolved": "It was handled honestly, without a solution",
    "new_normal": "The lower level has lasted: it is the account's new normal, not a recovery",
    "expired": "Its time ran out without verified recovery",
    "withdrawn": "It was withdrawn as a false alarm",
}
"""What entering a state means; `{who}` is the owner."""

_REASONS = {
    "acknowledge": "{who} took it on and named the cause",
    "promise": "{who} said by when it will be done",
    "ask_approval": "Approval was asked: the action costs more than the authority allows",
    "approve": "The action was approved",
    "decline": "The step was declined",
    "bounce": "The message to the customer did not arrive",
    "act": "The prescribed step was carried out",
    "fail": "The action was tried and did not work",
    "follow_up": "{who} came back to the customer; now the account's own data decide",
    "settle": "The step has had its time to work; now the account's own data decide",
    "relapse_untreated": "The account fell back, still without treatment",
    "remind": "A reminder went out",
    "refuse": "An attempt to close it was refused: what closing needs was missing",
    "over_limit": "Approval was asked: the action costs more than the authority allows",
    "approved": "The action was approved after it was carried out; it counts now",
    "churn": "It ended because the account has left",
    "churned": "It ended because the account has left",
    "erased": "It ended because the account was erased",
}
"""The same where the reason of the record says more than the state."""

_BECAUSE = {
    "unowned": "nobody took it on in time",
    "unacted": "the prescribed step was not done in time",
    "approval_overdue": "the approval did not come in time",
    "unverified": "recovery was not verified in time",
    "promise_missed": "what was promised was not kept",
    "untreated": "nothing was done about it, as the experiment wants",
    "cancel_intent": "the customer wants to leave, which is more urgent",
    "churned": "the account has left",
    "erased": "the account was erased",
}
"""Why a state was entered, or why somebody was reminded, as the end of a sentence."""

_REFUSED = "refused_without_"

# Reasons that only repeat the state.
_EXPECTED = frozenset(
    {
        "open",
        "hold_out",
        "verified",
        "confirm",
        "relapse",
        "lower_level",
        "escalate",
        "expire",
        "unresolve",
        "withdraw",
        "supersede",
        "false_alarm",
    }
)


def opening(record: dict[str, Any]) -> list[str]:
    """Why it was raised, on what evidence, and what was prescribed to whom."""
    cause = record["cause"]
    lag = int(record["opened_at"]) - int(record["onset_at"])
    parts = [f"{severity(cause['severity'])} drop in {cause['dimension'] or 'health'}: {cause['text']}"]
    if record["state"] == "held_out":
        parts.append(_STATES["held_out"])
    if lag >= SECOND:
        parts.append(f"the first sign was {format_duration(lag)} earlier, at {moment(record['onset_at'])}")
    if record["evidence"]:
        parts.append(f"the evidence: {listed([evidence(figure) for figure in record['evidence'][:_STRONGEST]])}")
    if record["contributions"]:
        parts.append(f"what moved the score: {contributions(record['contributions'])}")
    parts += prescription(record)
    return [sentence(part) for part in parts]


def step_text(record: dict[str, Any], previous: dict[str, Any]) -> list[str]:
    """What a later record says that the one before did not."""
    state, reason = str(record["state"]), str(record["reason"])
    # Words are filled in by replacement: an owner may hold braces.
    who = str(record["owner"] or "somebody")
    head = _head(state, reason, stays=record["previous"] == state)
    parts = [head.replace("{who}", who)]
    if "{who}" not in head and record["owner"] and record["owner"] != previous.get("owner"):
        parts.append(f"it is now with {record['owner']}")
    now, before = record["playbook"], previous.get("playbook")
    if now and (not before or (now["name"], now["step"]) != (before["name"], before["step"])):
        parts += prescription(record)
    if record["grade"] is not None and record["grade"] != previous.get("grade"):
        parts.append(grade_text(record["grade"], record["low_grade_cause"]))
    chased = int(record["chases"]) - int(previous.get("chases") or 0)
    if chased > 0:
        parts.append("the customer had to chase" if chased == 1 else f"the customer had to chase {chased} times")
    return [sentence(part) for part in parts]


def outcome_text(record: dict[str, Any]) -> list[str]:
    """How it stands now: time to recovery, grade, what was missing."""
    outcome = str(record["outcome"])
    head = f"outcome: {say(STATES, outcome)}"
    if record["time_to_recovery_s"] is not None and record["resolved"]:
        head += f", well again {_seconds(record['time_to_recovery_s'])} after the first sign"
    parts = [head + _why(str(record["reason"]), outcome)]
    if outcome in NOT_SETTLED:
        # Nothing was to be answered, so the answer is not judged.
        return [sentence(part) for part in parts]
    if record["time_to_response_s"] is not None:
        parts.append(f"the first valid acknowledgement came after {_seconds(record['time_to_response_s'])}")
    elif not record["acknowledged"]:
        parts.append("nobody acknowledged it by naming the cause")
    parts.append(grade_text(record["grade"], record["low_grade_cause"]))
    if record["missing"]:
        parts.append(f"missing for a higher grade: {listed([say(MISSING, code) for code in record['missing']])}")
    chases = int(record["chases"])
    parts.append(
        "the customer did not have to chase"
        if not chases
        else f"the customer had to chase {'once' if chases == 1 else f'{chases} times'}"
    )
    if record["promise_kept"] is not None:
        parts.append("what was promised was kept" if record["promise_kept"] else "a promise was broken")
    if record["relapses"]:
        parts.append(f"it relapsed {'once' if record['relapses'] == 1 else str(record['relapses']) + ' times'}")
    if record["sentiment_shift"] is not None:
        parts.append(f"the customer's tone moved by {record['sentiment_shift']:+.2f}")
    return [sentence(part) for part in parts]


def prescription(record: dict[str, Any]) -> list[str]:
    """What is to be done, by whom, until when, and when it counts as done."""
    playbook, authority = record["playbook"], record["authority"]
    if not playbook:
        return []
    again = f", step {playbook['step'] + 1}" if playbook["step"] else ""
    parts = [
        f"prescribed ({plain(playbook['name'])}{again}): {plain(playbook['action'])} by {plain(playbook['channel'])}"
    ]
    if authority:
        limit = authority["limit"]
        if authority["approval_needed"]:
            parts.append(f"this is outside what {plain(authority['actor'])} may do: approval is asked")
        else:
            up_to = f" up to {usd(limit)}" if limit is not None else ""
            parts.append(f"{plain(authority['actor'])} may do it{up_to} without asking")
    deadlines = [
        f"{what} by {moment(record[name])}"
        for name, what in (("ack_by", "acknowledged"), ("act_by", "done"), ("verify_by", "verified"))
        if record[name] is not None
    ]
    if deadlines:
        parts.append(f"to be {listed(deadlines)}")
    parts.append(f"success means: {_tail(playbook['success'])}")
    if playbook["generic"]:
        parts.append("the texts are generic: the account's own evidence did not suffice")
    return parts


def evidence(figure: dict[str, Any]) -> str:
    """`weekly active users 12 (normal: 31)`."""
    unit = f" {figure['unit']}" if figure["unit"] else ""
    text = f"{plain(figure['name'])} {number(figure['value'])}{unit}"
    return text if figure["expected"] is None else f"{text} (normal: {number(figure['expected'])}{unit})"


def contributions(addends: list[dict[str, Any]], most: int = _STRONGEST) -> str:
    """The strongest addends of a change with their points, and the sum of the others."""
    moved: dict[str, float] = {}
    for addend in addends:
        name = _addend(addend["name"], addend["dimension"])
        moved[name] = moved.get(name, 0.0) + float(addend["points"])
    ordered = sorted(moved.items(), key=lambda item: (-abs(item[1]), item[0]))
    told = [(name, points) for name, points in ordered[:most] if shows(points)]
    texts = [f"{name} {points:+.1f}" for name, points in told]
    rest = ordered[len(told) :]
    if rest and (not told or any(shows(points) for _, points in rest)):
        texts.append(f"{len(rest)} smaller {sum(points for _, points in rest):+.1f}")
    return listed(texts)


def _addend(name: str, dimension: str) -> str:
    if not dimension:
        return "older changes"
    if name == "weighing":
        return f"how well {dimension} is known"
    return f"{plain(name)} ({dimension})"


def shows(points: float) -> bool:
    """False for points that round to 0.0."""
    return abs(points) >= 0.05  # noqa: PLR2004  half of the last digit told


def grade_text(grade: int, cause: str | None) -> str:
    """`the answer so far: 2 of 4, empathy (nobody had the authority to act)`."""
    why = f" ({say(LOW_GRADE_CAUSES, cause)})" if cause else ""
    return f"the answer is graded {grade} of 4, {GRADES.get(grade, 'unknown')}{why}"


def _head(state: str, reason: str, *, stays: bool) -> str:
    """What happened, of a record that is not the first; `stays`: the state did not change."""
    if reason.startswith(_REFUSED):
        lacking = reason.removeprefix(_REFUSED)
        return f"An attempt to close it was refused: it lacks {say(MISSING, lacking)}"
    if stays and reason in _BECAUSE:
        return f"A reminder went out: {_BECAUSE[reason]}"
    return _REASONS.get(reason) or _STATES.get(state, f"It went on to {plain(state)}") + _why(reason, state)


def _why(reason: str, state: str) -> str:
    if (state, reason) == ("expired", "unverified"):
        # The state says it already.
        return ""
    if reason in _BECAUSE:
        return f": {_BECAUSE[reason]}"
    known = {"", state} | _EXPECTED | _REASONS.keys()
    return "" if reason in known else f" ({plain(reason)})"


def _seconds(value: float) -> str:
    return format_duration(value * SECOND)


def _tail(text: str) -> str:
    """Fit to stand inside a sentence: a capital that only begins a sentence goes."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
