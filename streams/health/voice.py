"""The customer's voice: utterances and survey answers, each against what is normal on its channel.

Scores that a model gave to raw text carry its name and version. The scores of two models are not compared: when the
model changes, what is normal on a channel is learnt anew, beginning with what was normal before.
"""

from __future__ import annotations

from streams.domain.events import SentimentEvent
from streams.domain.ids import event_hash
from streams.domain.partition import PartitionState
from streams.domain.signal import ChannelState, Signals, Utterance
from streams.health import interaction
from streams.health.courtesy import substantial
from streams.policy.model import Policy
from streams.sentiment.scorer import Scorer

_KEPT = 32
_CHANNELS = 12
_OTHER = "other"
_GAIN = 0.05
_PRIOR_MEAN = 0.0
_PRIOR = 3
"""A channel's normal starts at neutral, worth three utterances."""
_CLEAR = 0.05
_SHORT_HASH = 0xFFFFFF
_SURVEYS = {"nps": (0.0, 10.0), "csat": (1.0, 5.0), "ces": (1.0, 7.0)}


def survey_score(survey: str, value: float) -> float:
    """A survey answer on [-1, 1], linear between the ends of its scale and clipped."""
    low, high = _SURVEYS[survey]
    return max(-1.0, min(1.0, 2 * (value - low) / (high - low) - 1))


def observe(
    signals: Signals, partition: PartitionState, event: SentimentEvent, at: int, policy: Policy, scorer: Scorer | None
) -> str:
    """Takes in a sentiment event; only the customer's words count. The outcome, for the tallies."""
    if event["speaker"] != "customer":
        return "applied"
    channel, score, text = event["channel"], event["score"], event["text"]
    survey, answer = event["survey"], event["survey_value"]
    scored_by = ""
    if survey in _SURVEYS and answer is not None:
        score, channel = survey_score(survey, answer), f"{channel}/{survey}"
    elif score is None:
        if not text or text.isspace():
            return "empty"
        if scorer is None:
            return "unscored"
        score, scored_by = scorer.score(text), scorer.name
        partition.scorer = scored_by
    score = max(-1.0, min(1.0, score))
    proof = text is None or survey in _SURVEYS or score < -_CLEAR or substantial(text)
    event_id, talk = event["event_id"], event["interaction_id"]
    hear(signals, channel, score, at, event_id, substantial=proof, scored_by=scored_by, interaction_id=talk)
    if talk is not None:
        rules = policy.detection.frustration
        interaction.add(
            signals.interactions, talk, channel, at, score, event_id, rules, substantial=proof, scored_by=scored_by
        )
    return "applied"


def hear(
    signals: Signals,
    channel: str,
    score: float,
    at: int,
    event_id: str,
    *,
    substantial: bool = True,
    scored_by: str = "",
    interaction_id: str | None = None,
) -> None:
    """Takes in a score in [-1, 1] of the customer on a channel."""
    channels = signals.channels
    state = channels.get(channel)
    if state is None:
        # Of very many channels the later ones share a normal: state stays bounded.
        name = channel if len(channels) < _CHANNELS else _OTHER
        state = channels.setdefault(name, ChannelState())
    if scored_by:
        if state.scored_by and state.scored_by != scored_by:
            state.n = min(state.n, _PRIOR)
        state.scored_by = scored_by
    talk = event_hash(interaction_id) & _SHORT_HASH if interaction_id is not None else 0
    said = Utterance(at, channel, score, usual(state), event_id, substantial, scored_by, talk)
    signals.utterances.append(said)
    if len(signals.utterances) > _KEPT:
        del signals.utterances[0]
    state.n += 1
    gain = max(_GAIN, 1 / state.n)
    state.spread += gain * (abs(score - state.mean) - state.spread)
    state.mean += gain * (score - state.mean)


def usual(state: ChannelState) -> float:
    """How the customer usually sounds there, -1..1, drawn to neutral while little is known."""
    return (state.mean * state.n + _PRIOR_MEAN * _PRIOR) / (state.n + _PRIOR)


def channel_of(signals: Signals, channel: str) -> ChannelState | None:
    """What is known of a channel; of one too many, what is known of all of these together."""
    return signals.channels.get(channel) or signals.channels.get(_OTHER)


def models_of(utterances: list[Utterance]) -> list[str]:
    """The models that scored any of them, in order of first use; empty when all scores came with the events."""
    return [name for name in dict.fromkeys(said.scored_by for said in utterances) if name]
