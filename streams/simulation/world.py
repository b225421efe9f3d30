"""The world: all accounts, their drops, one outage of the usage feed; advanced step by step in simulated time."""

from __future__ import annotations

from collections.abc import Iterator

from streams.domain.time import DAY, HOUR, parse_time
from streams.simulation.agenda import Agenda, Dated
from streams.simulation.chance import between, stream
from streams.simulation.customers import Customer, customer, customers
from streams.simulation.drops import NEW_ACCOUNT, WELL, Drop, plan
from streams.simulation.life import Life, Outage
from streams.simulation.trouble import Trouble

START = parse_time("2026-01-05")
"""A Monday: the first simulated day."""
_NEW = 0.07
"""Share of accounts that are created on the way."""
_GROWTH = 0.04
"""Share of accounts without a drop that get a growth touch."""
_WITHIN_REACH = 3 * DAY
"""An intervention belongs to a drop from a little before its start (what was seen of it is dated back) ..."""
_AFTERMATH = 7 * DAY
"""... until this long after its end."""


class World:
    """`accounts` accounts over `days` days from `start` (ms), the same for the same arguments.

    What happens later depends on what responders do through `trouble_at` and the methods of what it returns.
    """

    def __init__(self, seed: int, accounts: int = 300, days: int = 56, start: int = START) -> None:
        self.seed = seed
        self.start = start
        self.end = start + days * DAY
        self.agenda = Agenda()
        self.agenda.now = start
        length = self.end - start
        middle = start + round(length * 0.55)
        self.outage = Outage(middle, middle + 40 * HOUR)
        late = min(accounts - 1, max(1, round(accounts * _NEW)))
        people = [*customers(seed, accounts - late, start), *self._newcomers(accounts - late, late, length)]
        self.accounts = {who.account_id: who for who in people}
        names = list(self.accounts)
        self.drops = plan(seed, names[: accounts - late], names[accounts - late :], start, length)
        self._troubles: dict[str, Trouble] = {}
        by_account = {drop.account_id: drop for drop in self.drops}
        for who in people:
            self._settle(who, by_account.get(who.account_id))

    def advance(self, until: int) -> Iterator[Dated]:
        """Events with record times before `until` (at most the end), in time order."""
        yield from self.agenda.advance(min(until, self.end))

    def trouble_at(self, account_id: str, at: int) -> Trouble | None:
        """The drop to which something raised at `at` in the account belongs; None: nothing is wrong there."""
        trouble = self._troubles.get(account_id)
        if trouble is None:
            return None
        return trouble if belongs(trouble.drop, at) else None

    def attend(self) -> None:
        """Lets the people who would act well act by themselves, some days after the start: a world without worker."""
        for trouble in self._troubles.values():
            if trouble.drop.responder == WELL:
                rng = stream(self.seed, "attend", trouble.drop.account_id)
                self.agenda.call(trouble.drop.start + trouble.drop.ramp + between(rng, 1, 4, DAY), trouble.heal)

    def _newcomers(self, first: int, count: int, length: int) -> list[Customer]:
        found = []
        for number in range(first, first + count):
            rng = stream(self.seed, "customer", number)
            born = self.start + between(rng, 0.15, 0.75, length)
            found.append(customer(rng, number, born, stage="onboarding"))
        return found

    def _settle(self, who: Customer, drop: Drop | None) -> None:
        if drop is not None and drop.kind == NEW_ACCOUNT:
            # It is silent from its first moment.
            drop.start = who.created_at
            drop.curve = [(drop.start - 1, 0.0), (drop.start, 1.0)]
        life = Life(self.seed, who, drop, self.agenda, self.outage)
        life.begin()
        if drop is not None:
            trouble = self._troubles[who.account_id] = Trouble(self.seed, life, drop)
            trouble.begin()
        rng = stream(self.seed, "growth", who.account_id)
        if drop is None and rng.random() < _GROWTH:
            planned = self.start + between(rng, 0.3, 0.9, self.end - self.start)
            self.agenda.call(planned, lambda at: life.account_event(at, "growth_planned"))


def belongs(drop: Drop, at: int) -> bool:
    """True when something raised at `at` can be about the drop."""
    if at < drop.start - _WITHIN_REACH:
        return False
    if drop.closed_as or not drop.recoveries:
        return True
    return at <= drop.recoveries[-1] + _AFTERMATH or (drop.relapsed_at is not None and at >= drop.relapsed_at)
