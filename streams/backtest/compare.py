"""What policies have made of the same history: rates, lead time before what hurts, and where they differ.

Lead time is the time from the opening of an episode to the next loss (churn, intent to cancel, contraction) or
complaint (new ticket, clearly negative words) of its account, when that came within a stated window. An episode without
one is called unconfirmed, not false: the history does not say what a drop would have led to, nor what was prevented.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from streams.backtest.episodes import EpisodeRow
from streams.backtest.fold import COMPLAINTS, LOSSES, Harm, PolicyResult, Result
from streams.domain.time import YEAR

GROUPS: dict[str, frozenset[str]] = {"loss": LOSSES, "complaint": COMPLAINTS}
"""What an episode may precede."""
HARMS: dict[str, str] = {
    "churned": "churn",
    "cancel_intent": "intent to cancel",
    "contracted": "contraction",
    "ticket": "new ticket",
    "negative_text": "clearly negative words",
}
"""Their names for people."""


@dataclass(slots=True)
class Leads:
    """How episodes and one group of events go together."""

    events: int = 0
    preceded: int = 0
    """Events with at least one episode opened within the window before them."""
    leads: list[int] = field(default_factory=list)
    """Of each episode that preceded one: time from its opening to the next event, ms, ascending."""
    without: int = 0
    """Episodes that no event followed within the window."""
    untold: int = 0
    """Episodes opened so late that the window reaches beyond the history."""

    @property
    def share_preceded(self) -> float | None:
        """Of the events; None when there are none."""
        return self.preceded / self.events if self.events else None

    @property
    def share_without(self) -> float | None:
        """Of the episodes of which the history tells; None when there are none."""
        told = len(self.leads) + self.without
        return self.without / told if told else None


@dataclass(slots=True)
class Figures:
    """One policy on the history."""

    name: str
    """By which the reader tells the policies apart; of several, also in the names of their files."""
    version: str
    result: PolicyResult
    years: float
    """Account-years that the history holds."""
    by_kind: Counter[str]
    by_end: Counter[str]
    accounts: int
    """Accounts with at least one episode."""
    recovery: list[int]
    """Time from onset to recovery of those that recovered, ms, ascending."""
    leads: dict[str, Leads]
    """By group; only groups of which the history holds events, and `any` of them when there are several."""

    @property
    def episodes(self) -> int:
        """How many episodes there were."""
        return len(self.result.episodes)

    @property
    def title(self) -> str:
        """The name, and the version where that is another."""
        return self.name if self.name == self.version else f"{self.name} (version {self.version})"

    def rate(self, count: int) -> float | None:
        """A count per account-year; None for a history without length."""
        return count / self.years if self.years > 0 else None


@dataclass(slots=True)
class Difference:
    """Where another policy saw an account otherwise than the first one."""

    account_id: str
    both: int
    first_only: list[EpisodeRow]
    other_only: list[EpisodeRow]

    @property
    def size(self) -> int:
        """Episodes that only one of them has."""
        return len(self.first_only) + len(self.other_only)


def account_years(result: Result) -> float:
    """From the first event of each account until it left, or the history ended."""
    total = 0
    for first, churned in result.spans.values():
        total += max(0, (result.end if churned is None else min(churned, result.end)) - first)
    return total / YEAR


def figures(result: Result, names: Sequence[tuple[str, str]], window: int) -> list[Figures]:
    """The figures of each policy; `names` has the name and the version of each, `window` is in ms."""
    years = account_years(result)
    harms = {
        group: [harm for harm in result.harms if harm.kind in kinds]
        for group, kinds in GROUPS.items()
        if any(harm.kind in kinds for harm in result.harms)
    }
    if len(harms) > 1:
        harms["any"] = result.harms
    made = []
    for (name, version), policy in zip(names, result.policies, strict=True):
        rows = policy.episodes
        recovery = sorted(row.recovered_at - row.onset_at for row in rows if row.recovered_at is not None)
        made.append(
            Figures(
                name,
                version,
                policy,
                years,
                Counter(row.kind for row in rows),
                Counter(row.ended_as for row in rows),
                len({row.account_id for row in rows}),
                recovery,
                {group: leads(rows, found, window, result.end) for group, found in harms.items()},
            )
        )
    return made


def leads(rows: Iterable[EpisodeRow], harms: Iterable[Harm], window: int, end: int) -> Leads:
    """How the episodes that say that something hurts go together with some events; times in ms."""
    harm_at = _by_account((harm.account_id, harm.at) for harm in harms)
    opened_at = _by_account((row.account_id, row.opened_at) for row in rows if row.harm)
    found = Leads()
    for account, events in harm_at.items():
        found.events += len(events)
        opened = opened_at.get(account, [])
        for at in events:
            found.preceded += bisect_left(opened, at) > bisect_left(opened, at - window)
    for account, openings in opened_at.items():
        events = harm_at.get(account, [])
        for at in openings:
            place = bisect_right(events, at)
            if place < len(events) and events[place] - at <= window:
                found.leads.append(events[place] - at)
            elif at + window > end:
                found.untold += 1
            else:
                found.without += 1
    found.leads.sort()
    return found


def _by_account(moments: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """The times of each account, ascending."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for account, at in sorted(moments):
        found[account].append(at)
    return found


def differences(first: Iterable[EpisodeRow], other: Iterable[EpisodeRow], tolerance: int) -> list[Difference]:
    """Accounts that two policies see differently, the largest difference first.

    Episodes on the same metric of an account are the same when their onsets lie within `tolerance` (ms); the nearest
    onsets are matched first, one to one.
    """
    rows: defaultdict[str, tuple[list[EpisodeRow], list[EpisodeRow]]] = defaultdict(lambda: ([], []))
    for side, found in enumerate((first, other)):
        for row in found:
            rows[row.account_id][side].append(row)
    made = []
    for account, (mine, theirs) in rows.items():
        pairs = sorted(
            (abs(a.onset_at - b.onset_at), i, j)
            for i, a in enumerate(mine)
            for j, b in enumerate(theirs)
            if a.metric == b.metric and abs(a.onset_at - b.onset_at) <= tolerance
        )
        taken: tuple[set[int], set[int]] = (set(), set())
        for _, i, j in pairs:
            if i not in taken[0] and j not in taken[1]:
                taken[0].add(i)
                taken[1].add(j)
        made.append(
            Difference(
                account,
                len(taken[0]),
                [row for i, row in enumerate(mine) if i not in taken[0]],
                [row for j, row in enumerate(theirs) if j not in taken[1]],
            )
        )
    return sorted((one for one in made if one.size), key=lambda one: (-one.size, one.account_id))


def agreed(first: Sequence[EpisodeRow], found: Iterable[Difference]) -> int:
    """Episodes that both policies have, from those of the first one."""
    return len(first) - sum(len(one.first_only) for one in found)


def quantile(ascending: Sequence[int], share: float) -> int | None:
    """The nearest value at or above a share of the values; None without values."""
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, max(0, -int(-share * len(ascending) // 1) - 1))]


def names_of(files: Sequence[str]) -> list[str]:
    """Names of policies that differ, from those of their files: numbered where these are the same."""
    counts: Mapping[str, int] = Counter(files)
    taken = {name for name in files if counts[name] == 1}
    made = []
    for name in files:
        numbered = (f"{name}-{number}" for number in count(1))
        made.append(name if counts[name] == 1 else next(one for one in numbered if one not in taken))
        taken.add(made[-1])
    return made
