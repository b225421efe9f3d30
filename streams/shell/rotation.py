"""Passwords and certificates that are replaced while clients use them.

The files are looked at every few seconds. A new password reaches every client, and certificates those of aiokafka:
both count from the next connection on, the present ones live on. librdkafka reads certificates only when a client is
made; who keeps such a client compares `tls_signature` and makes a new one in time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import structlog

from streams.settings import Settings, SettingsError
from streams.shell import credentials

log = structlog.stdlib.get_logger(__name__)

LOOK_S = 2.0
"""Time between two looks at the files."""

Signature = tuple[tuple[int, int, int] | None, ...]


class Client(Protocol):
    """A client of librdkafka."""

    def set_sasl_credentials(self, username: str, password: str) -> Any:
        """From the next connection on."""
        ...


def signature(settings: Settings) -> Signature:
    """Changes when one of the files of credentials is replaced; None stands for one that is not there."""
    return _signature(credentials.files(settings))


def tls_signature(settings: Settings) -> Signature:
    """The same, of certificates and keys only: those that librdkafka reads once."""
    named = (settings.ssl_ca_file, settings.ssl_certificate_file, settings.ssl_key_file)
    return _signature([path for path in named if path is not None])


def _signature(paths: Iterable[Path]) -> Signature:
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


class Rotation:
    """Hands new credentials to clients, from a thread of its own.

    Args:
        settings: Names the files.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: list[Any] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._known = signature(settings)
        self._told = False

    def add(self, client: Any) -> None:
        """A client of librdkafka or aiokafka is kept up to date until `remove` or `close`."""
        if not credentials.files(self._settings):
            return
        with self._lock:
            self._clients.append(client)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="credentials", daemon=True)
                self._thread.start()

    def remove(self, client: Any) -> None:
        """The client is no longer looked after; nothing when it never was."""
        with self._lock:
            self._clients = [other for other in self._clients if other is not client]

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()

    def look(self) -> bool:
        """Looks at the files once; True when clients were given new credentials."""
        now = signature(self._settings)
        if now == self._known:
            return False
        try:
            secret, context = self._read()
        except SettingsError as error:
            # A pair of files is replaced one after the other.
            if not self._told:
                log.warning("new credentials cannot be used yet", reason=str(error))
                self._told = True
            return False
        self._known = now
        self._told = False
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            self._give(client, secret, context)
        log.info("new credentials are used from the next connection on")
        return True

    def _read(self) -> tuple[str | None, Any]:
        protocol = self._settings.security_protocol
        secret = credentials.password(self._settings, "sasl_password") if protocol.startswith("sasl") else None
        context = credentials.tls_context(self._settings) if protocol.endswith("ssl") else None
        return secret, context

    def _give(self, client: Any, secret: str | None, context: Any) -> None:
        if not hasattr(client, "set_sasl_credentials"):
            # aiokafka has no call for it; every new connection takes what stands here.
            client._sasl_plain_password = secret  # noqa: SLF001
            client._ssl_context = context  # noqa: SLF001
        elif secret is not None:
            try:
                client.set_sasl_credentials(self._settings.sasl_username, secret)
            except RuntimeError:
                self.remove(client)  # it was closed

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.look()


_rotations: dict[Settings, Rotation] = {}
_guard = threading.Lock()


def keep_fresh(settings: Settings, client: Any) -> None:
    """Gives a client every new password and certificate, until `let_go`. For clients that live long."""
    with _guard:
        found = _rotations.get(settings)
        if found is None:
            found = _rotations[settings] = Rotation(settings)
    found.add(client)


def let_go(settings: Settings, client: Any) -> None:
    """The client is not used any more."""
    with _guard:
        found = _rotations.get(settings)
    if found is not None:
        found.remove(client)
