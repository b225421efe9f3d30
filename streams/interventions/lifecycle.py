"""The life of an episode, as one table: (state, event) -> (new state, effects). Nothing else changes a state.

Every pair that is not in the table is a declared no-op: it changes nothing and has a reason code, which is counted.
Recovery has one door: only `verified`, which `interventions/progress.py` fires on a RECOVERED verdict and never on
anybody's word, leads to `back_on_track`; and only from there an episode can be `confirmed`.
`docs/lifecycle.md` is rendered from this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where an episode stands. `candidate` and `suppressed` are never stored as episodes."""

    CANDIDATE = "candidate"
    SUPPRESSED = "suppressed"
    HELD_OUT = "held_out"
    OPENED = "opened"
    OWNED = "owned"
    ACTING = "acting"
    ACTED = "acted"
    VERIFYING = "verifying"
    BACK_ON_TRACK = "back_on_track"
    CONFIRMED = "confirmed"
    RELAPSED = "relapsed"
    ESCALATED = "escalated"
    SUPERSEDED = "superseded"
    HANDLED_UNRESOLVED = "handled_unresolved"
    NEW_NORMAL = "new_normal"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    """What can happen to an episode."""

    SUPPRESS = "suppress"
    HOLD_OUT = "hold_out"
    OPEN = "open"
    ACKNOWLEDGE = "acknowledge"
    PROMISE = "promise"
    ASK_APPROVAL = "ask_approval"
    APPROVE = "approve"
    DECLINE = "decline"
    BOUNCE = "bounce"
    ACT = "act"
    FAIL = "fail"
    FOLLOW_UP = "follow_up"
    SETTLE = "settle"
    VERIFIED = "verified"
    CONFIRM = "confirm"
    RELAPSE = "relapse"
    RELAPSE_UNTREATED = "relapse_untreated"
    LOWER_LEVEL = "lower_level"
    ESCALATE = "escalate"
    REMIND = "remind"
    EXPIRE = "expire"
    UNRESOLVE = "unresolve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    SUPERSEDE = "supersede"
    CHURN = "churn"


MEANING: dict[Event, str] = {
    Event.SUPPRESS: "a guardrail holds the finding back",
    Event.HOLD_OUT: "the account is in the untreated share",
    Event.OPEN: "nothing holds it back: the first step is prescribed",
    Event.ACKNOWLEDGE: "somebody takes it and names the cause",
    Event.PROMISE: "somebody says by when it will be done",
    Event.ASK_APPROVAL: "the action costs more than the authority allows",
    Event.APPROVE: "an approval is given before the action",
    Event.DECLINE: "the approval, or the step, is declined",
    Event.BOUNCE: "the message did not arrive",
    Event.ACT: "the prescribed action is executed, within authority or approved",
    Event.FAIL: "the action did not work",
    Event.FOLLOW_UP: "somebody came back to the customer",
    Event.SETTLE: "the action has had its time to work",
    Event.VERIFIED: "the account's own data are back at their normal and held",
    Event.CONFIRM: "the recovery held over the follow-up window",
    Event.RELAPSE: "it fell again within the follow-up window",
    Event.RELAPSE_UNTREATED: "the same, in the untreated share",
    Event.LOWER_LEVEL: "a lower level has become the normal",
    Event.ESCALATE: "a deadline passed: the next step of the ladder",
    Event.REMIND: "a deadline passed on the last step of the ladder, and there is still time to recover",
    Event.EXPIRE: "the time for a verified recovery is over and the ladder is at its end",
    Event.UNRESOLVE: "an honest no, with reason, alternative and follow-up",
    Event.REFUSE: "an attempt to close without what closing needs",
    Event.WITHDRAW: "it was a false alarm",
    Event.SUPERSEDE: "an intent to cancel takes over before anybody has begun",
    Event.CHURN: "the account has left",
}


class Effect(StrEnum):
    """What a transition does beside changing the state."""

    PRESCRIBE_FIRST = "prescribe the first step"
    PRESCRIBE_NEXT = "prescribe the next step"
    SETTLE = "start the settling time"
    WATCH = "start the follow-up window"
    REOPEN = "restart the clocks"
    END = "end, start the cool-down"


class Transition(NamedTuple):
    """What an event does. `outcome` is reported to `intervention-outcomes` when set."""

    to: State
    effects: tuple[Effect, ...] = ()
    outcome: str | None = None
    legal: bool = True


_S, _E = State, Event
_WAITING = (_S.OPENED, _S.ESCALATED, _S.RELAPSED)
_TREATED = (*_WAITING, _S.OWNED, _S.ACTING, _S.ACTED, _S.VERIFYING)
_BEFORE_ACTION = (*_WAITING, _S.OWNED, _S.ACTING)
_AFTER_ACTION = (_S.ACTED, _S.VERIFYING)
_FOLLOWED = (*_TREATED, _S.HELD_OUT)

