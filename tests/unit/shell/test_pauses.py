"""A partition that has to wait: for the registry, for a look at earlier records, at the limit of dead letters."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry

from streams import topics
from streams.metrics import Metrics
from streams.settings import Settings
from streams.shell import pauses as pauses_module
from streams.shell import schema_lookup, schemas
from streams.shell.codec import Codec
from streams.shell.frames import confluent_header
from streams.shell.holds import BROKER, LETTERS, RATIO, REGISTRY, SENDING, Holds
from streams.shell.lanes import PartitionLanes, Slice
from streams.shell.letter_limit import PastRecord
from streams.shell.pauses import Pauses
from streams.shell.schema_lookup import SchemaLookup
from streams.shell.table import AccountTable, Owned
from tests.support.shell import START, fold, record, settings, usage

GOOD = {"schema": json.dumps(schemas.newest(topics.USAGE).source)}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds in place of seconds."""
    monkeypatch.setattr(schema_lookup, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(schema_lookup, "PATIENCE_S", 0.05)
    monkeypatch.setattr(pauses_module, "_LOOK_AGAIN_S", 0.02)
    monkeypatch.setattr(pauses_module, "_RETRY_S", 0.01)


class Rig:
    """A table that owns partitions 0 and 1, with lanes, a registry and earlier records."""

    def __init__(
        self,
        answer: Callable[[httpx.Request], httpx.Response] | None = None,
        history: Callable[[Settings, str, int, int], tuple[int, list[PastRecord]]] | None = None,
        **changed: Any,
    ) -> None:
        made = settings(**changed)
        self.holds = Holds()
        self.errors: list[BaseException] = []
        lookup = None
        if answer is not None:
            lookup = SchemaLookup("http://registry.test", self.holds, httpx.MockTransport(answer))
            lookup._patience = schema_lookup.PATIENCE_S
        pauses = Pauses(made, self.holds, lookup, history)
        self.table = AccountTable(
            made, Codec(made, lookup), Metrics(CollectorRegistry()), self.holds, pauses, self.errors.append
        )
        for partition in (0, 1):
            self.table.owned[partition] = Owned(fold(partition), epoch=7)
        self.table.turn = 1
        starts = dict.fromkeys(topics.RANKS, (0, 0))
        self.table.lanes = {partition: PartitionLanes(partition, topics.RANKS, starts, 0) for partition in (0, 1)}

    async def apply(self, *records: Any, partition: int = 0) -> None:
        await self.table.apply_slice(Slice(partition, 1, list(records)))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  depends on many things that change
                await asyncio.sleep(0.005)

    def applied(self, partition: int = 0) -> int:
        return self.table.owned[partition].fold.state.applied.get(topics.USAGE, -1)

    def letters(self, partition: int = 0) -> list[bytes]:
        return [letter.headers["backontrack.reason"] for letter in self.table.owned[partition].fold.state.outbox]


def _framed(offset: int, schema_id: int = 7, partition: int = 0) -> Any:
    value = usage(offset).value
    assert value is not None
    return record(topics.USAGE, offset, confluent_header(schema_id) + value[10:], partition=partition)


def _bad(offset: int) -> Any:
    return record(topics.USAGE, offset, b"?")


def _answers(*statuses: int) -> Callable[[httpx.Request], httpx.Response]:
    left: Iterator[int] = iter(statuses)

    def answer(_request: httpx.Request) -> httpx.Response:
        status = next(left, 200)
        return httpx.Response(status, json=GOOD if status == 200 else {"error_code": 40403})

    return answer


async def test_a_partition_that_waits_for_the_registry_keeps_order_and_the_others_go_on() -> None:
    """Slices of it that come meanwhile are put aside; its lanes are closed."""
    rig = Rig(_answers(500, 500, 500))
    await rig.apply(usage(0), _framed(1), usage(2))
    assert rig.applied() == 0
    assert rig.table.lanes[0].closed
    await rig.apply(usage(3))
    await rig.apply(usage(0), partition=1)
    assert (rig.applied(), rig.applied(1)) == (0, 0)
    await rig.until(lambda: REGISTRY in rig.holds.reasons)
    await rig.until(lambda: rig.applied() == 3)
    await rig.until(lambda: not rig.table.lanes[0].closed)
    assert not rig.letters()
    assert not rig.holds.reasons
    await rig.apply(_framed(4))
    assert rig.applied() == 4, "what is known needs no question"


async def test_an_id_that_stays_unknown_becomes_a_dead_letter() -> None:
    """After it was asked for again for a while."""
    rig = Rig(_answers(*[404] * 100))
    await rig.apply(usage(0), _framed(1, 9), usage(2))
    await rig.until(lambda: rig.applied() == 2)
    assert rig.letters() == [b"unknown_schema"]


async def test_a_partition_that_is_taken_away_while_it_waits_is_let_go() -> None:
    """No hold stays, nothing is applied afterwards."""
    rig = Rig(_answers(*[500] * 1000))
    await rig.apply(_framed(0))
    await rig.until(lambda: rig.holds.reasons)
    rig.table.drop()
    await rig.until(lambda: not rig.holds.reasons)
    assert not rig.table._held


async def test_beyond_the_limit_nothing_is_written_and_nothing_passed_over() -> None:
    """The partition waits with a message that says what to do; it is no failure."""
    rig = Rig(max_dead_letter_ratio=0.5)
    await rig.apply(*(_bad(offset) for offset in range(150)), usage(150))
    await rig.until(lambda: RATIO in rig.holds.reasons)
    assert rig.applied() == 99
    assert len(rig.letters()) == 100
    reason = rig.holds.reasons[RATIO]
    assert "101 of the newest 101 records of usage-events/0" in reason
    assert "wrong_magic" in reason
    assert "BACKONTRACK_MAX_DEAD_LETTER_RATIO" in reason
    assert rig.table.over_limit == [(topics.USAGE, 0)]
    await rig.apply(usage(0), partition=1)
    assert rig.applied(1) == 0, "other partitions go on"
    await asyncio.sleep(0.1)
    assert len(rig.letters()) == 100
    rig.table.drop()
    assert not rig.holds.reasons
    assert not rig.errors


async def test_a_restart_gives_no_new_allowance() -> None:
    """What lies before the first record that cannot be read is looked at first."""
    past = [PastRecord(offset, START, b"a", b"?") for offset in range(400, 600)]
    asked: list[tuple[str, int, int]] = []

    def history(_settings: Settings, topic: str, partition: int, offset: int) -> tuple[int, list[PastRecord]]:
        asked.append((topic, partition, offset))
        return 400, past

    rig = Rig(history=history)
    await rig.apply(_bad(600), usage(601))
    await rig.until(lambda: RATIO in rig.holds.reasons)
    assert asked == [("x-usage-events", 0, 600)]
    assert not rig.letters()
    assert rig.applied() == -1
    rig.table.drop()


async def test_a_release_that_can_read_them_goes_on() -> None:
    """Records before that are good again are no letters."""
    good = usage(0).value
    past = [PastRecord(offset, START, b"a", good) for offset in range(400, 600)]
    rig = Rig(history=lambda *_: (400, past))
    await rig.apply(_bad(600), usage(601))
    await rig.until(lambda: rig.applied() == 601)
    assert rig.letters() == [b"wrong_magic"]


async def test_a_schema_that_is_registered_ends_the_wait_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a restart: the record at the head is looked at again."""
    monkeypatch.setattr(schema_lookup, "ASK_AGAIN_S", 0.2)
    known = False

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=GOOD) if known else httpx.Response(404, json={"error_code": 40403})

    rig = Rig(answer)
    await rig.apply(*(_framed(offset, 9) for offset in range(150)))
    await rig.until(lambda: RATIO in rig.holds.reasons)
    known = True
    await rig.until(lambda: rig.applied() == 149)
    await rig.until(lambda: not rig.holds.reasons)
    assert len(rig.letters()) == 100


async def test_earlier_records_that_cannot_be_read_are_waited_for() -> None:
    """The brokers may be away just then."""
    calls = 0

    def history(*_: Any) -> tuple[int, list[PastRecord]]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return 0, []

    rig = Rig(history=history)
    await rig.apply(usage(0), _bad(1), usage(2))
    await rig.until(lambda: BROKER in rig.holds.reasons)
    await rig.until(lambda: rig.applied() == 2)
    assert not rig.holds.reasons


async def test_what_fails_while_a_partition_waits_stops_the_worker() -> None:
    """Nobody else would hear of it."""

    def history(*_: Any) -> tuple[int, list[PastRecord]]:
        raise ArithmeticError

    rig = Rig(history=history)
    await rig.apply(usage(0), _bad(1))
    await rig.until(lambda: rig.errors)
    assert isinstance(rig.errors[0], ArithmeticError)


async def test_while_letters_cannot_be_written_nothing_is_applied() -> None:
    """What would be applied could not be stored."""
    rig = Rig()
    rig.holds.on(LETTERS, "the topic is missing", SENDING)
    task = asyncio.create_task(rig.apply(usage(0)))
    await asyncio.sleep(0.05)
    assert rig.applied() == -1
    rig.holds.off(LETTERS, SENDING)
    await task
    assert rig.applied() == 0
