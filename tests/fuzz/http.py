"""Requests that no browser sends, by seed, over raw sockets; and what may be said of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

PATHS = (
    *("/livez", "/readyz", "/metrics", "/", "/api/overview", "/api/episodes", "/api/accounts", "/api/accounts/a"),
    *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/app.js/../../x"),
    *("/%00", "/%ff%fe", "/%", "/%zz", "/a b", "/" + "a" * 3000, "/" + "a/" * 2000, "*", "http://other/livez", ""),
    *(
        "/api/episodes?limit=0",
        "/api/episodes?limit=-1",
        "/api/episodes?limit=501",
        "/api/episodes?limit=" + "9" * 5000,
    ),
    *("/api/episodes?limit=1&limit=2", "/api/episodes?limit=%D9%A1", "/api/episodes?limit=1e2", "/api/episodes?limit="),
    *("/api/accounts?q=" + "x" * 201, "/api/accounts?q=%00", "/api/accounts?q=%ff", "/api/accounts?band=%3Cscript%3E"),
    *("/api/accounts?" + "&".join(f"a{number}=1" for number in range(900)), "/api/accounts/%2e%2e", "/api/accounts/"),
    *("/livez?" + "x" * 7000, "/metrics#x", "/livez;x=1", "/LIVEZ", "/livez/", "/api/episodes/%F0%9F%98%80"),
)
_METHODS = (
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PRI",
    "get",
    "G\0T",
    "",
)
_VERSIONS = (
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/1.9",
    "HTTP/x",
    "",
    "HTTP/1.1 x",
)
_HEADERS = (
    *("Host: x", "Host: ", "Host: a\r\nHost: b", "Connection: close", "Connection: keep-alive", "Expect: 100-continue"),
    *("Content-Length: 0", "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999"),
    *("Content-Length: 1\r\nContent-Length: 2", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked, chunked"),
    *("Transfer-Encoding: chunked\r\nContent-Length: 3", "Upgrade: websocket", "Cookie: " + "a=b; " * 500, ": x", "x"),
    *("X: " + "y" * 7000, "X: " + "y" * 100_000, "X\0: y", "X: \xff\xfe", " folded: x", "Accept-Encoding: gzip, br"),
    *("Range: bytes=0-1,2-3", "If-None-Match: *", "If-Modified-Since: x", "Content-Encoding: gzip", "X: y\rZ: w"),
)
_BODIES = (
    b"",
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\nx",
    b"-1\r\n",
    b"\x1f\x8b\x08",
    b"x" * 200_000,
)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")
_ANSWER_S = 10.0


class Answer(NamedTuple):
    """What came back: the status codes, all bytes, and the seconds to the last of them."""

    statuses: list[int]
    data: bytes
    seconds: float


def requests(seed: int) -> Iterator[bytes]:
    """Requests for ever, each to be sent over a connection of its own."""
    rng = random.Random(seed)
    while True:
        made = b"".join(_request(rng) for _ in range(rng.choice([1, 1, 1, 2, 20])))
        way = rng.randrange(6)
        if way == 0 and made:
            place = rng.randrange(len(made))
            made = made[:place] + bytes([rng.randrange(256)]) + made[place + 1 :]
        elif way == 1:
            made = made[: rng.randrange(len(made) + 1)]
        elif way == 2:
            made = rng.randbytes(rng.randrange(1, 300))
        yield made


def _request(rng: random.Random) -> bytes:
    line = f"{rng.choice(_METHODS)} {rng.choice(PATHS)} {rng.choice(_VERSIONS)}"
    headers = [rng.choice(_HEADERS) for _ in range(rng.choice([0, 1, 2, 3, 150]))]
    end = rng.choice(["\r\n", "\r\n", "\r\n", "\n"])
    return (end.join([line, "Host: x", *headers]) + end * 2).encode("latin-1") + rng.choice(_BODIES)


async def ask(port: int, request: bytes, *, pieces: int = 1, close: bool = True, patience: float = _ANSWER_S) -> Answer:
    """Sends a request in pieces; reads to the end of the connection, or until nothing came for `patience` seconds."""
    began = last = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b""
    try:
        with contextlib.suppress(ConnectionError, TimeoutError):
            size = max(1, -(-len(request) // pieces))
            for begin in range(0, len(request), size):
                writer.write(request[begin : begin + size])
                await asyncio.wait_for(writer.drain(), _ANSWER_S)
                await asyncio.sleep(0)
            if close:
                writer.write_eof()
            while found := await asyncio.wait_for(reader.read(65_536), patience):
                data += found
                last = time.monotonic()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return Answer([int(code) for code in _STATUS.findall(data)], data, last - began)
