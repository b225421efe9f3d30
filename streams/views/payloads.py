"""What the API and `explain --json` answer, from the view. Times are in ms; what people read is there as text too."""

from __future__ import annotations

from typing import Any

from streams.domain.time import SECOND, format_duration, format_time
from streams.views.episode import EpisodeView
from streams.views.story import account_story, account_summary, episode_story
from streams.views.summary import Summary, Urgent
from streams.views.view import AccountView
from streams.views.words import (
    BANDS,
    GRADES,
    KINDS,
    STATES,
    SUPPRESSED,
    plain,
    say,
    sentence,
    severity,
    usd,
)

EPISODES_SHOWN = 100
"""Newest episodes of an account that are answered in full."""
LINES_SHOWN = 500
"""Newest lines of a story."""


def overview(summary: Summary, urgent: list[Urgent], limit: int) -> dict[str, Any]:
    """Figures over everything, and the most urgent open episodes."""
    figures = summary.record()
    recovery, response = summary.median_time_to_recovery_s, summary.median_time_to_response_s
    figures["median_time_to_recovery"] = None if recovery is None else format_duration(recovery * SECOND)
    figures["median_time_to_response"] = None if response is None else format_duration(response * SECOND)
    figures["value_at_risk_text"] = usd(summary.value_at_risk)
    figures["value_recovered_text"] = usd(summary.value_recovered)
    highest = urgent[0].urgency if urgent else 0.0
    return {
        "figures": figures,
        "urgent": [
            episode_row(each.episode, summary.stream_time)
            | {"urgency": each.urgency, "urgency_share": each.urgency / highest if highest else 0.0}
            for each in urgent[:limit]
        ],
        "words": {
            "bands": {code: say(BANDS, code) for code in summary.bands},
            "states": {code: say(STATES, code) for code in summary.by_state},
            "kinds": {code: say(KINDS, code) for code in summary.by_kind},
            "grades": {str(grade): name for grade, name in GRADES.items()},
            "suppressed": {code: sentence(say(SUPPRESSED, code)) for code in summary.suppressed},
        },
    }


def episode_row(episode: EpisodeView, now: int) -> dict[str, Any]:
    """An episode in one line of a table."""
    latest, step = episode.latest, episode.step
    until = now if episode.ended_at is None else episode.ended_at
    return {
        "intervention_id": episode.intervention_id,
        "account_id": episode.account_id,
        "state": episode.state,
        "state_text": say(STATES, episode.state),
        "phase": episode.phase,
        "kind": latest["cause"]["kind"],
        "dimension": latest["cause"]["dimension"],
        "text": sentence(latest["cause"]["text"]),
        "severity": latest["cause"]["severity"],
        "severity_text": severity(latest["cause"]["severity"]),
        "value": episode.value,
        "value_text": None if episode.value is None else usd(episode.value),
        "onset_at": latest["onset_at"],
        "opened_at": latest["opened_at"],
        "opened": format_time(latest["opened_at"]),
        "open_for_ms": max(until - int(latest["onset_at"]), 0),
        "open_for": format_duration(max(until - int(latest["onset_at"]), 0)),
        "owner": step["owner"] if step else None,
        "grade": episode.grade,
        "grade_text": None if episode.grade is None else GRADES.get(episode.grade),
        "chases": episode.chases,
        "arm": latest["arm"],
    }


def episode_full(episode: EpisodeView, now: int) -> dict[str, Any]:
    """An episode with every record and its story."""
    prescribed = episode.prescribed
    return episode_row(episode, now) | {
        "prescribed": None
        if prescribed is None
        else prescribed["playbook"] | {"action_text": plain(prescribed["playbook"]["action"])},
        "context": prescribed["context"] if prescribed else [],
        "records": [
            {"topic": "intervention-outcomes" if "outcome" in record else "interventions"} | record
            for _, record in episode.records()
        ],
        "story": [line.record() for line in episode_story(episode, now)],
    }


def account_row(account: AccountView) -> dict[str, Any]:
    """An account in one line of a list."""
    health = account.health
    return {
        "account_id": account.account_id,
        "band": account.band,
        "band_text": say(BANDS, account.band),
        "score": health["score"] if health else None,
        "trend": health["trend"] if health else None,
        "confidence": health["confidence"] if health else None,
        "segment": health["segment"] if health else "",
        "covered": bool(health and health["covered"]),
        "open": sum(episode.phase == "open" for episode in account.episodes.values()),
        "episodes": len(account.episodes),
    }


def account_full(account: AccountView, now: int) -> dict[str, Any]:
    """Everything known of an account: health and its reasons, history, episodes, suppressed, story."""
    newest = sorted(account.episodes.values(), key=lambda e: int(e.latest["opened_at"]), reverse=True)[:EPISODES_SHOWN]
    return account_row(account) | {
        "value": account.value,
        "value_text": None if account.value is None else usd(account.value),
        "health": account.health,
        "history": [point._asdict() for point in account.history],
        "summary": account_summary(account, now),
        "episodes_full": [episode_full(episode, now) for episode in newest],
        "suppressed": list(account.suppressed.values()),
        "suppressed_total": account.suppressed_total,
        "story": [line.record() for line in account_story(account, now)[-LINES_SHOWN:]],
    }
