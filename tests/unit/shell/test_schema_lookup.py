"""Schemas of a registry beside the worker's work: known ones at once, unknown ones with patience."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from streams.shell import schema_lookup
from streams.shell.failure import Unrecoverable
from streams.shell.holds import REGISTRY, Holds
from streams.shell.registry import NotRegistered, NotUsable, RegistryUnavailable
from streams.shell.schema_lookup import SchemaLookup, SchemaWanted, prepare
from tests.support.shell import settings

URL = "http://registry.test"
SCHEMA = {"type": "record", "name": "R", "fields": []}
UNKNOWN = httpx.Response(404, json={"error_code": 40403, "message": "Schema not found"})
GOOD = httpx.Response(200, json={"schema": json.dumps(SCHEMA)})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds in place of seconds."""
    monkeypatch.setattr(schema_lookup, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(schema_lookup, "LONGEST_PAUSE_S", 0.08)
    monkeypatch.setattr(schema_lookup, "PATIENCE_S", 0.2)
    monkeypatch.setattr(schema_lookup, "_SLOW_S", 0.05)


def _lookup(
    answer: Callable[[httpx.Request], httpx.Response] | list[httpx.Response | Exception], holds: Holds | None = None
) -> tuple[SchemaLookup, list[float]]:
    """A lookup and the times at which it asks; of a list, the last answer is repeated."""
    asked: list[float] = []

    def give(request: httpx.Request) -> httpx.Response:
        asked.append(time.monotonic())
        if callable(answer):
            return answer(request)
        found = answer[min(len(asked), len(answer)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    made = SchemaLookup(URL, holds or Holds(), httpx.MockTransport(give))
    made._patience = schema_lookup.PATIENCE_S
    return made, asked


async def test_a_schema_is_learnt_once() -> None:
    """Afterwards it is known without a question."""
    lookup, asked = _lookup([GOOD])
    with pytest.raises(SchemaWanted):
        lookup.schema(7)
    await lookup.learn(7)
    assert lookup.schema(7) == SCHEMA
    assert len(asked) == 1


async def test_one_question_serves_all_who_wait() -> None:
    """Every partition may meet the new schema at the same moment."""
    lookup, asked = _lookup([GOOD])
    await asyncio.gather(*(lookup.learn(7) for _ in range(8)))
    assert len(asked) == 1


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout(""),
        httpx.Response(500),
        httpx.Response(503, text="away"),
        httpx.Response(404, text="<html>no such page</html>"),
        httpx.Response(401),
        httpx.Response(200, text="no json"),
        httpx.Response(200, json=[1]),
    ],
)
async def test_a_registry_that_fails_is_asked_again_with_growing_pauses(failure: Any) -> None:
    """Whatever it says meanwhile is nothing about the schema, and the hold says so."""
    holds = Holds()
    lookup, asked = _lookup([failure] * 5 + [GOOD], holds)
    task = asyncio.create_task(lookup.learn(7))
    while len(asked) < 4:  # noqa: ASYNC110  a list has no event
        await asyncio.sleep(0.005)
    assert URL in holds.reasons[REGISTRY]
    await task
    assert lookup.schema(7) == SCHEMA
    assert not holds.reasons
    assert asked[5] - asked[0] > 0.2, "five pauses of the first length would be 0.05 s"


async def test_an_unknown_id_is_asked_for_again_for_a_while_and_then_given_up() -> None:
    """Registration may lag behind the first record."""
    lookup, asked = _lookup([UNKNOWN])
    await lookup.learn(9)
    with pytest.raises(NotRegistered, match="9 is not registered"):
        lookup.schema(9)
    assert len(asked) > 3


async def test_an_id_that_is_registered_late_is_found() -> None:
    """Within the patience, nothing is dead-lettered."""
    lookup, _ = _lookup([UNKNOWN, UNKNOWN, GOOD])
    await lookup.learn(9)
    assert lookup.schema(9) == SCHEMA


async def test_invented_ids_do_not_each_cost_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of them would stop the partition for days: once the patience is used up, each is asked for once."""
    monkeypatch.setattr(schema_lookup, "_REGAIN", 0.0)
    lookup, asked = _lookup([UNKNOWN])
    await lookup.learn(1)
    before = len(asked)
    for number in range(2, 102):
        await lookup.learn(number)
    assert len(asked) == before + 100


async def test_an_id_that_was_given_up_is_asked_for_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, without patience: then it is known for the records that follow."""
    lookup, asked = _lookup([UNKNOWN] * 30)
    await lookup.learn(9)
    monkeypatch.setattr(schema_lookup, "ASK_AGAIN_S", 0.0)
    with pytest.raises(SchemaWanted):
        lookup.schema(9)
    before = len(asked)
    await lookup.learn(9)
    assert len(asked) == before + 1


async def test_an_impossible_id_is_not_asked_for() -> None:
    """Ids are positive 32-bit integers."""
    lookup, asked = _lookup([GOOD])
    with pytest.raises(NotUsable):
        lookup.schema(2**31)
    assert not asked


async def test_a_schema_that_is_not_avro_is_given_up_at_once() -> None:
    """An id never changes its meaning."""
    lookup, asked = _lookup([httpx.Response(200, json={"schema": "syntax", "schemaType": "PROTOBUF"})])
    await lookup.learn(3)
    with pytest.raises(NotUsable, match="PROTOBUF"):
        lookup.schema(3)
    assert len(asked) == 1


async def test_a_slow_registry_does_not_block_the_loop_and_is_told_of() -> None:
    """The loop turns on while the answer is waited for."""
    holds = Holds()

    async def slow(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.3)
        return GOOD

    lookup = SchemaLookup(URL, holds, httpx.MockTransport(slow))
    task = asyncio.create_task(lookup.learn(7))
    turns, told = 0, False
    while not task.done():
        await asyncio.sleep(0.005)
        turns += 1
        told |= "slow" in holds.reasons.get(REGISTRY, "")
    assert turns > 3, "a call that blocks lets it turn once"
    assert told
    assert not holds.reasons


async def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps every other timeout from coming."""
    monkeypatch.setattr(schema_lookup, "_ANSWER_S", 0.1)

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                yield b" "
                await asyncio.sleep(0.01)

    lookup, _ = _lookup(lambda _: httpx.Response(200, stream=Drip()))
    with pytest.raises(RegistryUnavailable, match="no whole answer"):
        await lookup._fetch(7)


async def test_an_enormous_answer_is_not_taken() -> None:
    """Memory is bounded."""
    lookup, _ = _lookup(lambda _: httpx.Response(200, content=b" " * (5 << 20)))
    with pytest.raises(RegistryUnavailable, match="more than"):
        await lookup._fetch(7)


async def test_waiting_that_is_broken_off_leaves_no_hold() -> None:
    """The partition may go to another worker meanwhile."""
    holds = Holds()
    lookup, _ = _lookup([httpx.Response(500)], holds)
    tasks = [asyncio.create_task(lookup.learn(7)) for _ in range(2)]
    while not holds.reasons:  # noqa: ASYNC110  holds have no event
        await asyncio.sleep(0.005)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.02)
    assert not holds.reasons
    assert not lookup._learning


async def test_ids_to_write_with_are_learnt_before_the_start() -> None:
    """What was decided is encoded at once, when nobody can wait."""
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(500) if len(paths) < 3 else httpx.Response(200, json={"id": 5})

    lookup, _ = _lookup(answer)
    with pytest.raises(RegistryUnavailable):
        lookup.id_of("x-interventions-value", {})
    await prepare(settings(framing="confluent", schema_registry=URL), lookup)
    assert lookup.id_of("x-interventions-value", {}) == 5
    assert "/subjects/x-partition-control-value" in paths


async def test_a_worker_whose_schemas_are_not_registered_does_not_start() -> None:
    """And says which file to register."""
    lookup, _ = _lookup([UNKNOWN])
    with pytest.raises(Unrecoverable, match=r"Register schemas/.*\.avsc"):
        await prepare(settings(framing="confluent", schema_registry=URL), lookup)
