"""A schema registry, as far as a worker needs one: schemas by id for reading, ids of own schemas for writing.

Nothing is registered here: a worker that registers schemas could change a contract by being started.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from streams.settings import Settings
from streams.shell.registry_access import registry_access

TIMEOUT_S = 5.0
LARGEST_ID = 2**31 - 1
"""Ids are positive 32-bit integers; a frame that holds a larger one was damaged."""
_LARGEST_ANSWER = 4 << 20
_NOT_FOUND = 404
_UNKNOWN = frozenset({40401, 40402, 40403})
"""Codes of the registry for an unknown subject, version and schema.

They are looked for because a wrong address, or a proxy before a registry that is away, answers 404 as well.
"""


class RegistryUnavailable(Exception):  # noqa: N818  says what happened, not whose mistake it is
    """The registry cannot be asked now. Says nothing about the record: stop or try again, never drop it."""


class NotRegistered(Exception):  # noqa: N818  as above
    """The registry answers, and does not know the schema."""


class NotUsable(NotRegistered):
    """The registry knows the schema, and it is none that can be read with. Asking again will not change it."""


class SchemaSource(Protocol):
    """Where a codec finds schemas that it has not made itself."""

    def schema(self, schema_id: int) -> Any:
        """The Avro schema with this id, as JSON. Raises NotRegistered and RegistryUnavailable."""

    def id_of(self, subject: str, source: Any) -> int:
        """Id of a schema under its subject. Raises NotRegistered and RegistryUnavailable."""


class Registry:
    """Client of the Confluent schema registry interface. Every call waits for the network: for commands.

    Args:
        url: Base address, for example `http://registry:8081`; user and password may stand in it.
        transport: Replaces the network in tests.
        client: Further arguments of the HTTP client: certificates, user.
    """

    def __init__(
        self, url: str, transport: httpx.BaseTransport | None = None, client: Mapping[str, Any] | None = None
    ) -> None:
        self.shown = shown(url)
        made: dict[str, Any] = {"base_url": base(url), "timeout": TIMEOUT_S, "transport": transport, **(client or {})}
        self._client = httpx.Client(**made)

    def schema(self, schema_id: int) -> Any:
        """The Avro schema with this id, as JSON. Raises NotRegistered and RegistryUnavailable."""
        if schema_id > LARGEST_ID:
            raise NotUsable(f"schema id {schema_id} cannot exist")
        return schema_in(self._ask("GET", *schema_question(schema_id)), schema_id)

    def id_of(self, subject: str, source: Any) -> int:
        """Id of a schema under its subject. Raises NotRegistered and RegistryUnavailable."""
        path, body, what = id_question(subject, source)
        return int(self._ask("POST", path, body, what)["id"])

    def _ask(self, method: str, path: str, body: dict[str, str] | None, what: str) -> dict[str, Any]:
        try:
            with self._client.stream(method, path, json=body) as response:
                content = b""
                for chunk in response.iter_bytes():
                    content = joined(content, chunk, self.shown)
                return answer(response.status_code, content, what, self.shown)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"schema registry {self.shown}: {said(error)}") from error

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def registry_of(settings: Settings) -> Registry | None:
    """The registry that the settings name, None without one. Raises SettingsError."""
    if not settings.schema_registry:
        return None
    return Registry(settings.schema_registry, client=registry_access(settings))


def base(url: str) -> str:
    """The address to which paths are added."""
    return url.rstrip("/") + "/"


def shown(url: str) -> str:
    """The address as it may stand in a message: without user and password."""
    return str(httpx.URL(url).copy_with(userinfo=b""))


def said(error: httpx.HTTPError) -> str:
    """An error of the network in words; some have none of their own."""
    return str(error) or type(error).__name__


def schema_question(schema_id: int) -> tuple[str, None, str]:
    """Path, body and a name for messages of the question for a schema."""
    return f"schemas/ids/{schema_id}", None, f"schema id {schema_id}"


def id_question(subject: str, source: Any) -> tuple[str, dict[str, str], str]:
    """The same of the question for the id of a schema under a subject."""
    body = {"schema": json.dumps(source), "schemaType": "AVRO"}
    return f"subjects/{subject}?normalize=true", body, f"the schema of {subject}"


def joined(content: bytes, chunk: bytes, shown: str) -> bytes:
    """An answer so far with its next part. Raises RegistryUnavailable when it is far too large for a schema."""
    if len(content) + len(chunk) > _LARGEST_ANSWER:
        raise RegistryUnavailable(f"schema registry {shown}: an answer of more than {_LARGEST_ANSWER} bytes")
    return content + chunk


def answer(status: int, content: bytes, what: str, shown: str) -> dict[str, Any]:
    """The JSON object in an answer to a question for `what`. Raises NotRegistered and RegistryUnavailable."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if status == _NOT_FOUND and isinstance(found, dict) and found.get("error_code") in _UNKNOWN:
        raise NotRegistered(f"{what} is not registered at {shown}")
    if not 200 <= status < 300:  # noqa: PLR2004  success in HTTP
        raise RegistryUnavailable(f"schema registry {shown}: HTTP {status} for {what}")
    if not isinstance(found, dict):
        raise RegistryUnavailable(f"schema registry {shown}: no JSON object in the answer for {what}")
    return found


def schema_in(found: dict[str, Any], schema_id: int) -> Any:
    """The schema in an answer. Raises NotUsable."""
    if found.get("schemaType", "AVRO") != "AVRO":
        raise NotUsable(f"schema id {schema_id} is {found['schemaType']}, not Avro")
    if found.get("references"):
        raise NotUsable(f"schema id {schema_id} refers to other schemas, which is not supported")
    try:
        return json.loads(found["schema"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotUsable(f"schema id {schema_id} holds no schema in JSON: {type(error).__name__}") from error
