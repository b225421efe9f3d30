"""Compares what was raised with what was true."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from streams.domain.time import DAY
from streams.simulation.drops import BY_KIND, Drop
from streams.simulation.world import World, belongs
from streams.views.episode import EpisodeView
from streams.views.view import View

_HURTS = 0.5
"""From this severity on an account is more hurt than well."""

_OUTAGE_ECHO = 4 * DAY
"""How long after an outage a false alarm is put down to it: three daily figures, and a night."""


@dataclass(slots=True)
class Treated:
    """Drops that people answered in one way, and what became of them."""

    drops: int = 0
    recovered: int = 0
    """Reported as recovered, and not fallen again by the end."""


@dataclass(slots=True)
class Verdict:
    """Seeded against found. Times in ms. A drop is found when an episode was opened (or held out) for it."""

    seeded: Counter[str] = field(default_factory=Counter)
    """Drops by kind that had begun by then."""
    found: Counter[str] = field(default_factory=Counter)
    """Of these, found, by the kind that was seeded."""
    found_as: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same by (seeded kind, kind of the first episode)."""
    held_back: Counter[str] = field(default_factory=Counter)
    """Seen but only suppressed, by seeded kind."""
    missed: list[Drop] = field(default_factory=list)
    """Neither found nor seen."""
    fresh: Counter[str] = field(default_factory=Counter)
    """The same, but begun too recently to be judged, by kind."""
    delays: dict[str, list[int]] = field(default_factory=dict)
    """From start to the first episode, by seeded kind."""
    false: list[EpisodeView] = field(default_factory=list)
    """Episodes that no drop explains."""
    false_in_outage: int = 0
    """Of these, raised while the usage feed was out or within four days after."""
    episodes: int = 0
    treated: dict[str, Treated] = field(default_factory=dict)
    """Found drops by kind of responder."""
    too_early: int = 0
    """Recoveries that were reported although the account was not well."""

    def delay(self) -> float | None:
        """Median time from start to episode over all kinds, ms."""
        every = [delay for delays in self.delays.values() for delay in delays]
        return median(every) if every else None


def judge(world: World, view: View, now: int) -> Verdict:
    """The verdict at stream time `now`."""
    verdict = Verdict(episodes=len(view.episodes))
    drops = {drop.account_id: drop for drop in world.drops if drop.start <= now}
    theirs: dict[str, list[EpisodeView]] = {account_id: [] for account_id in drops}
    for episode in view.episodes.values():
        opened = int(episode.first["opened_at"])
        drop = drops.get(episode.account_id)
        if drop is not None and belongs(drop, opened):
            theirs[episode.account_id].append(episode)
        else:
            verdict.false.append(episode)
            verdict.false_in_outage += world.outage.start <= opened < world.outage.end + _OUTAGE_ECHO
    for account_id, drop in drops.items():
        verdict.seeded[drop.kind] += 1
        episodes = sorted(theirs[account_id], key=lambda episode: int(episode.first["opened_at"]))
        if episodes:
            _found(verdict, drop, episodes)
        elif _suppressed(view, drop):
            verdict.held_back[drop.kind] += 1
        elif now - drop.start < BY_KIND[drop.kind].shows:
            verdict.fresh[drop.kind] += 1
        else:
            verdict.missed.append(drop)
    return verdict


def _found(verdict: Verdict, drop: Drop, episodes: list[EpisodeView]) -> None:
    first = episodes[0].first
    verdict.found[drop.kind] += 1
    verdict.found_as[drop.kind, str(first["cause"]["kind"])] += 1
    verdict.delays.setdefault(drop.kind, []).append(max(0, int(first["opened_at"]) - drop.start))
    treated = verdict.treated.setdefault(drop.responder, Treated())
    treated.drops += 1
    treated.recovered += any(e.phase == "recovered" for e in episodes) and all(e.phase != "open" for e in episodes)
    for episode in episodes:
        for outcome in episode.outcomes.values():
            if outcome["outcome"] == "back_on_track":
                verdict.too_early += drop.severity(int(outcome["at"])) > _HURTS


def _suppressed(view: View, drop: Drop) -> bool:
    account = view.accounts.get(drop.account_id)
    return account is not None and any(belongs(drop, int(record["at"])) for record in account.suppressed.values())
