"""The board's web server: API, page, headers, errors."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from importlib.resources import files
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web

from streams.board.api import FOLLOWER, ApiError, answer, routes
from streams.board.follow import Follower
from streams.settings import Settings

# Everything the page uses comes from this server; scripts and styles stand in files of their own.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_HEAD_BYTES = 8_190

log = structlog.stdlib.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except ApiError as error:
        response = answer({"error": str(error)}, error.status)
    except web.HTTPException as error:
        response = answer({"error": error.reason}, error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except Exception:
        # What went wrong is for the log, not for whoever asked.
        log.exception("request failed", path=request.path)
        response = answer({"error": "internal error"}, 500)
    response.headers.update(_HEADERS)
    return response


def build(follower: Follower) -> web.Application:
    """The application over a follower."""
    app = web.Application(
        middlewares=[_errors_as_json],
        client_max_size=1_024,
        handler_args={"max_line_size": _HEAD_BYTES, "max_field_size": _HEAD_BYTES},
    )
    app[FOLLOWER] = follower
    app.add_routes(routes)
    pages = files("streams.board") / "static"
    for page in pages.iterdir():
        suffix = page.name.rpartition(".")[2]
        if suffix in _TYPES:
            path = "/" if page.name == "index.html" else f"/{page.name}"
            app.router.add_get(path, _static(page.read_bytes(), _TYPES[suffix]))
    # Browsers ask for it whatever the page says.
    app.router.add_get("/favicon.ico", _static((pages / "favicon.svg").read_bytes(), _TYPES["svg"]))
    return app


def _static(body: bytes, content_type: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(
            body=body, content_type=content_type, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    return handler


class BoardServer:
    """The board as part of a program: `start`, look at `url`, `stop`. Raises OSError when the port is taken."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.follower = Follower(settings)
        self.url = ""
        self._runner = web.AppRunner(build(self.follower), access_log=None, shutdown_timeout=1.0)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serves and follows, and returns at once."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.board_host, self.settings.board_port)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        self._task = asyncio.create_task(self.follower.run())

    async def wait(self) -> None:
        """Returns, by raising, only when following fails for good."""
        if self._task is not None:
            await self._task

    async def stop(self) -> None:
        """Stops serving and following; harmless when repeated."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve(settings: Settings, started: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; `started` is told the address. Raises OSError when the port is taken."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    async with BoardServer(settings) as board:
        started(board.url)
        stopping = asyncio.create_task(asked.wait())
        following = asyncio.create_task(board.wait())
        done, _ = await asyncio.wait({stopping, following}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if following in done:
            following.result()
        else:
            following.cancel()
