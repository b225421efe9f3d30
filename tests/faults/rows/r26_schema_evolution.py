"""The schema of a topic changes while all runs: versions are mixed, and one that does not fit is refused."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import fastavro

from streams import topics
from streams.settings import Settings
from streams.shell import schemas
from streams.shell.codec import Codec
from streams.shell.frames import confluent_header, single_object_header
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier
from tests.faults.load import Load
from tests.support.registry import FaultyRegistry, named_in_settings, set_compatibility

_ROOT = Path(schemas.__file__).parents[2]
_V4_RECORDS = 20


class Versions:
    """Encodes use with versions that are mixed, everything else as it always is.

    Args:
        header: Of a version: number and schema as JSON.
        rng: Draws the version of each record.
    """

    def __init__(self, header: Callable[[int, Any], bytes], rng: Random) -> None:
        self._codec = Codec(Settings())
        self._rng = rng
        self._header = header
        self._made: dict[int, tuple[bytes, Any]] = {}
        self.mixed: tuple[int, ...] = (1,)

    def encode(self, topic: str, record: Mapping[str, Any]) -> bytes:
        """As `Codec.encode`."""
        if topic != topics.USAGE:
            return self._codec.encode(topic, record)
        return self.encode_as(self._rng.choice(self.mixed), record)

    def header(self, number: int) -> bytes:
        """What stands before a record of a version."""
        if number not in self._made:
            source = version(number)
            parsed = fastavro.parse_schema(schemas.without_logical_types(source))
            self._made[number] = (self._header(number, source), parsed)
        return self._made[number][0]

    def encode_as(self, number: int, record: Mapping[str, Any]) -> bytes:
        """Use as one version writes it."""
        header, parsed = self.header(number), self._made[number][1]
        buffer = BytesIO()
        buffer.write(header)
        more = {2: {"screen": "home"}, 3: {"screen": "home", "seats": 7}, 4: {"tenant": "t"}}.get(number, {})
        fastavro.schemaless_writer(buffer, parsed, {**record, **more})
        return buffer.getvalue()


def version(number: int) -> Any:
    """A version of the schema of use: 2 and 3 add fields with defaults, 4 adds one without and takes one away."""
    source = copy.deepcopy(schemas.versions(topics.USAGE)[0].source)
    added: dict[int, list[dict[str, Any]]] = {
        2: [{"name": "screen", "type": "string", "default": "unknown"}],
        3: [
            {"name": "screen", "type": "string", "default": "unknown"},
            {"name": "seats", "type": ["null", "int"], "default": None},
        ],
        4: [{"name": "tenant", "type": "string"}],
    }
    source["fields"] += added.get(number, [])
    if number == 4:
        source["fields"] = [field for field in source["fields"] if field["name"] != "value"]
    return source


def run(case: Case) -> None:
    """One of the variants."""
    {"registry": _registry, "files": _files}[case.variant](case)


def _registry(case: Case) -> None:
    """A worker that has version 1 only reads the others by their ids; fields that it does not know are dropped."""
    with FaultyRegistry() as registry:
        subject = "usage-events-value"

        def header(_number: int, source: Any) -> bytes:
            return confluent_header(registry.register(subject, source))

        made = Versions(header, case.rng)
        load = _load(case, made)
        set_compatibility(registry.url, subject, "NONE")
        case.worker("w1", schema_registry=registry.url)
        case.progress()
        for mixed in ((1, 2), (1, 2, 3), (3, 2)):
            case.fault(f"producers write versions {mixed}")
            made.mixed = mixed
            case.pause(5)
            case.recovered(60)
        set_compatibility(registry.url, subject, "BACKWARD_TRANSITIVE")
        with contextlib.suppress(ValueError):
            registry.register(subject, version(4))
            raise CaseFailed("the registry took version 4")
        set_compatibility(registry.url, subject, "NONE")
        _send_v4(case, load, made, "undecodable")
        with named_in_settings(registry.url):
            case.finish(dup_bound=0)


def _files(case: Case) -> None:
    """Workers with versions 1 to 3 take over from one that has version 1, before the producers go on."""
    made = Versions(lambda _number, source: single_object_header(schemas.crc_of(source)), case.rng)
    load = _load(case, made)
    old = case.worker("old")
    case.progress()
    case.recovered(180 * case.patience, "warm_s")
    build = _build(case.directory / "build", (2, 3))
    if _check(build).returncode != 0:
        raise CaseFailed(f"versions 2 and 3 are refused: {_check(build).stdout}")
    case.fault("rolled to a build with versions 2 and 3")
    new = case.worker("new", cwd=build)
    case.wait(lambda: "partitions taken over" in new.output, "the new build takes part", 90 * case.patience)
    if old.stop(60) != 0:
        raise CaseFailed("the old build does not stop in order")
    for mixed in ((1, 2), (1, 2, 3), (3, 2)):
        case.fault(f"producers write versions {mixed}")
        made.mixed = mixed
        case.pause(5)
        case.recovered(60)
    refused = _check(_build(case.directory / "wrong", (2, 3, 4)))
    if refused.returncode != 1 or "v4" not in refused.stdout or "tenant" not in refused.stdout:
        raise CaseFailed(f"version 4 is not refused: {refused.returncode} {refused.stdout}{refused.stderr}")
    _send_v4(case, load, made, "unknown_schema")
    with _schemas(build / "schemas"):
        case.finish(dup_bound=0)


def _load(case: Case, made: Versions) -> Load:
    load = case.load(rate=100, accounts=80, mix=Mix(responses=False))
    load.history._codec = made  # type: ignore[assignment]  # the one method that it uses
    return load.start()


def _send_v4(case: Case, load: Load, made: Versions, poison: str) -> None:
    case.fault("a producer writes version 4 all the same")
    load.stop()
    made.mixed = (4,)
    # Records that were drawn before are still of another version.
    header = made.header(4)
    sent = [record for record in load.history.take(2_000) if (record.value or b"").startswith(header)][:_V4_RECORDS]
    load.send(record._replace(poison=poison) for record in sent)
    load.flush()
    case.recovered(60)


def _build(directory: Path, numbers: tuple[int, ...]) -> Path:
    """The program with further versions of the schema of use."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_ROOT / "streams", directory / "streams", ignore=ignored)
    shutil.copytree(schemas.directory(), directory / "schemas")
    for number in numbers:
        path = directory / "schemas" / topics.USAGE / f"v{number}.avsc"
        path.write_text(json.dumps(version(number), indent=2), encoding="utf-8")
    return directory


def _check(build: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams.cli.main", "schemas", "check"]
    return subprocess.run(command, cwd=build, capture_output=True, text=True, check=False, timeout=120)


@contextlib.contextmanager
def _schemas(directory: Path) -> Iterator[None]:
    """The model reads with these files."""
    before = schemas.directory
    schemas.directory = lambda: directory
    schemas.versions.cache_clear()
    try:
        yield
    finally:
        schemas.directory = before
        schemas.versions.cache_clear()


ROW = Row(
    number=26,
    title="schema evolution while running",
    tier=Tier.ONE,
    run=run,
    variants=("registry", "files"),
    limits={"recovery_s": 60},
)
