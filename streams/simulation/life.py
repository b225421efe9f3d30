"""The ordinary life of one account: daily use, conversations, surveys, tickets; a drop colours all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams import topics
from streams.domain.time import DAY, HOUR, MINUTE, SECOND, WEEK, start_of
from streams.simulation import events
from streams.simulation.agenda import Agenda
from streams.simulation.chance import between, stream
from streams.simulation.customers import Customer
from streams.simulation.drops import Drop
from streams.simulation.events import Event
from streams.simulation.usage import UsageHabit
from streams.simulation.voices import conversation, nps, satisfaction

_LATE = 0.003
_REPEATED = 0.002
_WEEKDAYS = 5
_SURVEY_EVERY = 30 * DAY
_SURVEY_ANSWERED = 0.6
_THEMES = ("export", "login", "billing", "reports", "sync", "permissions")
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Colour:
    """What a drop at full severity does to the rest of an account's life."""

    mood: float = 0.0
    errors: float = 0.0
    tickets: float = 0.0
    talk: float = 0.0
    slow: float = 0.0
    """How much longer tickets take, and how many more of them are pressing."""
    silent: bool = False


_COLOURS = {
    "relative": Colour(mood=-0.05),
    "forecast": Colour(),
    "threshold": Colour(mood=-0.9, errors=6.0, tickets=6.0, talk=5.0, slow=8.0),
    "silence": Colour(silent=True),
    "silent_start": Colour(silent=True),
    "frustration": Colour(mood=-0.8),
    "blocked": Colour(mood=-0.3),
    "cancel_intent": Colour(mood=-0.4),
}


@dataclass(frozen=True, slots=True)
class Outage:
    """The usage feed of everybody stops: reports of this time are lost."""

    start: int
    end: int

    def covers(self, at: int) -> bool:
        """True for a time within the outage."""
        return self.start <= at < self.end


