"""The registry of the tests answers as a real one does, and the product understands both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.shell import schemas
from streams.shell.codec import Codec
from streams.shell.frames import BadRecord, confluent_header
from streams.shell.holds import Holds
from streams.shell.registry import NotRegistered, Registry, RegistryUnavailable
from streams.shell.schema_lookup import SchemaLookup, SchemaWanted, prepare
from streams.topics import CONTROL, OUTPUTS, USAGE
from tests.integration.cluster import on_embedded
from tests.support.embedded import EmbeddedBroker
from tests.support.registry import FaultyRegistry, Mode, RealRegistry, ask, register, set_compatibility
from tests.support.registry import unavailable_reason as no_registry
from tests.support.shell import settings, usage

pytestmark = pytest.mark.chaos

NUMBER = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}
WIDER: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [*NUMBER["fields"], {"name": "b", "type": "string", "default": ""}],  # type: ignore[misc]
}
BROKEN: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [*NUMBER["fields"], {"name": "c", "type": "string"}],  # type: ignore[misc]
}


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with RealRegistry() as registry:
        yield registry.url


@pytest.fixture(params=["small", pytest.param("real", marks=[pytest.mark.kafka, pytest.mark.slow])])
def registry(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    """The store in memory, and a real registry behind the same faults."""
    upstream = None
    if request.param == "real":
        if reason := no_registry():
            pytest.skip(reason)
        upstream = str(request.getfixturevalue("real"))
    with FaultyRegistry(upstream) as made:
        yield made


def test_answers_are_those_of_the_interface(registry: FaultyRegistry, prefix: str) -> None:
    """Status, and the parts of the content that clients look at."""
    subject = f"{prefix}value"
    find = f"/subjects/{subject}?normalize=true"

    def said(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, content = ask(registry.url, method, path, body)
        found = json.loads(content) if content else {}
        return status, found.get("error_code", found.get("id"))

    schema = {"schema": json.dumps(NUMBER), "schemaType": "AVRO"}
    assert said("GET", "/schemas/ids/99999") == (404, 40403)
    assert said("POST", find, schema) == (404, 40401)
    number = register(registry.url, subject, NUMBER)
    assert register(registry.url, subject, NUMBER) == number
    assert said("POST", find, schema) == (200, number)
    assert said("POST", find, {**schema, "schema": json.dumps(WIDER)}) == (404, 40403)
    status, content = ask(registry.url, "GET", f"/schemas/ids/{number}")
    assert (status, json.loads(json.loads(content)["schema"])) == (200, NUMBER)
    assert ask(registry.url, "GET", "/nothing/here") == (404, b"")


def test_a_version_that_does_not_fit_is_refused(registry: FaultyRegistry, prefix: str) -> None:
    """By the registry, when its level says so."""
    subject = f"{prefix}value"
    register(registry.url, subject, NUMBER)
    set_compatibility(registry.url, subject, "BACKWARD_TRANSITIVE")
    register(registry.url, subject, WIDER)
    with pytest.raises(ValueError, match="409"):
        register(registry.url, subject, BROKEN)


def test_commands_read_by_id_and_find_their_own(registry: FaultyRegistry, prefix: str) -> None:
    """The client that waits."""
    client = Registry(registry.url)
    with pytest.raises(NotRegistered):
        client.schema(99_999)
    with pytest.raises(NotRegistered):
        client.id_of(f"{prefix}value", NUMBER)
    number = registry.register(f"{prefix}value", NUMBER)
    assert client.schema(number) == NUMBER
    assert client.id_of(f"{prefix}value", NUMBER) == number
    client.close()


@pytest.mark.parametrize("mode", [Mode.DOWN, Mode.FAILING, Mode.ABSENT])
def test_a_registry_that_is_away_never_says_that_a_schema_does_not_exist(registry: FaultyRegistry, mode: Mode) -> None:
    """Whatever stands in its place, a page with 404 included."""
    registry.mode = mode
    client = Registry(registry.url)
    with pytest.raises(RegistryUnavailable):
        client.schema(1)
    client.close()


async def test_a_worker_reads_and_writes_with_it(registry: FaultyRegistry, prefix: str) -> None:
    """Ids to write with before the start, schemas to read with when they are met."""
    made = settings(framing="confluent", schema_registry=registry.url, topic_prefix=prefix)
    for name in (*OUTPUTS, CONTROL, USAGE):
        registry.register(f"{prefix}{name}-value", schemas.newest(name).source)
    number = registry.register(f"{prefix}{USAGE}-value", schemas.newest(USAGE).source)
    lookup = SchemaLookup(registry.url, Holds())
    await prepare(made, lookup)
    codec = Codec(made, lookup)
    assert codec.encode(CONTROL, {"kind": "tick", "at": 1})[:1] == b"\0"
    value = usage(0).value
    assert value is not None
    framed = confluent_header(number) + value[10:]
    with pytest.raises(SchemaWanted):
        codec.decode(USAGE, framed)
    await lookup.learn(number)
    assert codec.decode(USAGE, framed)["event_id"] == "e0"
    registry.mode = Mode.DOWN
    assert codec.decode(USAGE, framed)["event_id"] == "e0"
    await lookup.aclose()


async def test_a_registered_schema_of_another_topic_is_the_record_s_fault(
    registry: FaultyRegistry, prefix: str
) -> None:
    """It is known, and cannot be read as what the topic holds."""
    number = registry.register(f"{prefix}value", NUMBER)
    lookup = SchemaLookup(registry.url, Holds())
    await lookup.learn(number)
    with pytest.raises(BadRecord):
        Codec(settings(schema_registry=registry.url), lookup).decode(USAGE, confluent_header(number) + b"\x02")
    await lookup.aclose()


def test_a_worker_that_writes_with_a_registry_waits_for_it_at_the_start(
    embedded: EmbeddedBroker, prefix: str, tmp_path: Path
) -> None:
    """It is live, not ready, stops in order when asked, and begins by itself when the registry is back."""
    cluster = on_embedded(embedded, prefix, tmp_path)
    with FaultyRegistry() as registry:
        for name in (*OUTPUTS, CONTROL):
            registry.register(f"{prefix}{name}-value", schemas.newest(name).source)
        registry.mode = Mode.DOWN
        how = {"framing": "confluent", "schema_registry": registry.url}
        for mended in (False, True):
            with cluster.worker(**how) as worker:
                worker.until(lambda: "registry" in worker.probe("/readyz")[1], "not ready, and says why")
                assert worker.probe("/livez")[0] == 200
                if mended:
                    registry.mode = Mode.WELL
                    worker.until(lambda: worker.probe("/readyz")[0] == 200, "ready")
                assert worker.stop() == 0


def test_a_worker_whose_schemas_are_not_registered_ends_and_says_which(
    embedded: EmbeddedBroker, prefix: str, tmp_path: Path
) -> None:
    """Workers register nothing."""
    cluster = on_embedded(embedded, prefix, tmp_path)
    with FaultyRegistry() as registry, cluster.worker(framing="confluent", schema_registry=registry.url) as worker:
        assert worker.wait() == 1
        assert "Register schemas/" in worker.output
