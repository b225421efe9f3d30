"""Realistic output records without a worker: for tests of the read side, and to look at the board by hand.

`python -m tests.support.sample_outputs --bootstrap HOST:PORT` writes them to a broker.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Producer

from streams import topics
from streams.domain.ids import intervention_id, suppression_id
from streams.domain.time import DAY, HOUR, MINUTE, parse_time
from streams.settings import Settings
from streams.shell.codec import Codec

START = parse_time("2026-03-02T08:00:00")
Sample = tuple[str, str, dict[str, Any]]
"""Logical topic, account, record."""

_DIMENSIONS = ("support", "service", "success", "sales", "sentiment")
_CASES = (
    ("relative", "success", "weekly_active_users", "weekly active users fell to {low} from a normal of {normal}"),
    ("silence", "success", "", "no use for 9 days; this account is usually silent for at most 2"),
    ("blocked", "service", "T-{n}", "ticket T-{n} has blocked the import of orders for 4 days"),
    ("frustration", "sentiment", "chat-{n}", "the tone fell from +0.4 to -0.7 within one conversation"),
    ("threshold", "support", "first_reply_hours", "first replies took {normal} h, the limit is 24 h"),
    ("cancel_intent", "sales", "", "the customer asked how to cancel"),
)
_PLAYBOOKS = {
    "relative": ("usage-drop", "guided_session", "video call"),
    "silence": ("gone-quiet", "owner_calls", "phone"),
    "blocked": ("unblock", "fix_with_engineer", "ticket"),
    "frustration": ("calm-down", "senior_takes_over", "phone"),
    "threshold": ("faster-replies", "priority_queue", "ticket"),
    "cancel_intent": ("save", "executive_call", "phone"),
}
_OWNERS = ("dana", "miguel", "aiko", "rescue-bot")
ORIGIN = {"topic": topics.USAGE, "partition": 0, "offset": 1}


def health(account_id: str, at: int, score: float | None, **changes: Any) -> dict[str, Any]:
    """A health row with all five dimensions around `score`."""
    base = 0.0 if score is None else score
    record = {
        "account_id": account_id,
        "as_of": at,
        "score": score,
        "confidence": 0.0 if score is None else 0.8,
        "band": band_of(score),
        "trend": 0.0,
        "dimensions": [
            {
                "name": name,
                "score": None if score is None or name == "sales" else max(0.0, min(100.0, base + 6.0 * (i - 2))),
                "confidence": 0.0 if score is None else 0.75,
                "weight": 0.2,
                "as_of": at,
            }
            for i, name in enumerate(_DIMENSIONS)
        ],
        "since_band_change": [],
        "last_change": [],
        "band_score": score,
        "open_episodes": [],
        "sentiment_scored_by": [],
        "covered": True,
        "segment": "smb",
        "stage": "adoption",
        "policy_version": "default-1",
        "origin": ORIGIN,
    }
    return record | changes


def band_of(score: float | None) -> str:
    """The band of a score, without hysteresis."""
    if score is None:
        return "unknown"
    return "healthy" if score >= 75 else "watch" if score >= 55 else "at_risk" if score >= 35 else "critical"


def cause(kind: str = "relative", severity: float = 0.6, text: str = "", number: int = 1) -> dict[str, Any]:
    """A cause of one of the sample kinds."""
    _, dimension, subject, words = next(case for case in _CASES if case[0] == kind)
    text = text or words.format(n=100 + number, low=12, normal=31)
    return {
        "kind": kind,
        "dimension": dimension,
        "subject": subject.format(n=100 + number),
        "severity": severity,
        "text": text,
    }


def step(account_id: str, state: str, seq: int, at: int, opened_at: int, **changes: Any) -> dict[str, Any]:
    """A record of `interventions`."""
    what = changes.pop("cause", None) or cause()
    name, action, channel = _PLAYBOOKS[what["kind"]]
    key = f"{what['kind']}:{what['dimension']}:{what['subject']}"
    record = {
        "intervention_id": intervention_id(account_id, key, 1),
        "seq": seq,
        "account_id": account_id,
        "state": state,
        "previous": None,
        "reason": state,
        "at": at,
        "cause": what,
        "onset_at": opened_at - 30 * HOUR,
        "opened_at": opened_at,
        "evidence": [
            {
                "name": "weekly_active_users",
                "value": 12.0,
                "expected": 31.0,
                "unit": "users",
                "event_id": "u-1",
                "at": at,
            },
            {"name": "goal_progress", "value": 0.42, "expected": 0.8, "unit": "", "event_id": "u-2", "at": at},
        ],
        "contributions": [
            {"dimension": "success", "name": "weekly_active_users", "points": -17.5, "event_id": "u-1", "at": at},
            {"dimension": "sentiment", "name": "chat", "points": -4.25, "event_id": "s-1", "at": at},
            {"dimension": "support", "name": "open_blockers", "points": -3.0, "event_id": None, "at": at},
            {"dimension": "service", "name": "freshness", "points": 0.5, "event_id": None, "at": at},
        ],
        "playbook": {
            "name": name,
            "step": 0,
            "action": action,
            "channel": channel,
            "for_user": "Your team's use has dropped; here is a session to get back to your goal.",
            "for_executive": "Use is 61 % below your normal; we have a plan to restore it.",
            "success": "Weekly active users are back at 31 for three days",
            "generic": False,
        },
        "authority": {"actor": "success_manager", "action": action, "limit": 200.0, "approval_needed": False},
        "ack_by": opened_at + 4 * HOUR,
        "act_by": opened_at + 2 * DAY,
        "verify_by": opened_at + 10 * DAY,
        "owner": None,
        "arm": "treated",
        "grade": None,
        "low_grade_cause": None,
        "chases": 0,
        "context": ["2 open tickets", "last promise kept"],
        "value": 24000.0,
        "policy_version": "default-1",
        "origin": ORIGIN,
        "traceparent": None,
    }
    return record | changes


def outcome(opened: dict[str, Any], result: str, seq: int, at: int, **changes: Any) -> dict[str, Any]:
    """A record of `intervention-outcomes` that follows an opened one."""
    well = result in {"back_on_track", "confirmed"}
    recovered_at = at - 6 * HOUR if well else None
    record = {
        "intervention_id": opened["intervention_id"],
        "seq": seq,
        "account_id": opened["account_id"],
        "outcome": result,
        "reason": result,
        "at": at,
        "cause": opened["cause"],
        "playbook": opened["playbook"]["name"],
        "arm": opened["arm"],
        "grade": 4 if well else 1,
        "missing": [] if well else ["action", "verification"],
        "low_grade_cause": None if well else "no_owner",
        "chases": 0 if well else 2,
        "acknowledged": well,
        "resolved": well,
        "onset_at": opened["onset_at"],
        "opened_at": opened["opened_at"],
        "acknowledged_at": opened["opened_at"] + HOUR if well else None,
        "acted_at": opened["opened_at"] + DAY if well else None,
        "recovered_at": recovered_at,
        "time_to_response_s": 3600.0 if well else None,
        "time_to_recovery_s": None if recovered_at is None else (recovered_at - opened["onset_at"]) / 1000,
        "promise_kept": True if well else None,
        "relapses": 0,
        "without_approval": True,
        "sentiment_shift": 0.31 if well else None,
        "value": opened["value"],
        "policy_version": "default-1",
        "origin": ORIGIN,
        "traceparent": None,
    }
    return record | changes


def suppressed(account_id: str, reason: str, at: int, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A record of `suppressed-interventions`."""
    what = cause()
    record = {
        "suppression_id": suppression_id(account_id, "relative", number),
        "seq": 0,
        "account_id": account_id,
        "at": at,
        "cause": what,
        "playbook": "usage-drop",
        "reason": reason,
        "until": at + 12 * HOUR,
        "detail": "1 of 1 interventions in 7 days",
        "intervention_id": None,
        "policy_version": "default-1",
        "origin": ORIGIN,
        "traceparent": None,
    }
    return record | changes


