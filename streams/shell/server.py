"""The worker's only listening port: /livez, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streams.shell.failure import Unrecoverable

Probe = Callable[[], str | None]


class ProbeServer:
    """Serves the probes and the metrics.

    Args:
        registry: What /metrics shows.
        not_live: Reason for 503 at /livez, or None.
        not_ready: Reason for 503 at /readyz, or None.
        holds: What /livez adds although it answers 200: what the worker waits for.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        not_live: Probe,
        not_ready: Probe,
        holds: Callable[[], str] = lambda: "",
    ) -> None:
        self._registry = registry
        app = web.Application()
        app.router.add_get("/livez", _probe(not_live, holds))
        app.router.add_get("/readyz", _probe(not_ready, lambda: ""))
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self.port = 0
        """The port, once started."""

    async def start(self, host: str, port: int) -> None:
        """Begins to listen. Raises Unrecoverable when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise Unrecoverable(
                f"cannot listen on {host}:{port}: {error.strerror or error}. Set BACKONTRACK_METRICS_PORT to another "
                "port, or to 0 for any free one"
            ) from error
        address = self._runner.addresses[0]
        self.port = int(address[1])

    async def stop(self) -> None:
        """Ends listening."""
        await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        text = generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _probe(reason: Probe, note: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        why = reason()
        if why is not None:
            return web.Response(status=503, text=f"{why}\n")
        return web.Response(text="".join(f"{line}\n" for line in ("ok", note()) if line))

    return answer
