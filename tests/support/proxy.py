"""A TCP proxy that makes the network bad: slow, narrow, cut, reset, refused.

It runs in a thread of its own. `up` is the way from the client to the target, `down` the way back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.kafka import RealBroker, free_port_pair

_CHUNK = 4096
_CHUNKS_IN_FLIGHT = 4096
_ANSWER_SECONDS = 10.0
_T = TypeVar("_T")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """A direction of the traffic."""

    UP = "up"
    DOWN = "down"


BOTH = (Way.UP, Way.DOWN)


@dataclass
class _Road:
    """One direction, for all connections together."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    cut: bool = False
    free_at: float = 0.0
    """When the next byte may enter a narrow road (time of the loop)."""
    passed: int = 0
    lost: int = 0


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    target: asyncio.StreamWriter | None = None
    torn: bool = False
    """Bytes or its end were lost, so it can never go on."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def finish(self) -> None:
        """Ends in order: what was written is still delivered."""
        for end in filter(None, (self.client, self.target)):
            end.close()
        self._stop()

    def abort(self) -> None:
        """Ends with a reset."""
        self._stop()
        for end in filter(None, (self.client, self.target)):
            with contextlib.suppress(OSError):
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.transport.abort()

    def _stop(self) -> None:
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()


class Proxy:
    """Runs from `start` to `close`; also a context manager. Every method may be called from any thread.

    Args:
        target: Port on this machine to which connections lead; may be set later through the attribute.
        port: Port on which clients are accepted; without one, a free one is chosen, and known before `start`.
        seed: Of the jitter.
    """

    def __init__(self, target: int = 0, port: int | None = None, *, seed: int = 0) -> None:
        self.target = target
        self.port = port or free_port_pair()
        self.address = f"127.0.0.1:{self.port}"
        self.accepted = 0
        """Connections accepted so far."""
        self._roads = {way: _Road() for way in BOTH}
        self._hold = False
        self._healed = asyncio.Event()
        self._healed.set()
        self._random = random.Random(seed)
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()
        self._call(self._listen())

    def close(self) -> None:
        """End every connection and the thread."""
        if not self._thread.is_alive():
            return
        self._call(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_SECONDS)
        self._loop.close()

    def slow(
        self,
        latency_s: float = 0.0,
        jitter_s: float = 0.0,
        bytes_per_s: float = 0.0,
        ways: Iterable[Way] = BOTH,
    ) -> None:
        """Delay every byte by latency +- jitter, and narrow the road to a number of bytes a second; 0 is no limit."""
        for way in ways:
            road = self._roads[way]
            road.latency_s, road.jitter_s, road.bytes_per_s = latency_s, jitter_s, bytes_per_s

    def cut(self, ways: Iterable[Way] = BOTH, *, hold: bool = False) -> None:
        """Let nothing through and tell nobody: connections stay open, new ones lead nowhere.

        Args:
            ways: What is cut; while only one is, requests (or answers) still pass on open connections.
            hold: Keep what was sent and deliver it after `heal`, as after a short cut; otherwise it is lost, and
                the connections that lost something are reset by `heal`.
        """
        self._hold = hold
        self._call(self._cut(tuple(ways)))

    def heal(self) -> None:
        """No cut, no delay, no limit; connections that lost something are reset."""
        self._call(self._heal())

    def reset(self) -> int:
        """Reset every open connection; how many there were."""
        return self._call(self._reset())

    def refuse(self) -> None:
        """Reset every connection and refuse new ones, as when no process listens."""
        self._call(self._refuse())

    def accept(self) -> None:
        """Accept connections again."""
        self._call(self._listen())

    def passed(self, way: Way) -> int:
        """Bytes let through."""
        return self._roads[way].passed

    def lost(self, way: Way) -> int:
        """Bytes lost in cuts."""
        return self._roads[way].lost

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self._abort(lambda _: True)

    async def _cut(self, ways: tuple[Way, ...]) -> None:
        self._healed.clear()
        for way in ways:
            self._roads[way].cut = True

    async def _heal(self) -> None:
        # In one turn of the loop: nothing passes on a connection that has lost something before.
        for road in self._roads.values():
            road.latency_s = road.jitter_s = road.bytes_per_s = 0.0
            road.cut = False
        self._healed.set()
        self._abort(lambda connection: connection.torn)

    async def _reset(self) -> int:
        return self._abort(lambda _: True)

    def _abort(self, chosen: Callable[[_Connection], bool]) -> int:
        gone = [connection for connection in self._connections if chosen(connection)]
        for connection in gone:
            connection.abort()
            self._connections.discard(connection)
        return len(gone)

    def _finish(self, connection: _Connection) -> None:
        connection.finish()
        self._connections.discard(connection)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(writer)
        self._connections.add(connection)
        # A handshake needs both ways.
        if any(road.cut for road in self._roads.values()) and not self._hold:
            connection.torn = True
            return
        await self._healed.wait()
        try:
            answers, connection.target = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self._finish(connection)
            return
        for way, source, sink in ((Way.UP, reader, connection.target), (Way.DOWN, answers, writer)):
            connection.tasks.add(asyncio.create_task(self._carry(connection, self._roads[way], source, sink)))

    async def _carry(
        self, connection: _Connection, road: _Road, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_IN_FLIGHT)
        arrival = asyncio.create_task(self._deliver(connection, road, travelling, sink))
        connection.tasks.add(arrival)
        last = 0.0
        data = b"more"
        while data:
            try:
                data = await source.read(_CHUNK)
            except OSError:
                data = b""
            now = self._loop.time()
            if road.bytes_per_s:
                # Each takes its turn, chunk by chunk, so that a small request does not wait behind a megabyte.
                road.free_at = max(road.free_at, now) + len(data) / road.bytes_per_s
                await asyncio.sleep(road.free_at - now)
                now = self._loop.time()
            delay = road.latency_s + self._random.uniform(-road.jitter_s, road.jitter_s)
            # No chunk overtakes another.
            last = max(last, now + delay)
            await travelling.put((last, data))

    async def _deliver(
        self,
        connection: _Connection,
        road: _Road,
        travelling: asyncio.Queue[tuple[float, bytes]],
        sink: asyncio.StreamWriter,
    ) -> None:
        while True:
            due, data = await travelling.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if road.cut and self._hold:
                await self._healed.wait()
            if road.cut:
                # The end of a connection does not cross a cut either: the other side keeps waiting.
                connection.torn = True
                road.lost += len(data)
                continue
            if not data:
                self._finish(connection)
                return
            try:
                sink.write(data)
                await sink.drain()
            except OSError:
                self._finish(connection)
                return
            road.passed += len(data)


class ProxiedBroker(RealBroker):
    """A broker with a bad network beside it: clients of `proxy.address` stay behind the proxy, others never meet it."""

    def __init__(self, directory: Path | None = None, *, properties: Mapping[str, str] | None = None) -> None:
        self.proxy = Proxy()
        super().__init__(directory, proxied=self.proxy.port, properties=properties)
        self.proxy.target = self.behind_proxy or 0
        self.proxy.start()

    def close(self) -> None:
        """Stop both, and remove what is temporary."""
        self.proxy.close()
        super().close()
