"""The words in which records are told: states, reasons, grades, bands, money. Unknown codes read as they are."""

from __future__ import annotations

from streams.domain.time import format_time

GRADES = {0: "apathy", 1: "sympathy", 2: "empathy", 3: "action", 4: "compassion"}
"""Grades of an answer; 3 is acted but not verified."""

BANDS = {
    "unknown": "unknown",
    "healthy": "healthy",
    "watch": "on watch",
    "at_risk": "at risk",
    "critical": "critical",
}

STATES = {
    "held_out": "held out",
    "opened": "opened",
    "owned": "owned",
    "acting": "acting",
    "acted": "acted",
    "verifying": "verifying",
    "back_on_track": "back on track",
    "confirmed": "confirmed",
    "relapsed": "relapsed",
    "escalated": "escalated",
    "superseded": "superseded",
    "handled_unresolved": "handled, unresolved",
    "new_normal": "new normal",
    "expired": "expired",
    "withdrawn": "withdrawn",
}

KINDS = {
    "threshold": "fell below a level",
    "relative": "fell below its own normal",
    "forecast": "is about to fall",
    "silence": "has gone silent",
    "silent_start": "never started",
    "frustration": "lost patience",
    "blocked": "is blocked",
    "cancel_intent": "wants to leave",
    "notice": "is touched by an upstream problem",
}
"""What the account did, as the end of a sentence."""

SUPPRESSED = {
    "cooldown": "the account was contacted shortly before",
    "frequency_cap": "the account had as many interventions as it may get in this time",
    "quiet_hours": "it is night for the customer",
    "snoozed": "the account is snoozed",
    "growth_inhibited": "growth waits while something hurts",
    "no_authority": "nobody may take the step",
    "no_playbook": "no playbook matches",
    "feed_silent": "the data feed itself is silent, which says nothing about the customer",
    "kill_switch": "interventions are switched off",
    "churned": "the account has left",
    "low_confidence": "the evidence is too weak",
    "duplicate": "it is already being worked on",
    "holdout": "the account is in the untreated group of the experiment",
}

MISSING = {
    "acknowledgement": "an acknowledgement that names the cause",
    "action": "the prescribed action",
    "follow_up": "a follow-up",
    "verification": "verified recovery",
    "reason": "an honest reason",
    "alternative": "an alternative",
}

LOW_GRADE_CAUSES = {
    "no_owner": "nobody owned it",
    "over_capacity": "the owner had too much on the plate",
    "no_authority": "nobody had the authority to act",
    "no_playbook": "no playbook prescribed a step",
}


def plain(code: str) -> str:
    """A code as words: `no_ack` reads `no ack`."""
    return code.replace("_", " ").replace("-", " ").strip()


def say(table: dict[str, str], code: str) -> str:
    """The words of a code, or the code itself as words."""
    return table.get(code) or plain(code)


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def number(value: float) -> str:
    """A figure with as many digits as people want: `1,234`, `12.5`, `0.034`."""
    if abs(value) >= 100 or value == round(value):  # noqa: PLR2004  from here on decimals are noise
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"  # noqa: PLR2004  three digits in all


def usd(value: float) -> str:
    """Whole dollars: `$12,000`."""
    return f"${value:,.0f}"


def percent(share: float) -> str:
    """`64 %` of a share in [0, 1]."""
    return f"{share * 100:.0f} %"


def severity(value: float) -> str:
    """mild, clear or severe, of a severity in [0, 1]: thirds, for reading only."""
    return "severe" if value >= 2 / 3 else "clear" if value >= 1 / 3 else "mild"


def moment(at: int) -> str:
    """Date and time of day in UTC, to the minute: finer is noise to a reader."""
    return format_time(at)[:16].replace("T", " ")


def printable(text: str) -> str:
    """Fit for a terminal: control characters, which could move its cursor or worse, are shown as a mark."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def sentence(text: str) -> str:
    """Begins with a capital and ends with a stop."""
    text = text.strip()
    return text and (text[0].upper() + text[1:]) + ("" if text[-1] in ".!?" else ".")
