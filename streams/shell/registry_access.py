"""How the schema registry is reached: the one home of its user, its password and whom it is trusted by."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import httpx

from streams.settings import Settings, SettingsError
from streams.shell import credentials


def registry_access(settings: Settings) -> dict[str, Any]:
    """Arguments of the `httpx` client of the schema registry. Raises SettingsError."""
    url = urlsplit(settings.schema_registry)
    user = credentials.registry_user(settings)
    made: dict[str, Any] = {}
    if url.scheme == "https":
        made["verify"] = credentials.registry_context(settings)
    if user is not None:
        made["auth"] = _Fresh(settings)
    return made


class _Fresh(httpx.Auth):
    """User and password as they are when a request is sent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last: tuple[str, str] | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        try:
            self._last = credentials.registry_user(self._settings) or self._last
        except SettingsError:
            # Just being written; the one before will do, or be refused.
            if self._last is None:
                raise
        if self._last is None:
            yield request
        else:
            yield from httpx.BasicAuth(*self._last).auth_flow(request)
