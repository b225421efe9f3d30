"""The small part of the state that the accounts of a partition share."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.domain.dormancy import Dormancy
from streams.domain.gap_pool import GapPool
from streams.domain.outputs import OutboxRecord
from streams.domain.panel import Panel


@dataclass(slots=True)
class SourceState:
    """Freshness and rhythm of one input topic over all accounts of the partition. Times and gaps in ms."""

    last_at: int = 0
    events: int = 0
    week: list[float] = field(default_factory=list)
    """How many five-minute slots of each hour of the week usually hold an event, 0..12, Monday 00:00 UTC first."""
    presence: list[float] = field(default_factory=list)
    """How often each hour of the week holds an event at all, 0..1."""
    hours: int = 0
    """Hours learnt so far."""
    hour: int = 0
    """The hour that is being counted, in hours since the epoch."""
    slot: int = 0
    """The newest slot that held an event, in slots since the epoch."""
    active: int = 0
    """Slots of the hour being counted that held an event."""
    silent_since: int | None = None
    """Time of the last event before the feed was judged silent; None while it flows."""
    silent_until: int = 0
    """When the feed last came back; periods that began before it cannot be judged."""


@dataclass(slots=True)
class PartitionState:
    """One partition: stream time, applied offsets, feeds, the active policy, switches."""

    partition: int
    stream_time: int = 0
    """Largest record time applied so far, in ms."""
    applied: dict[str, int] = field(default_factory=dict)
    """Last applied offset by topic. Stored only after all accounts up to here are."""
    sources: dict[str, SourceState] = field(default_factory=dict)
    policy: str = ""
    """The active policy file, whole."""
    killed: bool = False
    """The kill switch: nothing is fired."""
    feed_check_at: int = 0
    """No feed can turn silent before this stream time, in ms."""
    panel: Panel = field(default_factory=Panel)
    """The accounts from which the next two are learnt."""
    gaps: dict[str, GapPool] = field(default_factory=dict)
    """How long gaps are, by segment."""
    dormancy: Dormancy = field(default_factory=Dormancy)
    """How long silences last."""
    scorer: str = ""
    """Name and version of the model that scored the newest raw text; empty before the first one."""
    outbox: list[OutboxRecord] = field(default_factory=list)
    """Dead letters and the like that are not yet known to be on their topics."""

    def silent(self, topic: str) -> bool:
        """True while the feed of a topic is judged silent."""
        source = self.sources.get(topic)
        return source is not None and source.silent_since is not None
