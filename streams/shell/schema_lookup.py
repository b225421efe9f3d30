"""Schemas of a registry for the worker: what is known is known at once, what is not is asked for beside its work.

A registry that is away, slow or failing stops only the partitions whose next record needs a schema that was never
seen; they wait, with growing pauses between the questions. A schema that the registry says it does not know is asked
for again for a while, because registration may lag behind the first record; then the record is a dead letter.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import httpx

from streams import topics
from streams.settings import Settings
from streams.shell import schemas
from streams.shell.backoff import growing
from streams.shell.failure import Unrecoverable
from streams.shell.holds import REGISTRY, Holds
from streams.shell.registry import (
    LARGEST_ID,
    TIMEOUT_S,
    NotRegistered,
    NotUsable,
    RegistryUnavailable,
    answer,
    base,
    id_question,
    joined,
    said,
    schema_in,
    schema_question,
    shown,
)
from streams.shell.registry_access import registry_access

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
PATIENCE_S = 30.0
"""How long an unknown schema is asked for again.

Once it is used up it comes back slowly (`_REGAIN`): frames with invented ids cost half a minute, not one each.
"""
ASK_AGAIN_S = 10.0
"""After this time, a record with an id that was not known is worth another question."""
_REGAIN = 0.1
_SLOW_S = 2.0
_ANSWER_S = 2 * TIMEOUT_S
"""Longest wait for a whole answer, however it drips in."""
_KNOWN, _MISSING = 1_000, 10_000

K = TypeVar("K")
V = TypeVar("V")


class SchemaWanted(RegistryUnavailable):
    """A schema that was not asked for yet: `learn` it, then try again."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"schema id {schema_id} is not known yet")
        self.schema_id = schema_id