def samples(accounts: int = 60, seed: int = 7, days: int = 60) -> list[Sample]:
    """Output records of `accounts` accounts over `days` days, in order of time."""
    rng = random.Random(seed)
    found: list[tuple[int, Sample]] = []
    for number in range(accounts):
        for topic, record in _account(f"acct-{number:04d}", number, rng, days):
            found.append((record.get("at", record.get("as_of")), (topic, record["account_id"], record)))
    found.sort(key=lambda item: item[0])
    return [sample for _, sample in found]


def _account(account_id: str, number: int, rng: random.Random, days: int) -> Iterator[tuple[str, dict[str, Any]]]:
    segment = rng.choice(("smb", "mid", "enterprise"))
    profile = {"segment": segment, "covered": number % 17 != 5}
    if number % 23 == 7:
        yield topics.HEALTH, health(account_id, START + DAY, None, **profile)
        return
    drops = number % 3 != 0
    dropped_on = rng.uniform(0.3, 0.95) * days if drops else days + 1.0
    recovers = drops and number % 3 == 1
    back_on = dropped_on + rng.uniform(2, 9)
    level = rng.uniform(78, 95)
    band = ""
    band_score = level
    opened: dict[str, Any] | None = None
    for hour in range(0, days * 24, 12):
        at = START + hour * HOUR + rng.randrange(HOUR)
        day = hour / 24
        depth = 0.0 if day < dropped_on else min(1.0, (day - dropped_on) / 2.5)
        if recovers and day > back_on:
            depth = max(0.0, 1.0 - (day - back_on) / 3)
        score = max(3.0, min(99.0, level - depth * (35 + number % 20) + rng.gauss(0, 1.2)))
        row = health(account_id, at, round(score, 1), **profile)
        if row["band"] != band:
            band, band_score = row["band"], score
        moved = round(score - band_score, 2)
        row["since_band_change"] = [
            {"dimension": "success", "name": "weekly_active_users", "points": moved * 0.7, "event_id": "u-9", "at": at},
            {"dimension": "sentiment", "name": "chat", "points": moved * 0.3, "event_id": None, "at": at},
        ]
        row["trend"] = -12.0 if 0 < depth < 1 and not recovers else 0.4
        if opened is None and depth > 0.5:
            episode = list(_episode(account_id, number, at, back_on if recovers else None, days, rng))
            opened = episode[0][1]
            yield from episode
            if number % 4 == 0:
                yield topics.SUPPRESSED, suppressed(account_id, rng.choice(["cooldown", "quiet_hours"]), at + HOUR)
        if opened is not None:
            row["open_episodes"] = [opened["intervention_id"]]
        yield topics.HEALTH, row


