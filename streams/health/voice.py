"""The customer's voice: utterances and survey answers, each against what is normal on its channel."""

from __future__ import annotations

from streams.domain.events import SentimentEvent
from streams.domain.signal import ChannelState, Signals, Utterance
from streams.health import interaction
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer

_KEPT = 32
_CHANNELS = 12
_GAIN = 0.05
_PRIOR_MEAN = 0.0
_PRIOR = 3.0
"""A channel's normal starts at neutral, worth three utterances."""
_POLITE = 4
"""Fewer words than this prove nothing about a better mood."""
_CLEAR = 0.05
_SURVEYS = {"nps": (0.0, 10.0), "csat": (1.0, 5.0), "ces": (1.0, 7.0)}


def survey_score(survey: str, value: float) -> float:
    """A survey answer on [-1, 1], linear between the ends of its scale and clipped."""
    low, high = _SURVEYS[survey]
    return max(-1.0, min(1.0, 2 * (value - low) / (high - low) - 1))


def observe(signals: Signals, event: SentimentEvent, at: int, policy: Policy, scorer: Scorer | None) -> str:
    """Takes in a sentiment event; only the customer's words count. The outcome, for the tallies."""
    if event["speaker"] != "customer":
        return "applied"
    channel, score, text = event["channel"], event["score"], event["text"]
    survey, answer = event["survey"], event["survey_value"]
    substantial = True
    if survey in _SURVEYS and answer is not None:
        score, channel = survey_score(survey, answer), f"{channel}/{survey}"
    elif score is None:
        if not text:
            return "empty"
        if scorer is None:
            return "unscored"
        score = scorer.score(text)
    if text is not None and survey not in _SURVEYS:
        substantial = len(text.split()) >= _POLITE or score < -_CLEAR
    score = max(-1.0, min(1.0, score))
    hear(signals, channel, score, at, event["event_id"], substantial=substantial)
    interaction_id = event["interaction_id"]
    if interaction_id is not None:
        rules = policy.detection.frustration
        interaction.add(signals.interactions, interaction_id, channel, at, score, event["event_id"], rules)
    return "applied"


def hear(signals: Signals, channel: str, score: float, at: int, event_id: str, *, substantial: bool = True) -> None:
    """Takes in a score in [-1, 1] of the customer on a channel."""
    channels = signals.channels
    state = channels.get(channel)
    if state is None:
        # Of very many channels the later ones share a normal: state stays bounded.
        name = channel if len(channels) < _CHANNELS else "other"
        state = channels.setdefault(name, ChannelState())
    signals.utterances.append(Utterance(at, channel, score, usual(state), event_id, substantial))
    if len(signals.utterances) > _KEPT:
        del signals.utterances[0]
    state.n += 1
    gain = max(_GAIN, 1 / state.n)
    state.spread += gain * (abs(score - state.mean) - state.spread)
    state.mean += gain * (score - state.mean)


def usual(state: ChannelState) -> float:
    """How the customer usually sounds there, -1..1, drawn to neutral while little is known."""
    return (state.mean * state.n + _PRIOR_MEAN * _PRIOR) / (state.n + _PRIOR)
