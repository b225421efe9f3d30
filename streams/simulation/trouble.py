"""What a drop makes the customer say and do, beyond using the product less."""

from __future__ import annotations

from streams.domain.time import DAY, HOUR, MINUTE
from streams.simulation.chance import between, stream
from streams.simulation.drops import HONEST_NO, Drop
from streams.simulation.life import Life

_CHASES = (2, 5, 9, 14, 20)
"""Days after which an unhelped customer writes again."""
_OVERDUE = (1, 3)
"""Days after which somebody looks whether a pressing ticket is still open."""
_LOST = 0.25
_LOST_AFTER_CANCELLING = 0.6
_GROWTH_TOUCH = 0.15


class Trouble:
    """One drop in one account's life: its own events, its chases, its healing, its loss."""

    def __init__(self, seed: int, life: Life, drop: Drop) -> None:
        self.life = life
        self.drop = drop
        self._rng = stream(seed, "trouble", drop.account_id)

    def begin(self) -> None:
        """Plans the start, and what follows when nobody helps."""
        drop, agenda = self.drop, self.life.agenda
        agenda.call(drop.start, self._strike)
        if drop.alone_after is not None:
            agenda.call(drop.start + drop.alone_after, self.heal)
        cancelling = drop.kind == "cancel_intent"
        if drop.responder != HONEST_NO and self._rng.random() < (_LOST_AFTER_CANCELLING if cancelling else _LOST):
            days = (10, 18) if cancelling else (20, 28)
            agenda.call(drop.start + between(self._rng, *days, DAY), self._lose)
        if self._rng.random() < _GROWTH_TOUCH:
            agenda.call(drop.start + between(self._rng, 3, 5, DAY), self._sell)

    def heal(self, at: int) -> None:
        """Somebody did the right thing (or it passed): the account gets better from here."""
        drop, life = self.drop, self.life
        if life.ended or not drop.heal(at):
            return
        well = drop.recoveries[-1]
        if drop.kind == "blocked":
            life.ticket(well, drop.subject, "resolved", priority="high")
            life.ticket(
                well + between(self._rng, 4, 20, HOUR), drop.subject, "closed", priority="high", satisfaction=4.0
            )
        elif drop.kind in {"frustration", "threshold", "cancel_intent"}:
            call = life.office_hour(at)
            life.talk(call, "call", 3, life.mood(call), life.mood(call) + 0.3)
            life.talk(life.office_hour(well), "chat", 3, 0.3, 0.5)
        if drop.kind == "cancel_intent":
            life.account_event(well, "renewed", renewal_at=well + 365 * DAY)
        if drop.relapsed_at is not None and drop.relapsed_at > at:
            life.agenda.call(drop.relapsed_at, self._strike)

    def brush_off(self, at: int) -> None:
        """The ticket is closed without being solved; the customer opens it again while it hurts."""
        if self.drop.kind == "blocked" and self.drop.active(at):
            self.life.ticket(at, self.drop.subject, "closed", priority="high")
            self.life.agenda.call(at + between(self._rng, 12, 40, HOUR), self._reopen)

    def refuse(self, at: int) -> None:
        """An honest no: the customer knows where it stands, and stays as low as it is."""
        if self.drop.closed_as or not self.drop.active(at):
            return
        self.drop.close(at, HONEST_NO)
        if self.drop.kind == "blocked":
            self.life.ticket(at, self.drop.subject, "closed", priority="high")

    def _strike(self, at: int) -> None:
        drop, life = self.drop, self.life
        if life.ended or drop.closed_as:
            return
        if drop.kind == "frustration":
            over = life.talk(life.office_hour(at), "chat", self._rng.randint(5, 7), 0.3, -0.85)
            life.agenda.look(over + MINUTE)
        elif drop.kind == "blocked":
            self._block(at)
        elif drop.kind == "cancel_intent":
            life.account_event(at, "cancel_intent")
            life.agenda.look(at + MINUTE)
        for days in _CHASES:
            life.agenda.call(life.office_hour(at + days * DAY), self._chase)

    def _block(self, at: int) -> None:
        drop, life = self.drop, self.life
        if drop.subject:
            life.ticket(at, drop.subject, "reopened", actor="customer", priority="high")
            return
        drop.subject = life.new_ticket_id()
        priority = self._rng.choice(("high", "high", "urgent"))
        life.ticket(at, drop.subject, "opened", actor="customer", priority=priority, theme="sync")
        life.ticket(at + between(self._rng, 1, 4, HOUR), drop.subject, "replied", priority=priority, theme="sync")
        for days in _OVERDUE:
            life.agenda.look(at + days * DAY + HOUR // 2)

    def _chase(self, at: int) -> None:
        drop, life = self.drop, self.life
        if life.ended or drop.closed_as or not drop.active(at) or (drop.recoveries and at < drop.recoveries[-1]):
            return
        if drop.kind == "blocked":
            life.ticket(at, drop.subject, "replied", actor="customer", priority="high", theme="sync")
        elif drop.kind in {"frustration", "cancel_intent"}:
            life.talk(at, "email", 2, -0.5, -0.6)

    def _reopen(self, at: int) -> None:
        if self.drop.active(at) and not self.drop.closed_as:
            self.life.ticket(at, self.drop.subject, "reopened", actor="customer", priority="high", theme="sync")

    def _lose(self, at: int) -> None:
        if self.drop.active(at) and not self.drop.closed_as and self.drop.acted_at is None:
            self.drop.close(at, "churned")
            self.life.leave(at)

    def _sell(self, at: int) -> None:
        if self.drop.active(at):
            self.life.account_event(at, "growth_planned")
