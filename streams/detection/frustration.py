"""Sentiment that falls inside one conversation, seen while it goes on, or from one conversation to the next.

The sentiment shift of an interaction is (mean end - mean start)/2 over the customer's utterances
(`health/interaction.py`). Over interactions, the start is what was usual on their channels before, and the end is the
mean of the newest ones. A single angry remark is no fall; it ages into the sentiment dimension instead.
"""

from __future__ import annotations

from math import sqrt

from streams.domain.account import AccountState
from streams.domain.finding import Evidence, Finding
from streams.domain.signal import Signals, Utterance
from streams.health import interaction, voice
from streams.policy.model import Policy

MOOD = "mood"
"""Subject of a fall over interactions."""
_KNOWN = 5
"""Utterances on a channel before its normal is one."""
_Z = 3.0
"""Standard errors of the mean that the fall must exceed: chance does it once in some 700 interactions."""
_TO_SD = 1.25
"""Standard deviation of normal noise over its mean absolute deviation, sqrt(pi / 2)."""


def findings(account: AccountState, now: int, policy: Policy) -> list[Finding]:
    """Conversations that turned sour, and a mood that fell over several; each reported once."""
    found = _inside(account, now, policy)
    if found:
        return found  # one conversation is the nearer cause: it names what is to be mended
    over = _over_interactions(account, now, policy)
    return [over] if over is not None else []


def _inside(account: AccountState, now: int, policy: Policy) -> list[Finding]:
    found: list[Finding] = []
    rules = policy.detection.frustration
    for key, talk in account.signals.interactions.items():
        if talk.reported:
            continue
        both = interaction.ends(talk.scores, rules.min_utterances)
        if both is None:
            continue
        start, end = both
        shift = (end - start) / 2
        if shift > rules.shift or end >= rules.end:
            continue
        talk.reported = True
        found.append(
            Finding(
                kind="frustration",
                dimension="sentiment",
                subject=key,
                severity=_severity(shift, end),
                confidence=min(1.0, 0.5 + 0.05 * talk.count),
                onset_at=talk.started_at,
                at=now,
                text=f"The mood fell from {start:+.2f} to {end:+.2f} in one {talk.channel} conversation",
                evidence=(Evidence("sentiment", end, talk.last_at, start, "-1..1", talk.event_id, talk.scored_by),),
                baseline=_usual_before(account, talk.channel, talk.started_at),
            )
        )
    return found


def _over_interactions(account: AccountState, now: int, policy: Policy) -> Finding | None:
    rules, signals = policy.detection.frustration, account.signals
    key = f"frustration:{MOOD}"
    newest = signals.utterances[-1] if signals.utterances else None
    if newest is None or (key not in signals.reported and (not newest.substantial or newest.score >= newest.normal)):
        return None  # most words end here: they are no worse than usual
    talks = _newest(signals.utterances, rules.min_interactions)
    if len(talks) < rules.min_interactions:
        return None
    fall = _Fall(signals, talks)
    shift = (fall.end - fall.start) / 2
    if key in signals.reported:
        if shift > rules.shift / 2:
            del signals.reported[key]
        return None
    bound = min(2 * rules.shift, -_Z * fall.noise / sqrt(len(talks)))
    if not fall.known or 2 * shift > bound or fall.end >= rules.end or fall.best >= 0:
        return None
    if any(episode.kind == "frustration" and episode.open for episode in account.episodes.values()):
        return None
    signals.reported[key] = now
    return Finding(
        kind="frustration",
        dimension="sentiment",
        subject=MOOD,
        severity=_severity(shift, fall.end),
        confidence=min(1.0, 0.5 + 0.05 * sum(map(len, talks))),
        onset_at=talks[0][0].at,
        at=now,
        text=f"The mood fell from {fall.start:+.2f} to {fall.end:+.2f} over {len(talks)} conversations",
        evidence=(Evidence("sentiment", fall.end, newest.at, fall.start, "-1..1", newest.event_id, newest.scored_by),),
        baseline=fall.start,
    )


class _Fall:
    """The newest interactions against what was usual on their channels before them. All figures in -1..1.

    `start` is what was usual, `end` the mean of the interactions, each counted once; `best` the deviation of the best
    one, `noise` the standard deviation of single utterances; `known` is False when a normal is still being learnt, or
    when they were scored by more than one model.
    """

    def __init__(self, signals: Signals, talks: list[list[Utterance]]) -> None:
        said = [one for talk in talks for one in talk]
        normals: dict[str, float] = {}
        for one in said:
            normals.setdefault(one.channel, one.normal)
        counts = {name: sum(one.channel == name for one in said) for name in normals}
        states = {name: voice.channel_of(signals, name) for name in normals}
        self.known = len(voice.models_of(said)) <= 1 and all(
            state is not None and state.n - counts[name] >= _KNOWN for name, state in states.items()
        )
        self.noise = _TO_SD * max((state.spread for state in states.values() if state is not None), default=0.0)
        means = [sum(one.score for one in talk) / len(talk) for talk in talks]
        usual = [sum(normals[one.channel] for one in talk) / len(talk) for talk in talks]
        self.start = sum(usual) / len(usual)
        self.end = sum(means) / len(means)
        self.best = max(mean - normal for mean, normal in zip(means, usual, strict=True))


def _newest(utterances: list[Utterance], most: int) -> list[list[Utterance]]:
    """The newest interactions, oldest first; a remark outside of conversations is one of its own.

    Short polite words after anger do not count as a better mood, so words that prove nothing are left out.
    """
    talks: list[list[Utterance]] = []
    for said in reversed(utterances):
        if not said.substantial:
            continue
        if talks and said.interaction and said.interaction == talks[-1][-1].interaction:
            talks[-1].append(said)
        elif len(talks) == most:
            break
        else:
            talks.append([said])
    return [talk[::-1] for talk in reversed(talks)]


def _severity(shift: float, end: float) -> float:
    return min(1.0, 0.4 - shift / 2 - end / 4)


def _usual_before(account: AccountState, channel: str, started_at: int) -> float | None:
    """How the customer usually sounded on the channel when the conversation began; None when that is forgotten."""
    for said in account.signals.utterances:
        if said.channel == channel and said.at >= started_at:
            return said.normal
    return None
