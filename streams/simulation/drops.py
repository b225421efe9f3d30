"""Drops: what goes wrong in an account, how deep, and how it goes on."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from streams.domain.time import DAY, HOUR
from streams.simulation.chance import between, stream

WELL, BADLY, ABSENT, HONEST_NO = "well", "badly", "absent", "honest_no"
RESPONDERS = (WELL, BADLY, ABSENT, HONEST_NO)
"""How people answer: act and follow up; kind words and a link; not at all; say no honestly, with an alternative."""

_RECOVERED_AT = 0.1
"""Below this share of its depth a drop counts as over."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a kind of drop is like. Durations in ms, drawn uniformly from the pairs; `depth` in shares of normal use."""

    kind: str
    dimension: str
    subject: str
    share: float
    """How many accounts it strikes, as a share."""
    ramp: tuple[int, int]
    depth: tuple[float, float]
    heals: tuple[int, int]
    start: tuple[float, float]
    """When it begins, as a share of the simulated time."""
    shows: int
    """After this long it should have been seen."""


_RAMP = (2 * DAY, 3 * DAY)
_AT_ONCE = (HOUR, 2 * HOUR)
_MIDDLE = (0.36, 0.68)
RECIPES = (
    Recipe("relative", "success", "active_users", 0.11, _RAMP, (0.4, 0.7), (2 * DAY, 5 * DAY), _MIDDLE, 7 * DAY),
    Recipe(
        "forecast",
        "success",
        "active_users",
        0.05,
        (28 * DAY, 40 * DAY),
        (0.55, 0.8),
        (3 * DAY, 6 * DAY),
        (0.27, 0.4),
        24 * DAY,
    ),
    Recipe("threshold", "sentiment", "", 0.05, (3 * DAY, 6 * DAY), (0.4, 0.6), (3 * DAY, 6 * DAY), _MIDDLE, 10 * DAY),
    Recipe("silence", "success", "", 0.06, _AT_ONCE, (1.0, 1.0), (DAY, 2 * DAY), _MIDDLE, 7 * DAY),
    Recipe("silent_start", "success", "", 0.04, _AT_ONCE, (1.0, 1.0), (DAY, 2 * DAY), (0.2, 0.7), 15 * DAY),
    Recipe("frustration", "sentiment", "", 0.07, _AT_ONCE, (0.05, 0.15), (DAY, 4 * DAY), (0.3, 0.72), 4 * DAY),
    Recipe("blocked", "support", "", 0.08, _AT_ONCE, (0.05, 0.25), (HOUR, 12 * HOUR), (0.3, 0.72), 4 * DAY),
    Recipe("cancel_intent", "sales", "", 0.03, (DAY, 3 * DAY), (0.2, 0.4), (2 * DAY, 5 * DAY), _MIDDLE, DAY),
)
BY_KIND = {recipe.kind: recipe for recipe in RECIPES}
NEW_ACCOUNT = "silent_start"
"""The one kind that strikes accounts created on the way; the others need a normal to fall from."""

_MIX = ((WELL, 0.5), (BADLY, 0.2), (ABSENT, 0.2), (HONEST_NO, 0.1))
_RELAPSES = 0.12
_HEALS_ALONE = 0.12
_RELAPSE_AFTER = (4 * DAY, 9 * DAY)


