"""A partition taken over from a fresh reading, from where it was parked, or from a warm copy: the same to the byte."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from streams import topics
from streams.metrics import Metrics
from streams.policy.load import default_policy
from streams.shell.audit import Audit
from streams.shell.changelog import EPOCH, PARTITION_KEY, SCHEMA_PREFIX, epoch_of
from streams.shell.checkpoint import Checkpointer
from streams.shell.codec import Codec
from streams.shell.failure import Unrecoverable
from streams.shell.ownership import Ownership
from streams.shell.producer import Sender
from streams.shell.state_codec import encode_account, encode_partition
from streams.shell.table import AccountTable
from tests.support.embedded import EmbeddedBroker
from tests.support.log import Record, read_all
from tests.support.shell import DAY_MS, START, piece, record, settings, usage

pytestmark = pytest.mark.chaos


class Desk:
    """The parts of a worker that own partitions, on a broker, without a group."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.settings = settings(bootstrap_servers=bootstrap, app_id=f"{prefix}app", topic_prefix="x-")
        self.codec = Codec(self.settings)
        self.metrics = Metrics(CollectorRegistry())
        self.table = AccountTable(self.settings, self.codec, self.metrics)
        self.sender = Sender(self.settings)
        self.member = True
        self.checkpointer = Checkpointer(
            self.settings, self.table, self.sender, self.codec, self.metrics, self._commit, self._is_member
        )
        self.policy = default_policy()
        self.ownership = Ownership(
            self.settings, self.policy, self.table, self.sender, self.codec, self.metrics, None, member=self._is_member
        )
        self.audit = Audit(self.settings, self.table, self.sender, self.checkpointer, self.metrics, self._is_member)
        self.turn = 1
        self.generation = 0
        self.offset = 0

    @property
    def changelog(self) -> str:
        return topics.changelog(self.settings.app_id)

    async def take(self, *partitions: int, standbys: tuple[int, ...] = ()) -> None:
        self.generation += 1
        await self.ownership.take(partitions, self.generation, standbys)
        self.table.turn = self.turn

    async def give_back(self) -> None:
        """As the worker does, with everything stored."""
        self.ownership.cancel()
        self.table.turn = -1
        assert await self.checkpointer.checkpoint()
        assert await self.checkpointer.checkpoint()
        self.ownership.park(await self.audit.ends())
        self.table.drop()
        self.checkpointer.forget()

    async def work(self, rng: random.Random, records: int) -> None:
        """Applies records of some accounts."""
        for _ in range(records):
            day, account = self.offset // 20, f"a{rng.randrange(20)}"
            made = usage(self.offset, START + day * DAY_MS, round(rng.gauss(100, 30), 2), account)
            if rng.random() < 0.02:
                made = record(topics.USAGE, self.offset, b"?", account.encode(), START + day * DAY_MS)
            await self.table.apply_slice(piece(made, turn=self.turn))
            self.offset += 1

    def states(self) -> dict[str, bytes]:
        """Everything that is owned, encoded."""
        found: dict[str, bytes] = {}
        for partition, owned in self.table.owned.items():
            found[f"partition {partition}"] = encode_partition(owned.fold.state)
            for name, account in owned.fold.accounts.items():
                found[name] = encode_account(account)
        return found

    def newest(self) -> dict[bytes, Record]:
        """Newest record of each key of partition 0 of the changelog."""
        return {
            found.key: found
            for found in read_all(self.settings.bootstrap_servers, self.changelog)
            if found.partition == 0
        }

    def write(self, key: bytes, value: bytes | None, epoch: int) -> None:
        """Writes to partition 0 of the changelog as another worker would."""
        producer = Producer({"bootstrap.servers": self.settings.bootstrap_servers, "log_level": 0})
        producer.produce(self.changelog, value, key, 0, headers={EPOCH: b"%d" % epoch})
        assert producer.flush(20) == 0

    async def _commit(self, _offsets: Mapping[Any, int]) -> bool:
        return True

    async def _is_member(self) -> bool:
        return self.member

    def close(self) -> None:
        self.ownership.standbys.stop()
        self.audit.close()
        self.sender.close()


@pytest.fixture
async def desk(embedded: EmbeddedBroker, prefix: str) -> AsyncIterator[Desk]:
    made = Desk(embedded.bootstrap, prefix)
    embedded.touch(made.changelog, *("x-" + topic.name for topic in topics.TOPICS))
    yield made
    made.close()


