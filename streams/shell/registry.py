"""A schema registry, as far as a worker needs one: schemas by id for reading, ids of own schemas for writing.

Nothing is registered here: a worker that registers schemas could change a contract by being started.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

_TIMEOUT_S = 5.0
_NOT_FOUND = 404


class RegistryUnavailable(Exception):  # noqa: N818  says what happened, not whose mistake it is
    """The registry cannot be asked now. Says nothing about the record: stop or try again, never drop it."""


class NotRegistered(Exception):  # noqa: N818  as above
    """The registry answers, and does not know the schema."""


class Registry:
    """Client of the Confluent schema registry interface.

    Args:
        url: Base address, for example `http://registry:8081`; user and password may stand in it.
        transport: Replaces the network in tests.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._shown = str(httpx.URL(url).copy_with(userinfo=b""))
        self._client = httpx.Client(base_url=url.rstrip("/") + "/", timeout=_TIMEOUT_S, transport=transport)

    def schema(self, schema_id: int) -> Any:
        """The Avro schema with this id, as JSON. Raises NotRegistered and RegistryUnavailable."""
        found = self._ask("GET", f"schemas/ids/{schema_id}", None, f"schema id {schema_id}")
        if found.get("schemaType", "AVRO") != "AVRO":
            raise NotRegistered(f"schema id {schema_id} is {found['schemaType']}, not Avro")
        if found.get("references"):
            raise NotRegistered(f"schema id {schema_id} refers to other schemas, which is not supported")
        return json.loads(found["schema"])

    def id_of(self, subject: str, source: Any) -> int:
        """Id of a schema under its subject. Raises NotRegistered and RegistryUnavailable."""
        body = {"schema": json.dumps(source), "schemaType": "AVRO"}
        found = self._ask("POST", f"subjects/{subject}?normalize=true", body, f"the schema of {subject}")
        return int(found["id"])

    def _ask(self, method: str, path: str, body: dict[str, str] | None, what: str) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"schema registry {self._shown}: {error}") from error
        if answer.status_code == _NOT_FOUND:
            raise NotRegistered(f"{what} is not registered at {self._shown}")
        if not answer.is_success:
            raise RegistryUnavailable(f"schema registry {self._shown}: HTTP {answer.status_code} for {what}")
        try:
            found: dict[str, Any] = answer.json()
        except ValueError:
            raise RegistryUnavailable(f"schema registry {self._shown}: no JSON in the answer for {what}") from None
        return found

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
