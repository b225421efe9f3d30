"""Usage events as a product sends them: own level of each account, a week, noise, drops and recoveries, a long tail.

The same arguments give the same events. One account in five sends four events in five; the others are the tail that
is heard of now and then. Event times grow evenly over the whole span, so stream time passes every end of a day, and
record time equals event time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from streams.domain.time import DAY
from streams.policy.model import Policy
from streams.simulation import events

START = 1_736_121_600_000
"""Monday, 2025-01-06, in ms."""
WEEK_SHAPE = (1.05, 1.1, 1.1, 1.05, 0.95, 0.4, 0.3)
ACTIVE_SHARE = 0.2
ACTIVE_EVENTS = 0.8
NOISE = 0.12
MAIN_METRIC = 0.7
"""Share of an account's events that are about the metric it mostly sends."""
DROPS = 0.03
"""Share of the active accounts that lose most of their use for a while."""
DROP_LEVEL = 0.15

METRICS: tuple[tuple[str, float, str], ...] = (
    ("active_users", 1.0, "count"),
    ("logins", 2.5, "count"),
    ("feature_use", 12.0, "count"),
)
"""Name, typical value at level 1 for one user, unit."""


@dataclass(frozen=True, slots=True)
class Workload:
    """How many events of how many accounts over how many days."""

    events: int
    accounts: int
    days: int = 70
    seed: int = 7

    def check(self, policy: Policy) -> None:
        """Raises ValueError when the policy does not know a metric: its events would pass through unmeasured."""
        unknown = [name for name, _, _ in METRICS if name not in policy.metrics]
        if unknown:
            raise ValueError(f"the policy has no metric {', '.join(unknown)}: the workload would measure nothing")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The events, by time."""
        rng = Random(self.seed)
        random, gauss, randrange = rng.random, rng.gauss, rng.randrange
        ids = [f"acct-{number:07d}" for number in range(self.accounts)]
        levels = [min(500.0, rng.lognormvariate(3.0, 0.8)) for _ in ids]
        active = max(1, round(self.accounts * ACTIVE_SHARE))
        # Begin and end of the drop, in days; the drops begin when the normal is known and half of them end.
        drops = {
            number: (begin := rng.uniform(0.5, 0.8) * self.days, begin + rng.uniform(0.1, 0.4) * self.days)
            for number in range(active)
            if random() < DROPS
        }
        span = self.days * DAY
        for index in range(self.events):
            at = START + span * index // self.events
            day = (at - START) / DAY
            number = randrange(active) if random() < ACTIVE_EVENTS else randrange(self.accounts)
            name, scale, unit = METRICS[(number if random() < MAIN_METRIC else index) % len(METRICS)]
            value = levels[number] * scale * WEEK_SHAPE[int(day) % 7] * max(0.0, gauss(1.0, NOISE))
            drop = drops.get(number)
            if drop is not None and drop[0] <= day < drop[1]:
                value *= DROP_LEVEL
            yield events.usage(ids[number], f"e{index:010d}", at, name, float(round(value)), unit)