class SchemaLookup:
    """Schemas of a registry whose answers are remembered. `schema` and `id_of` never wait.

    Args:
        url: As for `Registry`.
        holds: Told while records wait for the registry.
        network: Replaces the network in tests.
        client: As for `Registry`.
    """

    def __init__(
        self,
        url: str,
        holds: Holds,
        network: httpx.AsyncBaseTransport | None = None,
        client: Mapping[str, Any] | None = None,
    ) -> None:
        self.shown = shown(url)
        self._made: dict[str, Any] = {
            "base_url": base(url),
            "timeout": TIMEOUT_S,
            "transport": network,
            **(client or {}),
        }
        self._holds = holds
        self._requests: httpx.AsyncClient | None = None
        self._known: OrderedDict[int, Any] = OrderedDict()
        self._missing: OrderedDict[int, tuple[NotRegistered, float]] = OrderedDict()
        self._learning: dict[int, tuple[asyncio.Task[None], int]] = {}
        self._ids: dict[str, int] = {}
        self._patience = PATIENCE_S
        self._patient_at = time.monotonic()

    def schema(self, schema_id: int) -> Any:
        """The schema with this id, when it is known. Raises NotRegistered, and SchemaWanted when it must be learnt."""
        if schema_id in self._known:
            self._known.move_to_end(schema_id)
            return self._known[schema_id]
        if schema_id > LARGEST_ID:
            raise NotUsable(f"schema id {schema_id} cannot exist")
        missing = self._missing.get(schema_id)
        if missing is not None and time.monotonic() - missing[1] < ASK_AGAIN_S:
            raise missing[0]
        raise SchemaWanted(schema_id)

    def id_of(self, subject: str, source: Any) -> int:
        """Id of a schema that is written. Raises RegistryUnavailable before `prepare`."""
        del source
        if subject not in self._ids:
            raise RegistryUnavailable(f"the id of the schema of {subject} was not asked for yet")
        return self._ids[subject]

    async def prepare(self, subjects: Mapping[str, Any]) -> None:
        """Learns the ids of the schemas (as JSON) that will be written, by subject; waits for the registry.

        Raises NotRegistered.
        """
        for subject, source in subjects.items():
            if subject in self._ids:
                continue
            pauses = growing(FIRST_PAUSE_S, LONGEST_PAUSE_S)
            try:
                while True:
                    try:
                        found = await self._ask_async("POST", *id_question(subject, source))
                        self._ids[subject] = int(found["id"])
                        break
                    except RegistryUnavailable as error:
                        self._holds.on(REGISTRY, str(error), subject)
                    await asyncio.sleep(next(pauses))
            finally:
                self._holds.off(REGISTRY, subject)

    async def learn(self, schema_id: int) -> None:
        """Returns when it is known whether the registry has the schema. One question serves all who wait for it."""
        task, waiting = self._learning.get(schema_id) or (asyncio.create_task(self._learn(schema_id)), 0)
        self._learning[schema_id] = (task, waiting + 1)
        try:
            await asyncio.shield(task)
        finally:
            task, waiting = self._learning[schema_id]
            if waiting == 1:
                del self._learning[schema_id]
                task.cancel()
            else:
                self._learning[schema_id] = (task, waiting - 1)

    async def ask(self, schema_id: int) -> None:
        """Asks once; afterwards `schema` may know more."""
        try:
            await self._fetch(schema_id)
        except NotRegistered as error:
            self._note(schema_id, error)
        except RegistryUnavailable:
            return

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._requests is not None:
            await self._requests.aclose()

    async def _learn(self, schema_id: int) -> None:
        pauses = growing(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        waited_before = schema_id in self._missing
        part = f"schema id {schema_id}"
        try:
            while True:
                pause = next(pauses)
                try:
                    return await self._told_when_slow(self._fetch(schema_id), part)
                except NotRegistered as error:
                    pause = 0.0 if waited_before or isinstance(error, NotUsable) else self._spend(pause)
                    if not pause:
                        return self._note(schema_id, error)
                    reason = f"{error}; it is asked for again, registration may lag behind"
                except RegistryUnavailable as error:
                    reason = str(error)
                self._holds.on(REGISTRY, reason, part)
                await asyncio.sleep(pause)
        finally:
            self._holds.off(REGISTRY, part)

    async def _told_when_slow(self, work: Coroutine[Any, Any, None], part: str) -> None:
        """Waits for an answer; while it is slow to come, the hold says so."""
        task = asyncio.create_task(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=_SLOW_S)
            if not done:
                self._holds.on(REGISTRY, f"schema registry {self.shown} is slow to answer", part)
            await task
        finally:
            task.cancel()

    async def _fetch(self, schema_id: int) -> None:
        self._known[schema_id] = schema_in(await self._ask_async("GET", *schema_question(schema_id)), schema_id)
        self._missing.pop(schema_id, None)
        _cut(self._known, _KNOWN)

    async def _ask_async(self, method: str, path: str, body: dict[str, str] | None, what: str) -> dict[str, Any]:
        if self._requests is None:
            self._requests = httpx.AsyncClient(**self._made)
        content = b""
        try:
            async with asyncio.timeout(_ANSWER_S), self._requests.stream(method, path, json=body) as response:
                async for chunk in response.aiter_bytes():
                    content = joined(content, chunk, self.shown)
                return answer(response.status_code, content, what, self.shown)
        except TimeoutError:
            raise RegistryUnavailable(f"schema registry {self.shown}: no whole answer in {_ANSWER_S:.0f} s") from None
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"schema registry {self.shown}: {said(error)}") from error

    def _note(self, schema_id: int, error: NotRegistered) -> None:
        self._missing.pop(schema_id, None)
        self._missing[schema_id] = (error, time.monotonic())
        _cut(self._missing, _MISSING)

    def _spend(self, pause: float) -> float:
        """How long to wait before an unknown id is asked for again; 0 when the patience is used up."""
        now = time.monotonic()
        self._patience = min(PATIENCE_S, self._patience + _REGAIN * (now - self._patient_at))
        self._patient_at = now
        if self._patience < FIRST_PAUSE_S:
            return 0.0
        pause = min(pause, self._patience)
        self._patience -= pause
        return pause


def _cut(remembered: OrderedDict[K, V], most: int) -> None:
    while len(remembered) > most:
        remembered.popitem(last=False)


def lookup(settings: Settings, holds: Holds) -> SchemaLookup | None:
    """The registry that the settings name, for a worker; None without one."""
    if not settings.schema_registry:
        return None
    return SchemaLookup(settings.schema_registry, holds, client=registry_access(settings))


async def prepare(settings: Settings, found: SchemaLookup | None) -> None:
    """Learns the ids of all that a worker writes, before it begins; waits for the registry.

    Later would be too late: what was decided has to be encoded at once. Raises Unrecoverable.
    """
    if found is None or settings.framing != "confluent":
        return
    for name in (*topics.OUTPUTS, topics.CONTROL):
        newest = schemas.newest(name)
        try:
            await found.prepare({f"{settings.topic(name)}-value": newest.source})
        except NotRegistered as error:
            raise Unrecoverable(f"{error}. Register schemas/{name}/v{newest.version}.avsc first") from error
