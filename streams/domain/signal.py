"""What is known about an account from its events: metrics and their normal, rhythm, voices, tickets.

Changed by `health/observe.py` and `health/period.py` only. Times in ms UTC; everything is bounded, so that an account
with a long history is no larger than one with a short one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.series import Cadence, DropEnd, Series

_KEPT_ENDS = 4


@dataclass(slots=True)
class SignalState:
    """One metric of one account: the open period, the account's own normal, and the regime it is in.

    A period has a raw value v in the unit of the metric and a working value y (its square root for counts and money,
    else v itself). The season of a day is a factor f on the level, 1 while there is no evidence of a week. Formulas:
    `health/normal.py` and `detection/relative.py`.
    """

    shape: str = ""
    """What was found where the policy says `kind: auto`: level, day or week; empty while unknown, or not asked for."""
    shaped_at: int = -1
    """Offset of the event that showed it: what came before is no evidence of it (`health/panel.py`)."""
    alone: bool = False
    """True when nothing else told of use then, so that the account left the panel."""
    cadence: Cadence | None = None
    """First samples while the shape is being found."""
    series: Series | None = None
    """Detectors of a regular series; None for metrics that are counted by periods."""
    ends: list[DropEnd] = field(default_factory=list)
    """How the newest drops ended, at most four, oldest first."""
    start: int = 0
    """Start of the open period."""
    end: int = 0
    """Its end; 0 before the first event."""
    total: float = 0.0
    """Accumulator of the open period: sum, or largest value, or last value, by the kind of the metric."""
    count: int = 0
    """Events in the open period."""
    reports: int = 0
    """Periods in a row, empty ones aside, that held exactly one event, all at the same time of the period."""
    phase: int = 0
    """That time, in ms from the start of the period."""
    newest_at: int = 0
    """Event time of the newest event."""
    event_id: str = ""
    """The newest event, for evidence and contributions."""
    n: int = 0
    """Closed periods that were learnt."""
    level: float = 0.0
    """Slow mean of y: the account's normal, frozen while a drop lasts."""
    profile: list[float] = field(default_factory=list)
    """Mean y by day of the week, Monday first; empty unless periods are days."""
    profile_n: list[int] = field(default_factory=list)
    seasonal: bool = False
    """True while the week explains enough to be used."""
    error_flat: float = 0.0
    """Mean absolute error of the level alone ..."""
    error_week: float = 0.0
    """... and with the week; what is used is decided by comparing them."""
    unit: float = 0.0
    """Unit of `bins`, in y; 0 until the normal is known."""
    bins: list[int] = field(default_factory=list)
    """Counts of absolute differences of neighbouring periods, by size: gives their median."""
    roughness: float = 0.0
    """Mean of half the squared differences: the noise where most periods are zero."""
    noise: float = 0.0
    """Robust standard deviation of y around its level, as of the last close."""
    empty: float = 0.0
    """Share of the periods that were empty."""
    ys: list[float] = field(default_factory=list)
    """Working values of the newest periods, oldest first."""
    fs: list[float] = field(default_factory=list)
    """Their season factors."""
    ats: list[int] = field(default_factory=list)
    """Their starts."""
    regime_n: int = 0
    """Periods in the current regime, and their sums of f*f, f*y and y*y."""
    regime_ff: float = 0.0
    regime_fy: float = 0.0
    regime_yy: float = 0.0
    regime_active: int = 0
    """How many of them were not empty."""
    evidence: float = 0.0
    """Strength of the evidence for a drop at the last close, 0..1; 1 while one lasts."""
    base: float | None = None
    """Normal before the drop that lasts, raw, per period at season factor 1; None: no drop."""
    onset_at: int = 0
    """Start of the first low period of that drop."""
    dropped_at: int = 0
    """End of the period in which it was seen."""
    rose: bool = False
    """True when what lasts is a rise."""
    recent: float = 0.0
    """Mean y of the last few periods at season factor 1, as compared with the normal."""
    score: float | None = None
    """Health of this signal, 0..100, 80 at its normal; None: not known yet."""

    def end_drop(self, name: str, ended_as: str, at: int, now: int) -> DropEnd:
        """The drop that lasts is over since `at`, as is seen `now`: kept among the newest ends, and given back."""
        ended = DropEnd(name, self.onset_at, self.dropped_at, ended_as, max(at, self.onset_at), now)
        self.base = None
        self.ends.append(ended)
        del self.ends[:-_KEPT_ENDS]
        return ended