def _episode(
    account_id: str, number: int, opened_at: int, back_on: float | None, days: int, rng: random.Random
) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = _CASES[number % len(_CASES)][0]
    common: dict[str, Any] = {
        "cause": cause(kind, severity=round(rng.uniform(0.2, 0.95), 2), number=number),
        "value": None if number % 11 == 0 else float(rng.randrange(4, 160) * 1000),
        "onset_at": opened_at - rng.randrange(2, 40) * HOUR,
    }
    end = START + days * DAY
    first = step(account_id, "opened", 0, opened_at, opened_at, **common)
    yield topics.INTERVENTIONS, first
    owner = rng.choice(_OWNERS)
    plan: list[tuple[str, int, dict[str, Any]]] = []
    if number % 5 == 2:
        plan.append(
            ("escalated", 5 * HOUR, {"owner": "team-lead", "reason": "no_acknowledgement", "grade": 0, "chases": 1})
        )
    else:
        plan.append(("owned", rng.randrange(10, 200) * MINUTE, {"owner": owner, "grade": 2}))
        if number % 4 != 3:
            plan.append(("acted", 22 * HOUR, {"owner": owner, "grade": 3}))
            plan.append(("verifying", 22 * HOUR + MINUTE, {"owner": owner, "grade": 3}))
    seq = 0
    previous = "opened"
    for state, after, changes in plan:
        at = opened_at + after
        if at > end:
            return
        seq += 1
        yield (
            topics.INTERVENTIONS,
            step(account_id, state, seq, at, opened_at, **(common | {"previous": previous} | changes)),
        )
        previous = state
    recovers = back_on is not None
    recovered = max(START + int((back_on or 0) * DAY), opened_at + 2 * DAY)
    endings = [("back_on_track", recovered + 6 * HOUR), ("confirmed", recovered + 7 * DAY)] if recovers else []
    if not recovers and number % 6 == 5:
        endings = [(rng.choice(["expired", "handled_unresolved", "new_normal"]), opened_at + 8 * DAY)]
    for result, at in endings:
        if at > end:
            return
        seq += 2
        changes = {"owner": owner, "previous": previous, "grade": 4 if recovers else 1}
        yield topics.INTERVENTIONS, step(account_id, result, seq - 1, at, opened_at, **(common | changes))
        yield topics.OUTCOMES, outcome(first, result, seq, at, chases=number % 2 if recovers else 2)
        previous = result


def write(settings: Settings, records: list[Sample]) -> None:
    """Encodes records by the schemas and produces them, keyed and partitioned as the worker does."""
    codec = Codec(settings)
    producer = Producer(
        {"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2", "log_level": 0, "linger.ms": 5}
    )
    failed: list[str] = []
    for topic, account_id, record in records:
        producer.produce(
            settings.topic(topic),
            codec.encode(topic, record),
            key=account_id.encode(),
            timestamp=record.get("at", record.get("as_of")),
            on_delivery=lambda error, _: failed.append(str(error)) if error else None,
        )
        producer.poll(0)
    unsent = producer.flush(30)
    if unsent or failed:
        raise RuntimeError(f"{unsent} records were not sent; errors: {failed[:3]}")


def main() -> None:
    """Write the samples to a broker."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.sample_outputs")
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--accounts", type=int, default=60)
    arguments = parser.parse_args()
    settings = Settings(bootstrap_servers=arguments.bootstrap, topic_prefix=arguments.prefix)
    write(settings, samples(arguments.accounts))


if __name__ == "__main__":
    main()
