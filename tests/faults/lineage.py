"""Who stored what in one partition of the changelog, in which order, and what of it counts.

A record counts unless a newer owner had taken over before it: so recovery reads it, and so it is read here.

Two workers may claim a partition with the same number. Whoever claims second reads the first claim before its own, so
that it never writes under this number but claims again with a larger one: such a tie is no damage, two writers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from streams.shell.changelog import PARTITION_KEY, claim_of, epoch_of, since_of
from streams.shell.state_codec import decode_partition
from streams.shell.trace import HEADER
from tests.support.stored import Stored

RESERVED = b"\x00"
"""No account id begins like this."""

Damage = Callable[[str, str], None]
"""Told of what is wrong: its kind (STATE, LOST...) and where and how."""


class Change(NamedTuple):
    """A stored state: taken when `count` records were applied; `live` unless a newer owner had taken over."""

    count: int
    record: Stored
    live: bool


@dataclass
class Epoch:
    """One owner's time."""

    number: int
    base: dict[bytes, bytes]
    """What the owner found: newest value by key."""
    claim: object = None
    """Mark of the first claim with this number, whose owner it is."""
    ties: set[int] = field(default_factory=set)
    """Offsets of the claims that others made with the same number, after it."""
    told: list[tuple[int, int] | None] = field(default_factory=list)
    """Order of application: rank and offset; None where it was not told."""
    changes: list[Change] = field(default_factory=list)

    @property
    def entries(self) -> list[tuple[int, int]]:
        """The order of application as far as it is known."""
        return [entry for entry in takewhile(lambda entry: entry is not None, self.told) if entry is not None]


class Lineage:
    """The owners of one partition.

    Args:
        partition: Its number.
        damage: Is told of what no owner may do.
    """

    def __init__(self, partition: int, damage: Damage) -> None:
        self.epochs: dict[int, Epoch] = {}
        self.newest: dict[bytes, bytes] = {}
        """What recovery would find, by key."""
        self.partition_states: list[tuple[int, dict[str, int]]] = []
        """Offsets of the partition's states that count, with the offsets that they hold as applied, in order."""
        self.stale = 0
        """Records from owners after a newer one had taken over."""
        self._partition = partition
        self._damage = damage
        self._last: dict[bytes, bytes] = {}
        self._states: set[bytes] = set()
        self._late: set[int] = set()
        self._highest = 0

    def read(self, records: Iterable[Stored]) -> Lineage:
        """Takes up the records of the partition, in offset order."""
        for record in records:
            if record.key is not None and (record.key == PARTITION_KEY or not record.key.startswith(RESERVED)):
                self._take(record, record.key)
        return self

    @property
    def overwritten(self) -> int:
        """Keys of which compaction would keep a record that does not count."""
        return sum(value != self.newest.get(key) for key, value in self._last.items())

    def _take(self, record: Stored, key: bytes) -> None:
        number = epoch_of(record.headers)
        live = number >= self._highest
        self.stale += not live
        if record.value is None:
            if live and key in self.newest:
                self._damage("STATE", f"{self._where(record)}: a tombstone for {key!r}")
            self._last.pop(key, None)  # only a former owner knew the key
            return
        if number > self._highest:
            self._highest = number
            self.epochs[number] = Epoch(number, dict(self.newest))
        epoch = self.epochs.get(number)
        self._last[key] = record.value
        if epoch is None:
            self._unknown(record, key, number)
            return
        trace = record.header(HEADER)
        if trace is None:
            self._found_before(record, key, epoch, live=live)
        else:
            count, first, order = trace.decode().split("|")
            self._tell(record, epoch, int(first), order)
            epoch.changes.append(Change(int(count), record, live))
            if epoch.ties:
                self._one_writer(record, key, epoch, int(count))
            if live:
                self.newest[key] = record.value
        if key == PARTITION_KEY:
            self._states.add(record.value)
            if live:
                self.partition_states.append((record.offset, dict(decode_partition(record.value).applied)))

    def _tell(self, record: Stored, epoch: Epoch, first: int, order: str) -> None:
        entries = [(int(r), int(o)) for r, _, o in (entry.partition(":") for entry in order.split(",") if entry)]
        epoch.told += [None] * (first + len(entries) - len(epoch.told))
        for number, entry in enumerate(entries, first):
            if epoch.told[number] not in {None, entry}:
                self._damage("STATE", f"{self._where(record)}: tells another order of application than before")
            epoch.told[number] = entry

    def _unknown(self, record: Stored, key: bytes, number: int) -> None:
        """A claim that came too late is nobody's fault; what its owner writes after it does not count either."""
        if key == PARTITION_KEY and record.header(HEADER) is None:
            self._late.add(number)
        elif number not in self._late:
            self._damage("ALIEN", f"{self._where(record)}: an owner that never claimed the partition writes {key!r}")

    def _found_before(self, record: Stored, key: bytes, epoch: Epoch, *, live: bool) -> None:
        """A state without an order of application was there before: it is a claim, or stored again."""
        value = record.value or b""
        if key != PARTITION_KEY:
            if self.newest.get(key) != value:
                self._damage("STATE", f"{self._where(record)}: {key!r} is stored again with another value")
        elif self._states:
            if value not in self._states:
                self._damage("STATE", f"{self._where(record)}: the claim is no state that was stored before")
        elif decode_partition(value).applied:
            self._damage("STATE", f"{self._where(record)}: the partition's first state has applied records already")
        self._claimed(record, epoch)
        if live:
            self.newest[key] = value
            if not epoch.told:
                epoch.base = dict(self.newest)

    def _claimed(self, record: Stored, epoch: Epoch) -> None:
        claim = claim_of(record.headers)
        if claim is not None and epoch.claim is None:
            epoch.claim = claim
        elif claim is not None and epoch.claim != claim:
            epoch.ties.add(record.offset)

    def _one_writer(self, record: Stored, key: bytes, epoch: Epoch, count: int) -> None:
        """After a tie, the order of application is that of one owner, and partition states name the first claim."""
        # A state of an account is taken when all that is told was applied; another's count leaves its own out.
        other = since_of(record.headers) in epoch.ties if key == PARTITION_KEY else count < len(epoch.told)
        if other:
            self._damage("STATE", f"{self._where(record)}: two owners write under the same number")

    def _where(self, record: Stored) -> str:
        return f"changelog/{self._partition}@{record.offset} (owner {epoch_of(record.headers)})"
