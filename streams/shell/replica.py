"""One partition as its changelog tells it: what recovery, a warm copy and a parked partition have in common."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.shell.changelog import (
    PARTITION_KEY,
    SCHEMA_PREFIX,
    Headers,
    accounts_of,
    claim_of,
    epoch_of,
    schema_key,
    since_of,
)
from streams.shell.failure import Unrecoverable
from streams.shell.state_codec import UnreadableState, decode_account, decode_partition, learn, written_schemas

_LOOK_EVERY = 20


class Replica:
    """States of a partition up to a position of its changelog. Not for two threads at a time.

    The newest record of a key counts. Records of an older owner that come after those of a newer one are ignored: they
    were written by a worker that had lost the partition and did not know it yet. Compaction would keep just those, so
    their keys are `stale`: the next owner stores them again.

    Args:
        place: Changelog and partition, for messages.
        partition: Its number.
    """

    def __init__(self, place: str, partition: int) -> None:
        self.place = place
        self.partition = partition
        self.position: int | None = None
        """Offset behind what was read; None before the first."""
        self.epoch = 0
        """Largest owner's number seen."""
        self.records = 0
        """Records read."""
        self.stale: set[bytes] = set()
        """Keys whose newest record is one of a former owner."""
        self.schemas: set[bytes] = set()
        """Keys of the schemas seen."""
        self.claim: object = None
        """Mark of the newest claim."""
        self.since = -1
        """Offset of the newest owner's claim."""
        self.contested = 0
        """Largest owner's number that two claims have; their owners' records cannot be told apart."""
        self.state: PartitionState | None = None
        self.accounts: dict[str, AccountState] = {}
        """States decoded so far, by account id."""
        self._undecoded: dict[bytes, tuple[bytes, int, int]] = {}
        # By key: value, offset and owner's number.
        self._removed = 0
        self._known = 0

    @classmethod
    def parked(
        cls, place: str, state: PartitionState, accounts: dict[str, AccountState], epoch: int, position: int
    ) -> Replica:
        """A partition that its owner gives back, with everything stored."""
        made = cls(place, state.partition)
        made.state, made.accounts, made.epoch, made.position = state, accounts, epoch, position
        made._known = len(accounts)
        made.schemas = {schema_key(fingerprint) for fingerprint in written_schemas()}
        return made

    def feed(self, offset: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Takes up the next record. Raises Unrecoverable and UnreadableState."""
        self.position = offset + 1
        self.records += 1
        if not isinstance(key, bytes):
            raise Unrecoverable(f"{self.place}: record {offset} has no key; it was not written by a worker")
        if key.startswith(SCHEMA_PREFIX):
            if value is not None and key not in self.schemas:
                # Whoever wrote it: its name is its content.
                learn(key[len(SCHEMA_PREFIX) :].decode("ascii", "replace"), value)
                self.schemas.add(key)
            return
        headers = dict(headers or ())
        epoch = epoch_of(headers)
        claim = claim_of(headers)
        if claim is not None and epoch == self.epoch and claim != self.claim:
            self.contested = epoch
        if epoch < self.epoch:
            self.stale.add(key)
            return
        self.epoch = epoch
        self.stale.discard(key)
        if value is None:
            self._remove(key, counts=accounts_of(headers) is None)
            return
        self._undecoded[key] = (value, offset, epoch)
        if key == PARTITION_KEY:
            self._known, self._removed = accounts_of(headers) or 0, 0
            if claim is not None:
                self.claim, self.since = claim, offset
            else:
                since = since_of(headers)
                self.since = -1 if since is None else since

    def _remove(self, key: bytes, *, counts: bool) -> None:
        self._undecoded.pop(key, None)
        if key == PARTITION_KEY:
            self.state = None
        else:
            self.accounts.pop(key.decode(errors="replace"), None)
            self._removed += counts

    @property
    def empty(self) -> bool:
        """True when nothing but schemas is there."""
        return self.state is None and not self._undecoded and not self.accounts

    @property
    def waiting(self) -> int:
        """Records that are not decoded yet."""
        return len(self._undecoded)

    def decode_partition(self) -> PartitionState | None:
        """The partition's own state. Raises UnreadableState, Unrecoverable."""
        found = self._undecoded.pop(PARTITION_KEY, None)
        if found is not None:
            with self._told(found[1]):
                self.state = decode_partition(found[0])
            if self.state.partition != self.partition:
                raise Unrecoverable(
                    f"{self.place}: holds the state of partition {self.state.partition}. Another program wrote it: "
                    "find it, and fold the log again under another BACKONTRACK_APP_ID"
                )
        return self.state

    def decode(self, within_s: float | None = None) -> bool:
        """Decodes what was read, for at most `within_s`; True when nothing is left. Raises UnreadableState."""
        deadline = None if within_s is None else time.monotonic() + within_s
        self.decode_partition()
        left = self._undecoded
        for count, key in enumerate(list(left)):
            if deadline is not None and count % _LOOK_EVERY == 0 and time.monotonic() > deadline:
                return False
            value, offset, _ = left[key]
            with self._told(offset):
                account = decode_account(value)
            if account.account_id.encode() != key:
                raise UnreadableState(
                    f"{self.place}: record {offset} holds account {account.account_id!r} under the key {key!r}. "
                    "Another program wrote it: find it, and fold the log again under another BACKONTRACK_APP_ID"
                )
            self.accounts[account.account_id] = account
            del left[key]
        return True

    @contextmanager
    def _told(self, offset: int) -> Iterator[None]:
        """Adds the place to what is said of an unreadable record."""
        try:
            yield
        except UnreadableState as error:
            raise UnreadableState(f"{self.place}: record {offset}: {error}") from error

    def check(self) -> None:
        """Raises Unrecoverable when records are missing, so that nothing is folded into accounts that are gone."""
        for key, (_, offset, epoch) in list(self._undecoded.items()):
            if offset > self.since >= 0 and epoch < self.epoch:
                # The claim before it was compacted away, so that it was not known for what it is when it was read.
                del self._undecoded[key]
                self.stale.add(key)
        accounts = self.count
        there = self.state is not None or PARTITION_KEY in self._undecoded
        if accounts and not there:
            raise Unrecoverable(
                f"{self.place}: holds accounts but no partition state: records were deleted, or overwritten by a "
                f"worker that had lost the partition. {_ADVICE}"
            )
        known = self._known - self._removed
        if there and accounts < known:
            raise Unrecoverable(
                f"{self.place}: {known - accounts} of {known} accounts are missing: the topic was recreated or its "
                f"records were deleted, or overwritten by a worker that had lost the partition. {_ADVICE}"
            )

    @property
    def count(self) -> int:
        """Accounts that are there, decoded or not."""
        return len(self.accounts) + sum(
            key != PARTITION_KEY and key.decode(errors="replace") not in self.accounts for key in self._undecoded
        )


_ADVICE = (
    "`backontrack topics check` shows whether the topic is declared as it should be. Start under another "
    "BACKONTRACK_APP_ID to fold the log again; nothing was reset"
)