async def _fresh(desk: Desk, prefix: str) -> dict[str, bytes]:
    """What a worker that knows nothing recovers."""
    other = Desk(desk.settings.bootstrap_servers, prefix)
    other.generation = desk.generation
    try:
        await other.take(*desk.table.owned)
        return other.states()
    finally:
        other.close()


async def test_partitions_of_the_same_policy_share_it(desk: Desk) -> None:
    """Reading it takes as long as some hundred records do."""
    await desk.take(0, 1)
    first, second = (owned.fold.policy for owned in desk.table.owned.values())
    assert first is second is desk.policy


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_parked_partition_is_what_a_fresh_reading_gives(desk: Desk, prefix: str, seed: int) -> None:
    rng = random.Random(seed)
    await desk.take(0)
    await desk.work(rng, 300)
    await desk.give_back()
    await desk.take(0)
    parked = desk.states()
    assert desk.metrics.recovered.labels("parked")._value.get() == 1
    assert desk.metrics.recovery_records._value.get() <= 4, "schemas, the claims, and nothing else"
    await desk.work(rng, 50)
    await desk.give_back()
    await desk.take(0)
    assert desk.states() == await _fresh(desk, prefix)
    assert parked.keys() <= desk.states().keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_warm_copy_is_what_a_fresh_reading_gives(desk: Desk, prefix: str, seed: int) -> None:
    rng = random.Random(seed)
    other = Desk(desk.settings.bootstrap_servers, prefix)
    try:
        await desk.take(0)
        await other.take(standbys=(0,))
        for _ in range(3):
            await desk.work(rng, 100)
            await desk.checkpointer.checkpoint()
        end = (await desk.audit.ends())[0]
        deadline = time.monotonic() + 30
        while (other.ownership.standbys.partitions[0] or 0) < end - 30:
            assert time.monotonic() < deadline, other.ownership.standbys.partitions
            await asyncio.sleep(0.05)
        await desk.work(rng, 30)
        await desk.give_back()
        other.generation = desk.generation
        await other.take(0)
        assert other.metrics.recovered.labels("standby")._value.get() == 1
        assert other.states() == await _fresh(other, prefix)
    finally:
        other.close()


async def test_parked_partition_that_somebody_else_had_is_read_on(desk: Desk, prefix: str) -> None:
    rng = random.Random(1)
    await desk.take(0)
    await desk.work(rng, 100)
    await desk.give_back()
    other = Desk(desk.settings.bootstrap_servers, prefix)
    other.generation, other.offset = desk.generation, desk.offset
    try:
        await other.take(0)
        await other.work(rng, 100)
        await other.give_back()
    finally:
        other.close()
    desk.generation = other.generation
    await desk.take(0)
    assert desk.states() == await _fresh(desk, prefix)
    assert desk.table.owned[0].fold.state.applied == {topics.USAGE: 199}


async def test_partition_with_something_in_memory_only_is_not_parked(desk: Desk) -> None:
    await desk.take(0)
    await desk.work(random.Random(1), 50)
    desk.ownership.park(await desk.audit.ends())
    desk.table.drop()
    await desk.take(0)
    assert desk.metrics.recovered.labels("changelog")._value.get() == 2
    assert desk.table.owned[0].fold.state.applied == {}


async def test_partition_whose_changelog_somebody_wrote_to_is_not_parked(desk: Desk) -> None:
    await desk.take(0)
    await desk.work(random.Random(1), 50)
    assert await desk.checkpointer.checkpoint()
    desk.write(b"a1", b"stale", 1)
    await desk.give_back()
    await desk.take(0)
    assert desk.metrics.recovered.labels("changelog")._value.get() == 2


async def test_new_owner_stores_again_what_a_stale_write_has_overwritten(desk: Desk, prefix: str) -> None:
    await desk.take(0)
    await desk.work(random.Random(1), 100)
    assert await desk.checkpointer.checkpoint()
    desk.write(b"a1", b"stale", 1)
    desk.write(b"nobody", b"stale", 1)
    before = desk.states()
    other = Desk(desk.settings.bootstrap_servers, prefix)
    other.generation = desk.generation
    try:
        await other.take(0)
        assert other.states()["a1"] == before["a1"]
        assert other.table.checkpoint_due.is_set()
        await other.checkpointer.checkpoint()
        assert other.newest()[b"a1"].value == before["a1"]
        assert other.newest()[b"nobody"].value is None
    finally:
        other.close()


