"""What a replica makes of the records of a changelog: owners, stale writes, missing accounts, schemas."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.shell.changelog import ACCOUNTS, CLAIM, EPOCH, PARTITION_KEY, SINCE, next_epoch, schema_key
from streams.shell.failure import Unrecoverable
from streams.shell.replica import Replica
from streams.shell.state_codec import (
    StateCodec,
    UnreadableState,
    account_codec,
    encode_account,
    encode_partition,
    written_schemas,
)

PARTITION = encode_partition(PartitionState(0))


def account(name: str, seen: int = 1) -> bytes:
    return encode_account(AccountState(name, first_seen_at=seen))


@dataclass
class Changelog:
    """Records as they would lie on the brokers."""

    records: list[tuple[bytes, bytes | None, dict[str, bytes]]] = field(default_factory=list)

    def put(self, key: bytes, value: bytes | None, epoch: int = 1, **headers: bytes) -> int:
        self.records.append((key, value, {EPOCH: b"%d" % epoch, **headers}))
        return len(self.records) - 1

    def claim(self, epoch: int, accounts: int, mark: bytes = b"m") -> int:
        return self.put(PARTITION_KEY, PARTITION, epoch, **{ACCOUNTS: b"%d" % accounts, CLAIM: mark})

    def partition(self, epoch: int, accounts: int, since: int) -> int:
        return self.put(PARTITION_KEY, PARTITION, epoch, **{ACCOUNTS: b"%d" % accounts, SINCE: b"%d" % since})

    def compact(self) -> set[int]:
        """Offsets that are left when only the newest record of a key is."""
        return set({key: offset for offset, (key, _, _) in enumerate(self.records)}.values())

    def read(self, only: set[int] | None = None, into: Replica | None = None, begin: int = 0) -> Replica:
        replica = into or Replica("changelog/0", 0)
        for offset, (key, value, headers) in enumerate(self.records):
            if offset >= begin and (only is None or offset in only):
                replica.feed(offset, key, value, headers)
        return replica


def test_stale_record_does_not_count_and_its_key_is_named() -> None:
    log = Changelog()
    log.put(b"a", account("a", 1))
    log.claim(2, 1)
    log.put(b"a", account("a", 99), 1)
    replica = log.read()
    replica.check()
    assert replica.decode()
    assert replica.accounts["a"].first_seen_at == 1
    assert replica.stale == {b"a"}


def test_key_that_its_owner_stores_after_a_stale_record_is_not_stale() -> None:
    log = Changelog()
    log.claim(2, 0)
    log.put(b"a", account("a", 99), 1)
    log.put(b"a", account("a", 2), 2)
    assert log.read().stale == set()


def test_account_of_which_compaction_kept_only_a_stale_record_is_missed() -> None:
    log = Changelog()
    log.put(b"a", account("a", 1))
    since = log.claim(2, 1)
    log.partition(2, 1, since)
    log.put(b"a", account("a", 99), 1)
    with pytest.raises(Unrecoverable, match="1 of 1 accounts are missing"):
        log.read(log.compact()).check()


def test_stale_record_is_known_although_the_claim_before_it_was_compacted_away() -> None:
    log = Changelog()
    log.put(b"a", account("a", 1))
    log.put(b"b", account("b", 1))
    since = log.claim(2, 2)
    log.put(b"a", account("a", 99), 1)
    log.put(b"b", account("b", 2), 2)
    log.partition(2, 2, since)
    left = log.compact()
    assert since not in left
    replica = log.read(left)
    with pytest.raises(Unrecoverable, match="1 of 2 accounts are missing"):
        replica.check()
    assert replica.stale == {b"a"}


def test_recreated_changelog_with_some_states_is_not_taken_for_all() -> None:
    """As a worker that goes on writing leaves it."""
    log = Changelog()
    log.put(b"a", account("a"), 5)
    log.partition(5, 40, 7)
    with pytest.raises(Unrecoverable, match="39 of 40 accounts are missing"):
        log.read().check()


def test_tombstone_of_a_key_that_no_owner_knew_is_not_counted() -> None:
    log = Changelog()
    log.put(b"a", account("a"), 2)
    log.partition(2, 2, 0)
    log.put(b"ghost", None, 2, **{ACCOUNTS: b"0"})
    with pytest.raises(Unrecoverable, match="1 of 2"):
        log.read().check()


def test_account_removed_on_purpose_is_not_missed() -> None:
    log = Changelog()
    log.put(b"a", account("a"), 2)
    log.put(b"b", account("b"), 2)
    log.partition(2, 2, 0)
    log.put(b"b", None, 2)
    replica = log.read()
    replica.check()
    assert replica.decode()
    assert set(replica.accounts) == {"a"}


def test_two_claims_with_one_number_are_noticed() -> None:
    log = Changelog()
    log.claim(3, 0, b"x")
    log.claim(3, 0, b"y")
    assert log.read().contested == 3
    log.claim(4, 0, b"z")
    assert log.read().contested < log.read().epoch


@given(generation=st.integers(1, 1 << 30), later=st.integers(1, 5), seen=st.integers(0, 1 << 50))
def test_member_of_a_newer_generation_has_the_larger_number(generation: int, later: int, seen: int) -> None:
    """When the group was never forgotten, whatever either has read before it claims."""
    seen = min(seen, (generation << 20) + 5)
    assert next_epoch(generation, seen) < next_epoch(generation + later, 0)


def test_state_of_another_release_is_read_by_the_schema_before_it() -> None:
    @dataclass
    class AccountState:  # the newer one, by the same name
        account_id: str
        first_seen_at: int = 0
        loyalty: float = 1.5

    newer = StateCodec(AccountState, "account-state")
    value = newer.encode(AccountState("a", 5, 3.0))
    log = Changelog()
    log.claim(1, 0)
    log.put(b"a", value)
    with pytest.raises(UnreadableState, match="another release"):
        log.read().decode()
    log = Changelog()
    log.put(schema_key(newer.fingerprint), json.dumps(newer.source).encode())
    log.claim(1, 0)
    log.put(b"a", value)
    replica = log.read()
    assert replica.decode()
    assert replica.accounts["a"].first_seen_at == 5


def test_schema_that_is_not_what_its_key_says_stops() -> None:
    replica = Replica("changelog/0", 0)
    with pytest.raises(UnreadableState, match="fingerprint"):
        replica.feed(0, schema_key(b"\x01" * 8), json.dumps(account_codec().source).encode(), {})


def test_recursive_schema_is_refused() -> None:
    schema = {"type": "record", "name": "AccountState", "namespace": "backontrack.state", "fields": []}
    schema["fields"] = [{"name": "inner", "type": ["null", "AccountState"]}]
    from streams.shell.schemas import crc_of  # noqa: PLC0415  for this test alone

    with pytest.raises(UnreadableState, match="refused"):
        Replica("changelog/0", 0).feed(0, schema_key(crc_of(schema)), json.dumps(schema).encode(), {})


def test_schemas_that_are_written_can_be_learnt() -> None:
    for fingerprint, source in written_schemas().items():
        Replica("changelog/0", 0).feed(0, schema_key(fingerprint), source, {})


@given(st.data())
def test_reading_on_gives_what_reading_anew_gives(data: st.DataObject) -> None:
    """At whatever place the reading is broken off, and however much is decoded then."""
    rng = random.Random(data.draw(st.integers(0, 1 << 20)))
    log, epoch, since = Changelog(), 1, 0
    names = [f"a{number}" for number in range(6)]
    known: set[str] = set()
    since = log.claim(epoch, 0)
    for count in range(data.draw(st.integers(1, 60))):
        kind = rng.random()
        name = rng.choice(names)
        if kind < 0.1:
            epoch += 1
            since = log.claim(epoch, len(known), b"%d" % epoch)
        elif kind < 0.25 and epoch > 1:
            log.put(name.encode(), account(name, -count), epoch - 1)
        elif kind < 0.35:
            log.partition(epoch, len(known), since)
        else:
            known.add(name)
            log.put(name.encode(), account(name, count), epoch)
    place = data.draw(st.integers(0, len(log.records)))
    warm = log.read(set(range(place)))
    if data.draw(st.booleans()):
        warm.decode()
    warm = log.read(None, warm, place)
    fresh = log.read()
    for replica in (warm, fresh):
        replica.check()
        assert replica.decode()
    assert {n: encode_account(a) for n, a in warm.accounts.items()} == {
        n: encode_account(a) for n, a in fresh.accounts.items()
    }
    assert (warm.epoch, warm.since, warm.stale, warm.position) == (
        fresh.epoch,
        fresh.since,
        fresh.stale,
        fresh.position,
    )
