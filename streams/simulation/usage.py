"""How an account uses the product on a day: weekly rhythm, drift, noise, closed days."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from streams.domain.time import DAY, WEEK, start_of
from streams.simulation.chance import poisson
from streams.simulation.customers import Customer

_CLOSED_DAYS = 0.008
"""Share of days on which the customer is closed (holidays, moves)."""
_LOST_REPORTS = 0.004
"""Share of daily reports that the feed loses."""
_MEMORY = 0.5
"""How much of one day's deviation is still there the next day."""


class Reading(NamedTuple):
    """One row of a daily report."""

    metric: str
    value: float
    unit: str


class UsageHabit:
    """The use of one account, day after day. Call `report` once a day, in order."""

    def __init__(self, who: Customer, rng: Random) -> None:
        self._who = who
        self._rng = rng
        self._deviation = 0.0
        self._seats = who.seats * who.adoption

    def report(self, day: int, level: float, errors: float) -> list[Reading]:
        """Rows of the report about the day that starts at `day`; none when nothing was used.

        `level` scales all use (1: normal), `errors` the error rate.
        """
        who, rng = self._who, self._rng
        self._deviation = _MEMORY * self._deviation + rng.gauss(0.0, who.noise)
        weekday = (day - start_of(WEEK, day)) // DAY
        weeks = (day - who.created_at) / WEEK
        closed = rng.random() < _CLOSED_DAYS
        wanted = who.seats * who.adoption * who.week[weekday] * (1 + who.growth * weeks) * level
        wanted *= max(0.0, 1 + self._deviation) * (0.1 if closed else 1.0)
        active = min(who.seats, poisson(rng, wanted))
        # Seats follow use slowly: people keep their seat for a while after they stop.
        self._seats += 0.1 * (who.seats * who.adoption * level * 1.1 - self._seats)
        if active == 0 or rng.random() < _LOST_REPORTS:
            return []
        features = poisson(rng, active * who.actions_per_user)
        return [
            Reading("logins", float(active + poisson(rng, active * 0.6)), "count"),
            Reading("active_users", float(active), "count"),
            Reading("feature_use", float(features), "count"),
            Reading("goal_progress", round(min(1.0, max(0.0, rng.gauss(0.7 * level**0.5, 0.06))), 3), "share"),
            Reading("seats_in_use", float(min(who.seats, max(active, round(self._seats)))), "count"),
            Reading("errors", float(poisson(rng, features * 0.01 * errors)), "count"),
        ]
