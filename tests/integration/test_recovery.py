"""Reading the changelog back: newest per key, tombstones, former owners, and what must not be taken for a state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.settings import Settings
from streams.shell.changelog import EPOCH, PARTITION_KEY
from streams.shell.failure import Unrecoverable
from streams.shell.holds import BROKER, Holds
from streams.shell.recovery import Cancelled, ChangelogReader
from streams.shell.state_codec import UnreadableState, encode_account, encode_partition
from tests.support.embedded import EmbeddedBroker

Write = Callable[..., None]


@pytest.fixture
def topic(embedded: EmbeddedBroker, prefix: str) -> str:
    name = f"{prefix}changelog"
    embedded.touch(name)
    return name


@pytest.fixture
def write(embedded: EmbeddedBroker, topic: str) -> Write:
    producer = Producer({"bootstrap.servers": embedded.bootstrap, "log_level": 0, "enable.idempotence": True})

    def one(key: bytes | None, value: bytes | None, epoch: int = 1) -> None:
        producer.produce(topic, value, key, 0, headers={EPOCH: b"%d" % epoch})
        assert producer.flush(20) == 0

    return one


@pytest.fixture
def reader(embedded: EmbeddedBroker, topic: str) -> Iterator[ChangelogReader]:
    made = ChangelogReader(Settings(bootstrap_servers=embedded.bootstrap), topic, 0, threading.Event())
    yield made
    made.close()


def _account(account_id: str, seen: int) -> bytes:
    return encode_account(AccountState(account_id, first_seen_at=seen))


def test_newest_record_of_a_key_wins_and_a_tombstone_removes_it(write: Write, reader: ChangelogReader) -> None:
    write(PARTITION_KEY, encode_partition(PartitionState(0, stream_time=5)))
    write(b"a", _account("a", 1))
    write(b"b", _account("b", 1))
    write(b"a", _account("a", 2))
    write(b"b", None)
    reader.read_to_end()
    state, accounts = reader.states()
    assert state is not None
    assert state.stream_time == 5
    assert {name: account.first_seen_at for name, account in accounts.items()} == {"a": 2}


def test_record_of_a_former_owner_behind_the_claim_is_ignored(write: Write, reader: ChangelogReader) -> None:
    write(PARTITION_KEY, encode_partition(PartitionState(0)), 4)
    write(b"a", _account("a", 1), 4)
    write(PARTITION_KEY, encode_partition(PartitionState(0)), 6)
    write(b"a", _account("a", 99), 4)
    write(b"b", _account("b", 1), 6)
    reader.read_to_end()
    _, accounts = reader.states()
    assert {name: account.first_seen_at for name, account in accounts.items()} == {"a": 1, "b": 1}
    assert reader.epoch == 6


def test_reading_goes_on_where_it_ended(write: Write, reader: ChangelogReader) -> None:
    """After the claim, what a former owner wrote before it is read as well."""
    reader.read_to_end()
    assert reader.records == 0
    write(PARTITION_KEY, encode_partition(PartitionState(0)))
    write(b"a", _account("a", 1))
    reader.read_to_end()
    assert set(reader.states()[1]) == {"a"}


def test_unreadable_state_stops_the_worker(write: Write, reader: ChangelogReader) -> None:
    write(PARTITION_KEY, encode_partition(PartitionState(0)))
    write(b"a", b"not a state")
    reader.read_to_end()
    with pytest.raises(UnreadableState):
        reader.states()


def test_record_without_key_stops_the_worker(write: Write, reader: ChangelogReader) -> None:
    write(None, b"x")
    with pytest.raises(Unrecoverable, match="has no key"):
        reader.read_to_end()


def test_accounts_without_their_partition_state_stop_the_worker(write: Write, reader: ChangelogReader) -> None:
    write(b"a", _account("a", 1))
    reader.read_to_end()
    with pytest.raises(Unrecoverable, match="no partition state"):
        reader.states()


def test_recovery_ends_when_the_partition_is_taken_away(embedded: EmbeddedBroker, topic: str, write: Write) -> None:
    write(b"a", _account("a", 1))
    cancelled = threading.Event()
    cancelled.set()
    made = ChangelogReader(Settings(bootstrap_servers=embedded.bootstrap), topic, 0, cancelled)
    with pytest.raises(Cancelled):
        made.read_to_end()
    made.close()


class _Silent:
    """A client whose brokers answer, and bring no record."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def consume(self, *_: Any) -> list[Any]:
        time.sleep(0.05)
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_recovery_that_does_not_progress_ends(embedded: EmbeddedBroker, topic: str, write: Write) -> None:
    write(b"a", _account("a", 1))
    settings = Settings(bootstrap_servers=embedded.bootstrap, stall_timeout="4s")
    made = ChangelogReader(settings, topic, 0, threading.Event())
    made._consumer = _Silent(made._consumer)
    with pytest.raises(Unrecoverable, match="the brokers answer, but no record came"):
        made.read_to_end()
    made.close()


def test_recovery_waits_for_brokers_that_are_away() -> None:
    holds, cancelled = Holds(), threading.Event()
    settings = Settings(bootstrap_servers="127.0.0.1:9", stall_timeout="1s")
    made = ChangelogReader(settings, "changelog", 0, cancelled, holds)
    found: list[BaseException] = []

    def read() -> None:
        try:
            made.read_to_end()
        except BaseException as error:  # noqa: BLE001  it is looked at below
            found.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    deadline = time.monotonic() + 30
    while BROKER not in holds.reasons:
        assert time.monotonic() < deadline
        assert thread.is_alive(), found
        time.sleep(0.05)
    cancelled.set()
    thread.join(30)
    made.close()
    assert [type(error) for error in found] == [Cancelled]
    assert holds.reasons == {}