@dataclass(slots=True)
class Drop:
    """One thing that went wrong. `responder` says how people will answer it; times in ms."""

    number: int
    account_id: str
    kind: str
    dimension: str
    subject: str
    start: int
    ramp: int
    depth: float
    heals_in: int
    responder: str
    relapse_after: int | None
    """How long after its recovery it comes back once; None: never."""
    alone_after: int | None
    """How long after its start it heals without any help; None: never."""
    curve: list[tuple[int, float]] = field(default_factory=list)
    """Severity in [0, 1] over time, as corners of straight lines."""
    recoveries: list[int] = field(default_factory=list)
    """True recoveries: where the severity is (or will be) gone."""
    relapsed_at: int | None = None
    acted_at: int | None = None
    closed_as: str = ""
    """`honest_no` or `churned`, when it ended without recovery."""
    closed_at: int | None = None

    def __post_init__(self) -> None:
        if not self.curve:
            self.curve = [(self.start, 0.0), (self.start + self.ramp, 1.0)]

    def severity(self, at: int) -> float:
        """How much of the drop is there at `at`, in [0, 1]."""
        place = bisect_right(self.curve, at, key=lambda corner: corner[0])
        if place == 0:
            return 0.0
        if place == len(self.curve):
            return self.curve[-1][1]
        (t0, s0), (t1, s1) = self.curve[place - 1], self.curve[place]
        return s0 + (s1 - s0) * (at - t0) / (t1 - t0)

    def active(self, at: int) -> bool:
        """True while it hurts."""
        return at >= self.start and (self.severity(at) > _RECOVERED_AT or at < self.curve[1][0])

    def heal(self, at: int) -> bool:
        """Begins to heal at `at`; False, and nothing changes, when there is nothing to heal or it heals already."""
        level = self.severity(at)
        if self.closed_as or level <= 0.0 or (self.recoveries and at < self.recoveries[-1]):
            return False
        well = at + self.heals_in
        self.curve = [*(corner for corner in self.curve if corner[0] < at), (at, level), (well, 0.0)]
        self.recoveries.append(well)
        self.acted_at = self.acted_at or at
        if self.relapse_after is not None and self.relapsed_at is None:
            self.relapsed_at = well + self.relapse_after
            self.curve += [(self.relapsed_at, 0.0), (self.relapsed_at + self.ramp, 1.0)]
        return True

    def recovered_at(self, until: int) -> int | None:
        """The true recovery that still held at `until`; None when there was none."""
        held = [well for well in self.recoveries if well <= until]
        if not held or (self.relapsed_at is not None and held[-1] < self.relapsed_at <= until):
            return None
        return held[-1]

    def close(self, at: int, how: str) -> None:
        """Ends it without recovery: `honest_no` or `churned`."""
        self.closed_as, self.closed_at = how, at


def plan(seed: int, old: list[str], new: list[str], start: int, length: int) -> list[Drop]:
    """The drops of a world: at most one an account; `new` accounts get those that strike a start.

    At least one of each kind is planned when there are accounts enough.
    """
    rng = stream(seed, "drops")
    free, fresh = old[:], new[:]
    rng.shuffle(free)
    drops: list[Drop] = []
    for recipe in RECIPES:
        pool = fresh if recipe.kind == NEW_ACCOUNT else free
        wanted = max(1, round(recipe.share * (len(old) + len(new))))
        for account_id in [pool.pop() for _ in range(min(wanted, len(pool)))]:
            drops.append(_drop(seed, len(drops), account_id, recipe, start, length))
    return drops


def _drop(seed: int, number: int, account_id: str, recipe: Recipe, start: int, length: int) -> Drop:
    rng = stream(seed, "drop", account_id)
    responder = rng.choices([name for name, _ in _MIX], [share for _, share in _MIX])[0]
    if recipe.kind == NEW_ACCOUNT and responder == HONEST_NO:
        responder = WELL  # there is nothing to refuse to a customer who has not begun
    begins = start + between(rng, *recipe.start, length)
    return Drop(
        number=number,
        account_id=account_id,
        kind=recipe.kind,
        dimension=recipe.dimension,
        subject=recipe.subject,
        start=begins,
        ramp=between(rng, *recipe.ramp),
        depth=rng.uniform(*recipe.depth),
        heals_in=between(rng, *recipe.heals),
        responder=responder,
        relapse_after=between(rng, *_RELAPSE_AFTER) if responder == WELL and rng.random() < _RELAPSES else None,
        alone_after=between(rng, 8, 20, DAY) if responder != HONEST_NO and rng.random() < _HEALS_ALONE else None,
    )