async def test_owner_finds_a_stale_write_and_stores_its_own_again(desk: Desk) -> None:
    await desk.take(0)
    await desk.work(random.Random(1), 100)
    assert await desk.checkpointer.checkpoint()
    before = desk.newest()
    for key in (b"a1", b"nobody", PARTITION_KEY):
        desk.write(key, b"stale", 1)
    await desk.checkpointer.between(desk.audit.look)
    assert await desk.checkpointer.checkpoint()
    after = desk.newest()
    assert after[b"a1"].value == before[b"a1"].value
    assert after[b"nobody"].value is None
    assert after[PARTITION_KEY].value == encode_partition(desk.table.owned[0].fold.state)
    assert epoch_of(after[b"a1"].headers) == desk.table.owned[0].epoch
    stored = len(read_all(desk.settings.bootstrap_servers, desk.changelog))
    await desk.checkpointer.between(desk.audit.look)
    assert await desk.checkpointer.checkpoint()
    assert len(read_all(desk.settings.bootstrap_servers, desk.changelog)) == stored, "found once"


async def test_owner_that_finds_a_newer_one_writes_no_further(desk: Desk) -> None:
    await desk.take(0)
    await desk.work(random.Random(1), 50)
    assert await desk.checkpointer.checkpoint()
    desk.write(b"a1", desk.states()["a1"], desk.table.owned[0].epoch + 1)
    desk.member = False
    await desk.checkpointer.between(desk.audit.look)
    assert desk.table.owned == {}


async def test_newer_owner_of_another_application_stops_the_worker(desk: Desk) -> None:
    await desk.take(0)
    desk.write(b"a1", b"x", desk.table.owned[0].epoch + 1)
    with pytest.raises(Unrecoverable, match="same BACKONTRACK_APP_ID"):
        await desk.audit.look()


async def test_member_that_the_group_has_dropped_claims_nothing(desk: Desk) -> None:
    desk.member = False
    await desk.take(0)
    assert desk.table.owned == {}
    assert not desk.ownership.recovered
    assert desk.newest() == {}


async def test_schemas_stand_before_the_states(desk: Desk) -> None:
    await desk.take(0)
    found = [entry.key for entry in read_all(desk.settings.bootstrap_servers, desk.changelog)]
    assert [key.startswith(SCHEMA_PREFIX) for key in found] == [True, True, False]
    await desk.give_back()
    await desk.take(0)
    found = [entry.key for entry in read_all(desk.settings.bootstrap_servers, desk.changelog)]
    assert sum(key.startswith(SCHEMA_PREFIX) for key in found) == 2, "once"


async def test_late_claim_of_an_older_generation_does_not_count(desk: Desk, prefix: str) -> None:
    """Both have read the same changelog; whoever is of the newer generation wins, in either order."""
    other = Desk(desk.settings.bootstrap_servers, prefix)
    other.generation = 5
    try:
        await other.take(0)
        await other.work(random.Random(1), 20)
        assert await other.checkpointer.checkpoint()
        assert await other.checkpointer.checkpoint(), "and that the dead letters have left"
        desk.write(PARTITION_KEY, b"late", 5)
        states = other.states()
        desk.generation = 6
        await desk.take(0)
        assert desk.states() == states
    finally:
        other.close()


async def test_what_was_read_before_a_recovery_was_broken_off_is_not_read_again(desk: Desk, prefix: str) -> None:
    await desk.take(0)
    await desk.work(random.Random(1), 100)
    await desk.give_back()
    other = Desk(desk.settings.bootstrap_servers, prefix)
    other.generation = desk.generation
    try:
        other.member = False
        await other.take(0)
        assert other.table.owned == {}
        other.member = True
        await other.take(0)
        assert other.metrics.recovery_records._value.get() <= 1, "its own claim"
        assert other.states() == await _fresh(other, prefix)
    finally:
        other.close()


async def test_changelog_that_is_shorter_than_what_was_written_stops_the_worker(desk: Desk) -> None:
    """As when it was recreated meanwhile."""
    await desk.take(0)
    await desk.work(random.Random(1), 20)
    assert await desk.checkpointer.checkpoint()
    await desk.audit.look()
    desk.table.owned[0].before += 5
    with pytest.raises(Unrecoverable, match="the topic was recreated"):
        await desk.audit.look()