class Life:
    """One account from its creation to its end. Everything it does goes into the agenda."""

    def __init__(self, seed: int, who: Customer, drop: Drop | None, agenda: Agenda, outage: Outage) -> None:
        self.who = who
        self.drop = drop
        self.agenda = agenda
        self.ended = False
        self._outage = outage
        self._rng = stream(seed, "life", who.account_id)
        self._talk = stream(seed, "talk", who.account_id)
        self._tickets = stream(seed, "tickets", who.account_id)
        self._habit = UsageHabit(who, stream(seed, "usage", who.account_id))
        self._mood = self._rng.gauss(0.3, 0.12)
        self._sent = 0
        self._opened = 0

    def begin(self) -> None:
        """Creates the account and plans its ordinary life."""
        born = self.who.created_at
        self.agenda.send(born, topics.ACCOUNTS, events.created(self.who, self._event_id(), born))
        first = start_of(DAY, born) + self.who.report_at
        self.agenda.call(first if first > born else first + DAY, self._report)
        self.agenda.call(born + self._gap(self.who.segment.conversations), self._converse)
        self.agenda.call(born + self._gap(self.who.segment.tickets), self._ask)
        self.agenda.call(born + between(self._rng, 5 * DAY, _SURVEY_EVERY), self._survey)

    def severity(self, at: int) -> float:
        """Severity of the account's drop, 0 without one."""
        return self.drop.severity(at) if self.drop else 0.0

    def mood(self, at: int) -> float:
        """Mood of the customer in [-1, 1]."""
        return max(-1.0, min(1.0, self._mood + self._colour.mood * self.severity(at)))

    def send(self, at: int, topic: str, event: Event) -> None:
        """Plans an event of this account, unless it has left."""
        if not self.ended:
            self.agenda.send(at, topic, event)

    def account_event(self, at: int, change: str, **fields: Any) -> None:
        """Plans a commercial event."""
        self.send(at, topics.ACCOUNTS, events.account(self.who.account_id, self._event_id(), at, change, **fields))

    def leave(self, at: int) -> None:
        """The customer is lost: one last event, then nothing."""
        self.account_event(at, "churned")
        self.ended = True

    def ticket(self, at: int, ticket_id: str, change: str, **fields: Any) -> None:
        """Plans a step of a ticket."""
        event = events.ticket(self.who.account_id, self._event_id(), at, ticket_id=ticket_id, change=change, **fields)
        self.send(at, topics.TICKETS, event)

    def new_ticket_id(self) -> str:
        """An id that this account has not used yet."""
        self._opened += 1
        return f"T{self._opened:03d}"

    def talk(self, at: int, channel: str, turns: int, begins: float, ends: float) -> int:
        """Plans a conversation whose mood moves from `begins` to `ends`; returns when it is over."""
        name = f"{channel}-{self._event_id()}"
        pace = 40 * MINUTE if channel == "email" else 90 * SECOND
        moment = at
        for line in conversation(self._talk, turns, begins, ends):
            fields = {**line, "channel": channel, "interaction_id": name}
            event = events.utterance(self.who.account_id, self._event_id(), moment, **fields)
            self.send(moment, topics.SENTIMENT, event)
            moment += between(self._talk, 0.5, 1.5, pace)
        return moment

    def office_hour(self, at: int) -> int:
        """A moment in the customer's working time, at or soon after `at`."""
        day = start_of(DAY, at)
        while True:
            moment = day + self.who.workday_at + between(self._rng, 0, 9, HOUR)
            if moment >= at and (day - start_of(WEEK, day)) // DAY < _WEEKDAYS:
                return moment
            day += DAY

    @property
    def _colour(self) -> Colour:
        return _COLOURS[self.drop.kind] if self.drop else Colour()

    def _silent(self, at: int) -> bool:
        return self._colour.silent and self.severity(at) > _HALF

    def _event_id(self) -> str:
        self._sent += 1
        return f"{self.who.account_id}:{self._sent}"

    def _gap(self, rate_a_week: float) -> int:
        return round(self._rng.expovariate(rate_a_week / WEEK))

    def _report(self, at: int) -> None:
        if self.ended:
            return
        self.agenda.call(at + DAY, self._report)
        depth = self.drop.depth * self.severity(at) if self.drop else 0.0
        # A report leaves in the evening and is about the same day.
        rows = self._habit.report(start_of(DAY, at), 1 - depth, 1 + self._colour.errors * self.severity(at))
        if self._silent(at) or self._outage.covers(at):
            return
        delay = between(self._rng, HOUR, 8 * HOUR) if self._rng.random() < _LATE else 0
        for number, row in enumerate(rows):
            measured = at + number * SECOND
            event = events.usage(self.who.account_id, self._event_id(), measured, *row)
            self.send(measured + delay, topics.USAGE, event)
            if self._rng.random() < _REPEATED:
                self.send(measured + delay + MINUTE, topics.USAGE, event)

    def _converse(self, at: int) -> None:
        if self.ended:
            return
        more = 1 + self._colour.talk * self.severity(at)
        self.agenda.call(at + self._gap(self.who.segment.conversations * more), self._converse)
        if not self._silent(at):
            moment = self.office_hour(at)
            mood = self.mood(moment)
            channel = self._rng.choice(("chat", "chat", "email"))
            self.talk(moment, channel, self._rng.randint(2, 5), mood - 0.05, mood + 0.1)

    def _survey(self, at: int) -> None:
        if self.ended:
            return
        self.agenda.call(at + _SURVEY_EVERY, self._survey)
        if self._rng.random() < _SURVEY_ANSWERED and not self._silent(at):
            moment = self.office_hour(at)
            fields = {"channel": "survey", "survey": "nps", "survey_value": nps(self._rng, self.mood(moment))}
            self.send(
                moment,
                topics.SENTIMENT,
                events.utterance(self.who.account_id, self._event_id(), moment, **fields),
            )

    def _ask(self, at: int) -> None:
        if self.ended:
            return
        more = 1 + self._colour.tickets * self.severity(at)
        self.agenda.call(at + self._gap(self.who.segment.tickets * more), self._ask)
        if self._silent(at):
            return
        rng = self._tickets
        slow = self._colour.slow * self.severity(at)
        priority = rng.choices(("low", "normal", "high", "urgent"), (30, 60, 9 * (1 + slow), 1 + slow))[0]
        pressing = priority in {"high", "urgent"}
        common = {"priority": priority, "area": rng.choice(("support", "service")), "theme": rng.choice(_THEMES)}
        name = self.new_ticket_id()
        opened = self.office_hour(at)
        answered = opened + round((1 + slow) * between(rng, 0.3, 1.5 if pressing else 6, HOUR))
        solved = answered + round((1 + slow) * between(rng, 1, 6 if pressing else 36, HOUR))
        closed = solved + between(rng, 2, 24, HOUR)
        stars = satisfaction(rng, self.mood(at)) if rng.random() < _HALF else None
        self.ticket(opened, name, "opened", actor="customer", **common)
        self.ticket(answered, name, "replied", **common)
        self.ticket(solved, name, "resolved", **common)
        self.ticket(closed, name, "closed", satisfaction=stars, **common)
