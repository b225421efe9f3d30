"""The figures a customer-success lead wants, counted from a view."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from streams.domain.time import DAY, HOUR
from streams.views.episode import PHASES, EpisodeView
from streams.views.view import View

_BANDS = ("critical", "at_risk", "watch", "healthy", "unknown")


@dataclass(slots=True)
class Summary:
    """Counts and shares over everything seen. Shares lie in [0, 1] and are None when there is nothing to share."""

    stream_time: int = 0
    accounts: int = 0
    covered: int = 0
    """Accounts whose profile is known."""
    coverage: float | None = None
    bands: dict[str, int] = field(default_factory=dict)
    """Accounts by band, worst first."""
    episodes: int = 0
    open: int = 0
    """Episodes on which somebody has to do something."""
    by_phase: dict[str, int] = field(default_factory=dict)
    by_state: dict[str, int] = field(default_factory=dict)
    by_kind: dict[str, int] = field(default_factory=dict)
    by_playbook: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    """Episodes that are recovered or ended otherwise; false alarms and superseded ones are left out."""
    back_on_track: int = 0
    back_on_track_share: float | None = None
    """Recovered among settled."""
    unchased_share: float | None = None
    """Without a single chase by the customer, among recovered."""
    relapsed: int = 0
    """Episodes that relapsed at least once."""
    median_time_to_recovery_s: float | None = None
    """From the first causing event to recovery, over recovered episodes."""
    median_time_to_response_s: float | None = None
    grades: dict[str, int] = field(default_factory=dict)
    """Episodes by newest grade, 0 to 4, where one was given."""
    suppressed: dict[str, int] = field(default_factory=dict)
    """Interventions that were not fired, by reason."""
    value_at_risk: float = 0.0
    """Sum of the yearly value of accounts with open episodes, usd, where known."""
    value_recovered: float = 0.0
    """The same of accounts whose episodes are all well again."""

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def summarise(view: View) -> Summary:
    """Counts everything anew: about a microsecond an account and some microseconds an episode."""
    bands: Counter[str] = Counter()
    covered = 0
    for account in view.accounts.values():
        bands[account.band] += 1
        covered += bool(account.health and account.health["covered"])
    summary = Summary(
        stream_time=view.stream_time,
        accounts=len(view.accounts),
        covered=covered,
        coverage=_share(covered, len(view.accounts)),
        bands={band: bands.pop(band, 0) for band in _BANDS} | dict(bands),
        suppressed=dict(view.suppressed.most_common()),
    )
    _episodes(view, summary)
    return summary


def _episodes(view: View, summary: Summary) -> None:
    phases: Counter[str] = Counter(dict.fromkeys(dict.fromkeys(PHASES.values()), 0))
    states: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    playbooks: Counter[str] = Counter()
    grades: Counter[str] = Counter({str(grade): 0 for grade in range(5)})
    recovery: list[float] = []
    response: list[float] = []
    unchased = 0
    hurt: dict[str, float] = {}
    well: dict[str, float] = {}
    for episode in view.episodes.values():
        phase, state = episode.phase, episode.state
        phases[phase] += 1
        states[state] += 1
        kinds[str(episode.latest["cause"]["kind"])] += 1
        summary.settled += episode.settled
        if (step := episode.prescribed) is not None:
            playbooks[step["playbook"]["name"]] += 1
        if (grade := episode.grade) is not None:
            grades[str(grade)] += 1
        summary.relapsed += any(outcome["outcome"] == "relapsed" for outcome in episode.outcomes.values())
        outcome = episode.outcome
        if outcome is not None and outcome["time_to_response_s"] is not None:
            response.append(outcome["time_to_response_s"])
        if phase == "recovered":
            unchased += episode.chases == 0
            if outcome is not None and outcome["time_to_recovery_s"] is not None:
                recovery.append(outcome["time_to_recovery_s"])
        if (value := episode.value) is not None:
            if phase == "open":
                hurt[episode.account_id] = value
            elif phase == "recovered":
                well[episode.account_id] = value
    summary.episodes = len(view.episodes)
    summary.open = phases["open"]
    summary.by_phase = dict(phases)
    summary.by_state = dict(states.most_common())
    summary.by_kind = dict(kinds.most_common())
    summary.by_playbook = dict(playbooks.most_common())
    summary.back_on_track = phases["recovered"]
    summary.back_on_track_share = _share(phases["recovered"], summary.settled)
    summary.unchased_share = _share(unchased, phases["recovered"])
    summary.median_time_to_recovery_s = median(recovery) if recovery else None
    summary.median_time_to_response_s = median(response) if response else None
    summary.grades = dict(grades)
    summary.value_at_risk = sum(hurt.values())
    summary.value_recovered = sum(value for account, value in well.items() if account not in hurt)


@dataclass(slots=True, frozen=True)
class Urgent:
    """An open episode with its urgency: severity x yearly value x days open, in usd-days."""

    episode: EpisodeView
    urgency: float
    open_for: int
    """Time since the first causing event, ms: the recovery clock."""


def by_urgency(view: View) -> list[Urgent]:
    """Open episodes, the most urgent first.

    An unknown value counts as the median of the known ones, so that an account is not forgotten for want of a
    figure; an episode counts as open for at least an hour, so that a new one is not at the end of the list.
    """
    episodes = [episode for episode in view.episodes.values() if episode.phase == "open"]
    known = [value for episode in episodes if (value := episode.value) is not None]
    usual = median(known) if known else 1.0
    found = []
    for episode in episodes:
        latest = episode.latest
        open_for = max(view.stream_time - int(latest["onset_at"]), 0)
        value = episode.value
        worth = float(latest["cause"]["severity"]) * (usual if value is None else value)
        found.append(Urgent(episode, worth * max(open_for, HOUR) / DAY, open_for))
    found.sort(key=lambda urgent: (-urgent.urgency, urgent.episode.intervention_id))
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
