"""What customers say: sentences by mood, conversations whose mood moves, and surveys."""

from __future__ import annotations

from random import Random

from streams.simulation.events import Event

_SENTENCES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (
        -0.75,
        (
            "This is terrible, nothing works and nobody helps.",
            "I am really angry now, this is a disaster for our team.",
            "Awful. We are losing money because of this failure.",
            "Your support is useless, I hate having to write again.",
        ),
    ),
    (
        -0.4,
        (
            "I am disappointed, this problem is still there.",
            "That did not help, the error is annoying my team.",
            "We are frustrated, the report failed again.",
            "This is bad, we lost another morning on it.",
        ),
    ),
    (
        0.0,
        (
            "Which menu is the export in?",
            "We use the second plan and have two offices.",
            "The file is attached, it has about forty rows.",
            "I will look at it this afternoon.",
        ),
    ),
    (
        0.4,
        (
            "Thanks, that looks fine.",
            "Good, the new report helps us.",
            "That works, thank you.",
            "Nice, the team likes the new view.",
        ),
    ),
    (
        0.75,
        (
            "Excellent, this is great, thank you so much!",
            "We love it, it saves us hours every week.",
            "Perfect, wonderful support as always.",
            "Great help, I am really happy with this.",
        ),
    ),
)
_AGENT = (
    "Thank you for writing, let me look.",
    "Could you tell me which page you were on?",
    "I see. One moment please.",
    "Is there anything else?",
)
_SCORED = 0.6
"""Share of what is said that arrives scored; the rest is raw text."""
_SPREAD = 0.15


def said(rng: Random, mood: float) -> Event:
    """Fields of one customer utterance at a mood in [-1, 1]: always its text, often its score."""
    felt = max(-1.0, min(1.0, rng.gauss(mood, _SPREAD)))
    centre, sentences = min(_SENTENCES, key=lambda bucket: abs(bucket[0] - felt))
    score = max(-1.0, min(1.0, rng.gauss(centre, _SPREAD / 2)))
    return {
        "speaker": "customer",
        "text": rng.choice(sentences),
        "score": round(score, 3) if rng.random() < _SCORED else None,
    }


def conversation(rng: Random, turns: int, begins: float, ends: float) -> list[Event]:
    """Fields of a conversation: `turns` customer utterances, agent between them, mood moving from one to the other."""
    lines: list[Event] = []
    for turn in range(turns):
        mood = begins + (ends - begins) * turn / max(1, turns - 1)
        lines.append({**said(rng, mood), "position": len(lines)})
        lines.append({"speaker": "agent", "text": rng.choice(_AGENT), "position": len(lines)})
    return lines


def nps(rng: Random, mood: float) -> float:
    """Answer to "would you recommend us", 0..10, at a mood in [-1, 1]."""
    return float(max(0, min(10, round(rng.gauss(6.8 + 6 * mood, 1.1)))))


def satisfaction(rng: Random, mood: float) -> float:
    """Stars on closing a ticket, 1..5, at a mood in [-1, 1]."""
    return float(max(1, min(5, round(rng.gauss(3.6 + 2 * mood, 0.6)))))
