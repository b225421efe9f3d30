"""Whatever happens to an account, its episodes stay lawful: the whole fold under random histories."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import Output
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR, MINUTE
from streams.interventions import decide, progress
from streams.interventions.lifecycle import TABLE
from streams.outcomes.verification import Verdict
from streams.partition import PartitionFold
from streams.policy.load import load_policy
from tests.support.desk import SCHEMAS, START, encode, policy_with

# Quick blockers and short holds, so that a short history reaches every state.
QUICK = policy_with(
    "detection: {blocked: {after: {urgent: 2h, high: 4h}}}\n"
    "verification: {blocked_hold: 4h}\n"
    "guardrails: {cool_down: 1d, frequency_cap: {count: 4, window: 2d}}\n"
    "episodes: {follow_up: 2d}\n"
)
HELD_OUT = policy_with(
    "detection: {blocked: {after: {urgent: 2h, high: 4h}}}\n"
    "verification: {blocked_hold: 4h}\n"
    "experiment: {holdout: 1}\n"
)
RESPONSES = json.loads((SCHEMAS / "response-events" / "v1.avsc").read_text(encoding="utf-8"))
CHANGES = next(one["type"]["symbols"] for one in RESPONSES["fields"] if one["name"] == "change")

tickets = st.tuples(
    st.just("ticket"),
    st.sampled_from(["T-1", "T-2"]),
    st.sampled_from(["opened", "replied", "resolved", "reopened", "closed"]),
    st.sampled_from(["urgent", "high"]),
    st.sampled_from(["customer", "agent"]),
)
responses = st.tuples(
    st.just("response"),
    st.sampled_from([0, 0, 0, 1]),
    # What carries an episode on comes more often.
    st.sampled_from(["action_executed", "acknowledged", "followed_up", *CHANGES] + ["action_executed", "approved"] * 3),
    st.booleans(),
    st.sampled_from([None, 50.0, 50.0, 5_000.0]),
    st.sampled_from([None, HOUR, DAY]),
)
accounts = st.tuples(
    st.just("account"), st.sampled_from(["updated", "cancel_intent", "renewed", "growth_planned", "churned", "created"])
)
words = st.tuples(st.just("words"), st.sampled_from([-0.9, -0.4, 0.6]), st.sampled_from([None, "chat-1"]))
switch = st.tuples(st.just("switch"), st.booleans())
gaps = st.sampled_from([MINUTE, MINUTE, HOUR, 5 * HOUR, DAY, 4 * DAY])
happenings = st.one_of(responses, responses, responses, tickets, tickets, accounts, words, switch)
# Histories begin with a blocker, one that was solved, or one that came back, so that every state is met.
BLOCKED = [(MINUTE, ("ticket", "T-1", "opened", "urgent", "customer")), (5 * HOUR, ("words", -0.4, None))]
SOLVED = [*BLOCKED, (HOUR, ("ticket", "T-1", "resolved", "urgent", "agent")), (DAY, ("words", 0.6, None))]
BACK_AGAIN = [*SOLVED, (HOUR, ("ticket", "T-1", "reopened", "urgent", "customer"))]
histories = st.builds(
    lambda start, rest: [*start, *rest],
    st.sampled_from([BLOCKED, SOLVED, BACK_AGAIN]),
    st.lists(st.tuples(gaps, happenings), min_size=1, max_size=20),
)

COMMON: dict[str, Any] = {"account_id": "acme", "source": "", "cohort": None, "traceparent": None}


def _event(number: int, now: int, happening: tuple[Any, ...], ids: list[str]) -> tuple[str, dict[str, Any]]:
    """The input record of a happening."""
    kind, *rest = happening
    common = {**COMMON, "event_id": f"e-{number}", "occurred_at": now}
    if kind == "ticket":
        fields = dict(zip(("ticket_id", "change", "priority", "actor"), rest, strict=True))
        return topics.TICKETS, {**common, **fields, "area": "support", "theme": "", "satisfaction": None}
    if kind == "account":
        empty = dict.fromkeys(
            ("segment", "stage", "tier", "value", "renewal_at", "owner", "time_zone", "channel_preference")
        )
        return topics.ACCOUNTS, {**common, **empty, "change": rest[0], "goals": []}
    if kind == "words":
        said = {"channel": "chat", "interaction_id": rest[1], "position": None, "speaker": "customer"}
        return topics.SENTIMENT, {
            **common, **said, "score": rest[0], "text": None, "survey": "none", "survey_value": None
        }  # fmt: skip
    if kind == "switch":
        control = {"kind": "switch", "at": now, "policy_version": None, "policy": None, "switch": "kill"}
        return topics.CONTROL, {**control, "on": rest[0], "source": ""}
    which, change, names_cause, cost, later = rest
    return topics.RESPONSES, {
        **common,
        "intervention_id": ids[-1 - which % len(ids)] if ids else "nobody-knows",
        "change": change,
        "actor": "kim",
        "actor_kind": "human",
        "names_cause": names_cause,
        "promised_by": now + later if later else None,
        "snooze_until": now + later if later else None,
        "action": None,
        "cost": cost,
        "reason": "not planned",
        "alternative": "by hand",
    }


def run(history: list[Any], policy: Any) -> tuple[list[Output], AccountState]:
    """The outputs of a history and the account at its end, a quiet quarter later."""
    states: dict[str, AccountState] = {}
    fold = PartitionFold(PartitionState(0), states, policy, lambda text: load_policy(text, "control"))
    outputs: list[Output] = []
    ids: list[str] = []
    now = START
    offsets: dict[str, int] = {}
    quiet = {"kind": "tick", "at": 0, "policy_version": None, "policy": None, "switch": None, "on": None, "source": ""}
    for number, (gap, happening) in enumerate(history):
        now += gap
        topic, event = _event(number, now, happening, ids)
        offsets[topic] = offsets.get(topic, -1) + 1
        fold.apply(topic, offsets[topic], now, event)
        outputs += fold.outputs
        fold.outputs = []
        ids = list(dict.fromkeys(one.id for one in outputs if one.topic == topics.INTERVENTIONS))
    fold.apply(topics.CONTROL, offsets.get(topics.CONTROL, -1) + 1, now + 90 * DAY, quiet)
    outputs += fold.outputs
    return outputs, states.get("acme", AccountState("acme"))


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, str]]:
    """Every recovery that verification really saw: when, and of what. The real verdict is asked, and listened to."""
    seen: set[tuple[int, str]] = set()

    def listening(real: Callable[..., Verdict]) -> Callable[..., Verdict]:
        def verdict(account: Any, partition: Any, kind: str, dimension: str, subject: str, *rest: Any) -> Verdict:
            found = real(account, partition, kind, dimension, subject, *rest)
            if found.outcome == "recovered":
                seen.add((rest[3], f"{kind}:{dimension}:{subject}"))
            return found

        return verdict

    monkeypatch.setattr(progress, "verdict", listening(progress.verdict))
    return seen


LAWFUL = {(state.value, change.to.value) for (state, _), change in TABLE.items()}


@pytest.mark.parametrize("policy", [QUICK, HELD_OUT], ids=["treated", "held_out"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_every_history_is_lawful(policy: Any, proofs: set[tuple[int, str]], history: list[Any]) -> None:
    """Legal steps only, dense sequence numbers, no recovery without its proof, records that fit their schemas."""
    proofs.clear()
    outputs, account = run(history, policy)
    last: dict[str, str] = {}
    seqs: dict[str, int] = {}
    for output in outputs:
        encode(output)
        record = output.record
        if output.topic == topics.SUPPRESSED:
            assert output.seq == 0
            continue
        assert output.seq == seqs.get(output.id, -1) + 1
        seqs[output.id] = output.seq
        if output.topic == topics.INTERVENTIONS:
            state, before = record["state"], record["previous"]
            assert before == last.get(output.id)
            assert (before or "candidate", state) in LAWFUL
            last[output.id] = state
            if state == "back_on_track":
                cause = record["cause"]
                assert (record["at"], f"{cause['kind']}:{cause['dimension']}:{cause['subject']}") in proofs
    for episode_id, episode in account.episodes.items():
        assert last[episode_id] == episode.state
    ends = {"confirmed", "superseded", "handled_unresolved", "new_normal", "expired", "withdrawn"}
    assert {key for key, state in last.items() if state not in ends} == set(account.episodes)
    assert len({(one.topic, one.id, one.seq) for one in outputs}) == len(outputs)


@settings(max_examples=40, deadline=None)
@given(history=histories)
def test_the_same_history_gives_the_same_records(history: list[Any]) -> None:
    """Byte for byte, and the same account."""
    first, one = run(history, QUICK)
    second, other = run(history, QUICK)
    assert [(o.topic, o.id, o.seq, o.at, encode(o)) for o in first] == [
        (o.topic, o.id, o.seq, o.at, encode(o)) for o in second
    ]
    assert one == other


@settings(max_examples=40, deadline=None)
@given(history=histories)
def test_each_finding_gets_exactly_one_decision(history: list[Any]) -> None:
    """A finding is attached, a relapse, held out, suppressed or opened: never two of them."""
    counts: list[tuple[int, int]] = []
    real = decide.decide

    def watched(turn: Any, findings: list[Any]) -> list[Output]:
        merged = {one.intervention_id: one.merged for one in turn.account.episodes.values()}
        repeats = {key: one.repeats for key, one in turn.account.guard.candidates.items()}
        outputs = real(turn, findings)
        first = [o for o in outputs if o.topic == topics.INTERVENTIONS and o.record["state"] in {"opened", "held_out"}]
        relapsed = [o for o in outputs if o.topic == topics.INTERVENTIONS and o.record["state"] == "relapsed"]
        suppressed = [o for o in outputs if o.topic == topics.SUPPRESSED]
        # An intent to cancel supersedes others: an episode that has left takes its count along.
        attached = sum(one.merged - merged.get(key, 0) for key, one in turn.account.episodes.items())
        recorded = {o.record["cause"]["subject"] for o in suppressed}
        again = sum(
            1
            for key, one in turn.account.guard.candidates.items()
            if one.repeats > repeats.get(key, 0) and one.subject not in recorded
        )
        counts.append((len(findings), len(first) + len(relapsed) + len(suppressed) + attached + again))
        return outputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "decide", watched)
        run(history, QUICK)
    assert all(given_ == decided for given_, decided in counts), counts