# (from these states, on this event) -> transition; None as target: the state stays, the fact is recorded.
_ROWS: tuple[tuple[tuple[State, ...], Event, State | None, tuple[Effect, ...], str | None], ...] = (
    ((_S.CANDIDATE,), _E.SUPPRESS, _S.SUPPRESSED, (), None),
    ((_S.CANDIDATE,), _E.HOLD_OUT, _S.HELD_OUT, (), None),
    ((_S.CANDIDATE,), _E.OPEN, _S.OPENED, (Effect.PRESCRIBE_FIRST,), None),
    (_WAITING, _E.ACKNOWLEDGE, _S.OWNED, (), None),
    (_BEFORE_ACTION, _E.PROMISE, _S.ACTING, (), None),
    (_BEFORE_ACTION, _E.ASK_APPROVAL, _S.ACTING, (), None),
    (_BEFORE_ACTION, _E.APPROVE, _S.ACTING, (), None),
    ((*_WAITING, _S.OWNED), _E.DECLINE, None, (), None),
    ((_S.ACTING,), _E.DECLINE, _S.OWNED, (), None),
    (_BEFORE_ACTION, _E.BOUNCE, None, (), None),
    (_BEFORE_ACTION, _E.ACT, _S.ACTED, (Effect.SETTLE,), None),
    (_WAITING, _E.FAIL, None, (), None),
    ((_S.OWNED, _S.ACTING, *_AFTER_ACTION), _E.FAIL, _S.OWNED, (), None),
    ((_S.ACTED,), _E.FOLLOW_UP, _S.VERIFYING, (), None),
    ((_S.ACTED,), _E.SETTLE, _S.VERIFYING, (), None),
    (_FOLLOWED, _E.VERIFIED, _S.BACK_ON_TRACK, (Effect.WATCH,), "back_on_track"),
    ((_S.BACK_ON_TRACK,), _E.CONFIRM, _S.CONFIRMED, (Effect.END,), "confirmed"),
    ((_S.BACK_ON_TRACK,), _E.RELAPSE, _S.RELAPSED, (Effect.REOPEN, Effect.PRESCRIBE_FIRST), "relapsed"),
    ((_S.BACK_ON_TRACK,), _E.RELAPSE_UNTREATED, _S.HELD_OUT, (Effect.REOPEN,), "relapsed"),
    (_FOLLOWED, _E.LOWER_LEVEL, _S.NEW_NORMAL, (Effect.END,), "new_normal"),
    (_TREATED, _E.ESCALATE, _S.ESCALATED, (Effect.PRESCRIBE_NEXT,), None),
    (_TREATED, _E.REMIND, None, (), None),
    (_FOLLOWED, _E.EXPIRE, _S.EXPIRED, (Effect.END,), "expired"),
    (_TREATED, _E.UNRESOLVE, _S.HANDLED_UNRESOLVED, (Effect.END,), "handled_unresolved"),
    (_TREATED, _E.REFUSE, None, (), None),
    ((*_TREATED, _S.BACK_ON_TRACK), _E.WITHDRAW, _S.WITHDRAWN, (Effect.END,), "withdrawn"),
    (_WAITING, _E.SUPERSEDE, _S.SUPERSEDED, (Effect.END,), "superseded"),
    ((*_FOLLOWED, _S.BACK_ON_TRACK), _E.CHURN, _S.EXPIRED, (Effect.END,), "expired"),
)

TABLE: dict[tuple[State, Event], Transition] = {
    (state, event): Transition(to or state, effects, outcome)
    for states, event, to, effects, outcome in _ROWS
    for state in states
}
"""Every legal pair."""


def transition(state: str, event: Event) -> Transition:
    """What `event` does in `state`; for a pair that is not in the table: nothing, with `legal` False."""
    found = TABLE.get((State(state), event))
    return found or Transition(State(state), legal=False)


def ignored(state: str, event: Event) -> str:
    """Reason code of a pair that is not in the table: `<event>_when_<state>`."""
    return f"{event.value}_when_{state}"


def document() -> str:
    """The text of `docs/lifecycle.md`: the table as a diagram and as rows."""
    lines = [
        "# The life of an episode",
        "",
        "Rendered from `streams/interventions/lifecycle.py`; do not edit. What is not listed changes nothing and is",
        "counted under a reason code. Only `verified` leads to `back_on_track`, and nobody's word is a verification.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> candidate",
    ]
    lines += [
        "    state treated {",
        "        state waiting {",
        *(f"            {state}" for state in _WAITING),
        "        }",
        *(f"        {state}" for state in _TREATED if state not in _WAITING),
        "    }",
    ]
    edges: dict[tuple[str, State], list[str]] = {}
    for states, event, target, _, _ in _ROWS:
        for start in _drawn(states):
            if target is not None:
                edges.setdefault((start, target), []).append(event.value)
    lines += [f"    {start} --> {to}: {', '.join(events)}" for (start, to), events in edges.items()]
    final = [state for state in State if all(pair[0] is not state for pair in TABLE)]
    lines += [f"    {state} --> [*]" for state in final]
    lines += ["```", "", "| in | on | to | does | outcome |", "|---|---|---|---|---|"]
    for states, event, target, effects, outcome in _ROWS:
        to = target.value if target else "(stays)"
        does = "; ".join(effect.value for effect in effects)
        lines.append(f"| {', '.join(states)} | `{event.value}` | {to} | {does} | {outcome or ''} |")
    lines += ["", "| event | when |", "|---|---|"]
    lines += [f"| `{event.value}` | {MEANING[event]} |" for event in Event]
    return "\n".join(lines) + "\n"


def _drawn(states: tuple[State, ...]) -> list[str]:
    """Names of what the diagram draws an arrow from: whole groups where they are whole."""
    left = list(states)
    names: list[str] = []
    for name, group in (("treated", _TREATED), ("waiting", _WAITING)):
        if set(group) <= set(left):
            names.append(name)
            left = [state for state in left if state not in group]
    return names + [state.value for state in left]
