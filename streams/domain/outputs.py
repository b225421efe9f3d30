"""What the fold hands out: plain records that the shell encodes, and the place in the log that caused them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Place of a record in the input log. `topic` is the logical name, without prefix."""

    topic: str
    partition: int
    offset: int

    def record(self) -> dict[str, Any]:
        """As the `Origin` record of the output schemas."""
        return {"topic": self.topic, "partition": self.partition, "offset": self.offset}


@dataclass(slots=True, frozen=True)
class Output:
    """One output record: logical topic, `(id, seq)` that names it, stream time in ms, the record by its schema."""

    topic: str
    account_id: str
    id: str
    seq: int
    at: int
    record: dict[str, Any]


@dataclass(slots=True)
class Header:
    """A header of somebody else's record: names may repeat, values may be null."""

    name: str
    value: bytes | None = None


@dataclass(slots=True)
class OutboxRecord:
    """An encoded output, stored with the state that decided it until the broker has acknowledged it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    at: int
    original: list[Header] = field(default_factory=list)
    """Of a dead letter: the headers of the record as they came; `headers` go behind them."""

    def all_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers in the order in which they are sent."""
        return [*((header.name, header.value) for header in self.original), *self.headers.items()]