@dataclass(slots=True)
class Rhythm:
    """How often the account does anything: distribution of the logarithms of its gaps between sessions."""

    first_at: int = 0
    last_at: int = 0
    n: int = 0
    """Gaps learnt."""
    mean: float = 0.0
    """Mean of ln(gap in ms) ..."""
    spread: float = 0.0
    """... and its variance around what was expected."""
    repeats: int = 0
    """Sessions since the first."""
    resumed_at: int = 0
    """When the account last came back after having been overdue; 0: never was."""
    overdue_at: int | None = None
    """When it was found overdue; None while it is not."""


@dataclass(slots=True)
class ChannelState:
    """How this customer usually sounds on one channel, -1..1."""

    n: int = 0
    mean: float = 0.0
    spread: float = 0.0
    """Mean absolute deviation."""
    scored_by: str = ""
    """Model that scored the newest raw text there; empty: scores came with the events."""


@dataclass(slots=True)
class Utterance:
    """Something that the customer said."""

    at: int
    channel: str
    score: float
    """-1..1."""
    normal: float = 0.0
    """The channel's normal before it was said."""
    event_id: str = ""
    substantial: bool = True
    """False for a few polite words: they prove nothing."""
    scored_by: str = ""
    """Name and version of the model that scored it; empty: the score came with the event."""
    interaction: int = 0
    """Hash of the conversation's id; 0 for a single remark."""


@dataclass(slots=True)
class Interaction:
    """One conversation: the customer's utterances in it, first and last ones when there are many."""

    channel: str = ""
    started_at: int = 0
    last_at: int = 0
    count: int = 0
    scores: list[float] = field(default_factory=list)
    event_id: str = ""
    reported: bool = False
    """True when its frustration was found already."""
    scored_by: str = ""
    """Model behind the scores, as of `Utterance`."""


@dataclass(slots=True)
class TicketState:
    """A ticket, open or closed within the follow-up window."""

    opened_at: int = 0
    changed_at: int = 0
    status: str = "open"
    """open, resolved or closed."""
    resolved_at: int | None = None
    """Resolved or closed since; None while open."""
    priority: str = "normal"
    area: str = "support"
    theme: str = ""
    last_actor: str = ""
    """Who acted last: customer, agent, bot or system."""
    customer_replies: int = 0
    """Messages of the customer since an agent last acted: chases, when an answer is owed."""
    handovers: int = 0
    reopened: int = 0
    event_id: str = ""
    reported: bool = False
    """True when it was found to be blocked since it was last opened."""

    @property
    def open(self) -> bool:
        """True while nobody has resolved or closed it."""
        return self.status == "open"


@dataclass(slots=True)
class Signals:
    """Everything measured on an account."""

    metrics: dict[str, SignalState] = field(default_factory=dict)
    rhythm: Rhythm = field(default_factory=Rhythm)
    channels: dict[str, ChannelState] = field(default_factory=dict)
    utterances: list[Utterance] = field(default_factory=list)
    """Newest ones of the customer over all channels, oldest first."""
    interactions: dict[str, Interaction] = field(default_factory=dict)
    tickets: dict[str, TicketState] = field(default_factory=dict)
    created_at: int | None = None
    """When the account was created, as its event says."""
    cancel_at: int | None = None
    """Intent to cancel that stands; None: none, or withdrawn."""
    committed_at: int | None = None
    """Last renewal or expansion."""
    contracted_at: int | None = None
    commercial_event: str = ""
    """Newest event behind the three above."""
    alarms: list[str] = field(default_factory=list)
    """Metrics whose drop was seen and is not reported yet."""
    ended: list[DropEnd] = field(default_factory=list)
    """Ends of drops that are not reported yet."""
    reported: dict[str, int] = field(default_factory=dict)
    """Other findings that hold and are reported, by cause: when."""
