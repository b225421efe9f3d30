"""The proxy does to a connection what the network does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.proxy import Proxy, Way


class Echo:
    """Answers every byte with itself; remembers what arrived."""

    def __init__(self) -> None:
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    self.heard += data
                    connection.sendall(data)
            except OSError:
                pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as made:
        yield made


@contextmanager
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as made:
        yield made


def answer(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = connection.recv(size - len(got))
        if not data:
            break
        got += data
    return got


def nothing_comes(connection: socket.socket, seconds: float = 0.3) -> bool:
    connection.settimeout(seconds)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def test_bytes_pass_unchanged_in_both_ways(proxy: Proxy) -> None:
    """A megabyte comes back as it was sent."""
    sent = bytes(range(256)) * 4096
    with client(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(sent,)).start()
        assert answer(connection, len(sent)) == sent
    assert proxy.passed(Way.UP) == proxy.passed(Way.DOWN) == len(sent)


def test_latency_delays_each_way(proxy: Proxy) -> None:
    """A round trip takes twice the latency, and bytes keep their order under jitter."""
    proxy.slow(latency_s=0.1, jitter_s=0.05)
    with client(proxy) as connection:
        begin = time.monotonic()
        for number in range(20):
            connection.sendall(bytes([number]))
        assert answer(connection, 20) == bytes(range(20))
        assert 0.1 <= time.monotonic() - begin < 2


def test_a_narrow_road_lets_so_many_bytes_through_in_a_second(proxy: Proxy) -> None:
    """50 kB at 100 kB/s take half a second."""
    proxy.slow(bytes_per_s=100_000, ways=[Way.UP])
    with client(proxy) as connection:
        begin = time.monotonic()
        connection.sendall(bytes(50_000))
        answer(connection, 50_000)
        assert 0.45 <= time.monotonic() - begin < 3


def test_what_is_sent_into_a_cut_is_never_delivered(proxy: Proxy, echo: Echo) -> None:
    """The connection is reset when the network heals, without the lost bytes."""
    with client(proxy) as connection:
        connection.sendall(b"a")
        assert answer(connection, 1) == b"a"
        proxy.cut()
        connection.sendall(b"lost")
        assert nothing_comes(connection)
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert echo.heard == b"a"
    assert proxy.lost(Way.UP) == 4


def test_a_cut_that_holds_delivers_late(proxy: Proxy) -> None:
    """After a short cut the bytes arrive on the same connection."""
    with client(proxy) as connection:
        proxy.cut(hold=True)
        connection.sendall(b"late")
        assert nothing_comes(connection)
        proxy.heal()
        assert answer(connection, 4) == b"late"


def test_a_cut_of_the_way_back_lets_requests_through(proxy: Proxy, echo: Echo) -> None:
    """The target hears and answers; the client hears nothing."""
    with client(proxy) as connection:
        connection.sendall(b"a")
        answer(connection, 1)
        proxy.cut([Way.DOWN])
        connection.sendall(b"b")
        assert nothing_comes(connection)
        assert echo.heard == b"ab"


def test_a_connection_made_in_a_cut_leads_nowhere(proxy: Proxy, echo: Echo) -> None:
    """Nothing is answered, and it is reset after the cut."""
    proxy.cut()
    with client(proxy) as connection:
        connection.sendall(b"lost")
        assert nothing_comes(connection)
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert echo.heard == b""


def test_a_connection_untouched_by_a_cut_survives_it(proxy: Proxy) -> None:
    """Nothing was sent meanwhile, so nothing is missing."""
    with client(proxy) as connection:
        connection.sendall(b"a")
        answer(connection, 1)
        proxy.cut()
        proxy.heal()
        connection.sendall(b"b")
        assert answer(connection, 1) == b"b"


def test_reset_ends_open_connections_and_takes_new_ones(proxy: Proxy) -> None:
    """A reset is over as soon as it has happened."""
    with client(proxy) as connection:
        connection.sendall(b"a")
        answer(connection, 1)
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with client(proxy) as connection:
        connection.sendall(b"b")
        assert answer(connection, 1) == b"b"


def test_refused_connections_are_accepted_again(proxy: Proxy) -> None:
    """While refusing, nobody listens."""
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    proxy.accept()
    with client(proxy) as connection:
        connection.sendall(b"b")
        assert answer(connection, 1) == b"b"


def test_the_end_of_one_side_ends_the_other(proxy: Proxy, echo: Echo) -> None:
    """When the target is gone, a new connection is ended at once."""
    echo.close()
    proxy.target = 1
    with client(proxy) as connection:
        assert connection.recv(1) == b""
