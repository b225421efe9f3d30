"""The probes and the board answer requests that no browser sends, or refuse them; they go on, and tell no secrets."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from streams.board.follow import Follower
from streams.board.server import build
from streams.logging import refused_request
from streams.settings import Settings
from streams.shell.server import ProbeServer
from tests.fuzz.http import PATHS, ask, requests

_FINE = {200, 204, 400, 404, 405, 408, 411, 413, 414, 417, 431, 501, 505}
_REQUESTS = 250


@pytest.fixture
async def probes() -> AsyncIterator[int]:
    """Port of the probe server of a worker that is ready."""
    server = ProbeServer(CollectorRegistry(), lambda: None, lambda: None)
    await server.start("127.0.0.1", 0)
    yield server.port
    await server.stop()


@pytest.fixture
async def board() -> AsyncIterator[int]:
    """Port of a board over nothing."""
    runner = web.AppRunner(build(Follower(Settings())), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture(params=["probes", "board"])
def port(request: pytest.FixtureRequest) -> Any:
    """Each of the two."""
    return request.getfixturevalue(request.param)


async def _alive(port: int) -> None:
    answer = await ask(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.statuses == [200], answer


@pytest.mark.parametrize("seed", [1, 2])
async def test_strange_requests_are_answered_or_refused(port: int, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """No error of the server, no file of the machine, no hang, and the next request is answered."""
    caplog.set_level(logging.ERROR)
    for request in itertools.islice(requests(seed), _REQUESTS):
        answer = await ask(port, request)
        assert set(answer.statuses) <= _FINE, (request[:300], answer.data[:300])
        assert b"root:" not in answer.data
        assert b"Traceback" not in answer.data
        assert answer.seconds < 5, request[:300]
    assert not [record for record in caplog.records if not refused_request(record)]
    await _alive(port)


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_has_a_status_at_once(port: int, path: str) -> None:
    """One answer, by GET and by POST."""
    for method in ("GET", "POST"):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        answer = await ask(port, head.encode())
        assert len(answer.statuses) == 1, answer.data[:200]
        assert answer.statuses[0] in {200, 400, 404, 405, 503}
        assert answer.seconds < 5


async def test_a_header_that_never_ends_is_refused(port: int) -> None:
    """Memory is not for whoever connects."""
    answer = await ask(port, b"GET /livez HTTP/1.1\r\nX: " + b"y" * 2_000_000, pieces=50, close=False)
    assert answer.statuses in ([400], [431], [])
    await _alive(port)


async def test_many_headers_are_refused(port: int) -> None:
    """However short each of them is."""
    lines = b"".join(b"X%d: y\r\n" % number for number in range(100_000))
    answer = await ask(port, b"GET /livez HTTP/1.1\r\n" + lines + b"\r\n", pieces=50)
    assert answer.statuses in ([400], [431], [])
    await _alive(port)


async def test_a_body_is_not_waited_for(port: int) -> None:
    """Nothing here takes one: a promise of a terabyte is answered at once."""
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000000000\r\n\r\n"
    answer = await ask(port, head + b"x" * 100, close=False, patience=2)
    assert answer.statuses == [200]
    assert answer.seconds < 5


async def test_slow_and_silent_connections_do_not_hold_up_others(port: int) -> None:
    """A hundred half requests wait while another one is answered."""
    waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
    for number, (_, writer) in enumerate(waiting):
        writer.write(b"GET /livez HTTP/1.1\r\nX:"[: number % 24])
    began = time.monotonic()
    await _alive(port)
    assert time.monotonic() - began < 2
    for _, writer in waiting:
        writer.close()


async def test_requests_in_one_packet_are_all_answered(port: int) -> None:
    """In their order."""
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await ask(port, one * 20 + last, close=False)
    assert answer.statuses == [200, 404] * 20 + [200]
