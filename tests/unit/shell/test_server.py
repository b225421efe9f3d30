"""The probes: 200 or 503 with the reason."""

import urllib.error
import urllib.request
from asyncio import to_thread

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.shell.failure import Unrecoverable
from streams.shell.server import ProbeServer


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_probes_tell_the_reason() -> None:
    registry = CollectorRegistry()
    Counter("seen", "doc", registry=registry).inc()
    server = ProbeServer(registry, lambda: "nothing moves", lambda: None)
    await server.start("127.0.0.1", 0)
    try:
        assert await to_thread(_get, server.port, "/livez") == (503, "nothing moves\n")
        assert await to_thread(_get, server.port, "/readyz") == (200, "ok\n")
        assert "seen_total 1.0" in (await to_thread(_get, server.port, "/metrics"))[1]
        assert (await to_thread(_get, server.port, "/other"))[0] == 404
    finally:
        await server.stop()


async def test_a_worker_that_holds_is_live_and_says_what_for() -> None:
    server = ProbeServer(CollectorRegistry(), lambda: None, lambda: None, lambda: "holds (broker): away")
    await server.start("127.0.0.1", 0)
    try:
        assert await to_thread(_get, server.port, "/livez") == (200, "ok\nholds (broker): away\n")
        assert await to_thread(_get, server.port, "/readyz") == (200, "ok\n")
    finally:
        await server.stop()


async def test_taken_port_is_named_with_its_setting() -> None:
    first = ProbeServer(CollectorRegistry(), lambda: None, lambda: None)
    await first.start("127.0.0.1", 0)
    second = ProbeServer(CollectorRegistry(), lambda: None, lambda: None)
    try:
        with pytest.raises(Unrecoverable, match="BACKONTRACK_METRICS_PORT"):
            await second.start("127.0.0.1", first.port)
    finally:
        await first.stop()
        await second.stop()
