"""The schema registry is down, slow, failing, flapping; a schema is registered late, or never."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Mapping
from io import BytesIO
from itertools import pairwise
from typing import Any

import fastavro

from streams import topics
from streams.settings import Settings
from streams.shell import schemas
from streams.shell.codec import Codec
from streams.shell.frames import confluent_header
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker
from tests.faults.load import Load
from tests.faults.watch import alive
from tests.support.registry import FaultyRegistry, Mode, RealRegistry, named_in_settings, unavailable_reason

SUBJECT = "usage-events-value"
STALL = "25s"
AWAY_S = 10.0
RECOVERY_S = 60.0
NEVER = 1_000_000
"""No schema gets this id."""


class Framed:
    """Encodes use in the Confluent frame with the schema that is chosen, everything else as it always is."""

    def __init__(self, registry: FaultyRegistry) -> None:
        self._codec = Codec(Settings())
        self._registry = registry
        self._newest = schemas.newest(topics.USAGE)
        self._count = 0
        self.used = (0, self._newest.parsed)

    def another(self) -> tuple[int, Any]:
        """Id and schema of a further version, with one more field; registered whatever the registry does."""
        source = self.unregistered()
        return self._registry.register(SUBJECT, source), fastavro.parse_schema(schemas.without_logical_types(source))

    def unregistered(self) -> Any:
        """A version that nobody has registered."""
        self._count += 1
        source = copy.deepcopy(self._newest.source)
        source["fields"].append({"name": f"more{self._count}", "type": "string", "default": ""})
        return source

    def encode(self, topic: str, record: Mapping[str, Any]) -> bytes:
        """As `Codec.encode`."""
        if topic != topics.USAGE:
            return self._codec.encode(topic, record)
        number, parsed = self.used
        buffer = BytesIO()
        buffer.write(confluent_header(number))
        fastavro.schemaless_writer(buffer, parsed, record)
        return buffer.getvalue()


def run(case: Case) -> None:
    """Every fault with schemas that are known, and with one that the worker has never met."""
    with contextlib.ExitStack() as stack:
        real = None if unavailable_reason() else stack.enter_context(RealRegistry())
        case.figure("real_registry", float(real is not None))
        registry = stack.enter_context(FaultyRegistry(real.url if real else None))
        framed = Framed(registry)
        framed.used = framed.another()
        load = case.load(rate=100, accounts=80, mix=Mix(responses=False))
        load.history._codec = framed  # type: ignore[assignment]
        load.start()
        worker = case.worker("w1", schema_registry=registry.url, stall_timeout=STALL)
        case.progress()
        case.recovered(180 * case.patience, "warm_s")
        _outages(case, registry, framed, worker)
        _slow(case, registry, framed, worker)
        worker = _restarted(case, registry, worker)
        _late(case, registry, framed, worker)
        _never(case, load, worker)
        alive([worker])
        with named_in_settings(registry.url):
            case.finish(dup_bound=0)


def _outages(case: Case, registry: FaultyRegistry, framed: Framed, worker: Worker) -> None:
    for mode in (Mode.DOWN, Mode.FAILING, Mode.ABSENT, Mode.FLAPPING):
        case.fault(f"registry {mode}: known schemas go on")
        registry.mode = mode
        case.pause(3)
        case.recovered(20, "known_s")
        if worker.probe("/readyz")[0] != 200:
            raise CaseFailed(f"{mode}, and not ready although all schemas are known: {worker.probe('/readyz')}")
        case.fault(f"registry {mode}: a new schema")
        framed.used = framed.another()
        asked = len(registry.asked)
        if mode is not Mode.FLAPPING:
            _held(case, worker, AWAY_S)
            _backs_off(case, [at for at, _ in registry.asked[asked:]])
            registry.mode = Mode.WELL
            case.fault("registry well")
        case.recovered(RECOVERY_S)
        registry.mode = Mode.WELL


def _slow(case: Case, registry: FaultyRegistry, framed: Framed, worker: Worker) -> None:
    case.fault("registry slow: a new schema")
    registry.mode = Mode.SLOW
    framed.used = framed.another()
    _held(case, worker, AWAY_S)
    registry.delay_s = 3.0
    case.fault("registry a little slow")
    case.recovered(RECOVERY_S)
    registry.mode = Mode.WELL


def _restarted(case: Case, registry: FaultyRegistry, worker: Worker) -> Worker:
    case.fault("registry down, worker restarted")
    registry.mode = Mode.DOWN
    if worker.stop(60) != 0:
        raise CaseFailed("a stop while the registry is down is not in order")
    worker = case.restart(worker)
    _held(case, worker, AWAY_S)
    registry.mode = Mode.WELL
    case.fault("registry well")
    case.recovered(RECOVERY_S)
    return worker


def _late(case: Case, registry: FaultyRegistry, framed: Framed, worker: Worker) -> None:
    """Records are there before their schema is registered."""
    known = registry.register(SUBJECT, framed.unregistered())
    source = framed.unregistered()
    case.fault("a schema that is registered 8 s late")
    parsed = fastavro.parse_schema(schemas.without_logical_types(source))
    framed.used = (known + 1, parsed)
    _held(case, worker, 8.0)
    number = registry.register(SUBJECT, source)
    if number != known + 1:
        raise CaseFailed(f"the registry gave id {number}, not {known + 1}: the case proves nothing")
    case.recovered(RECOVERY_S)


def _never(case: Case, load: Load, worker: Worker) -> None:
    """Invented ids: each becomes a dead letter, and together they cost one patience."""
    case.fault("records with invented ids")
    load.stop()
    began = time.monotonic()
    usage = [record for record in load.history.take(4_000) if record.topic == topics.USAGE][:200]
    load.send(
        record._replace(value=confluent_header(NEVER + at) + (record.value or b"")[5:], poison="unknown_schema")
        for at, record in enumerate(usage)
    )
    case.pause(2)
    case.recovered(120)
    case.figure("invented_s", time.monotonic() - began)
    alive([worker])


def _held(case: Case, worker: Worker, seconds: float) -> None:
    """The worker waits for the registry, is live, answers at once, and goes on waiting for `seconds`."""
    case.wait(lambda: "registry" in worker.probe("/readyz")[1], "the worker holds", 40 * case.patience)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.monotonic()
        status, text = worker.probe("/livez")
        case.worst("probe_s", time.monotonic() - began)
        if status != 200:
            raise CaseFailed(f"not live while it waits for the registry: {text}")
        case.pause(0.5)


def _backs_off(case: Case, asked: list[float]) -> None:
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    if len(pauses) < 3 or pauses[-1] < 2 * pauses[0]:
        raise CaseFailed(f"the pauses between questions do not grow: {pauses}")
    case.worst("questions_a_minute", 60 * len(asked) / max(1.0, asked[-1] - asked[0]))


ROW = Row(
    number=23,
    title="schema registry down, slow, failing, flapping",
    tier=Tier.ONE,
    run=run,
    limits={"recovery_s": RECOVERY_S, "probe_s": 2.0},
)
