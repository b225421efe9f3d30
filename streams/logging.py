"""Logging: structlog over the standard library, so that the lines of Faust and the Kafka clients look like our own."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import structlog

from streams.settings import Settings

_THIRD_PARTY = {
    # One line for each of its hundred services, and banners, otherwise.
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.WARNING,
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    # What Faust logs through subclasses of its services.
    "streams.shell.app": logging.WARNING,
    # It reports every rejoin as an error; the worker says itself what it takes over.
    "aiokafka.consumer.group_coordinator": logging.CRITICAL,
}

_TELLS_SECRETS = (
    # Every request as it is sent: with SASL PLAIN that is the password.
    "aiokafka.conn",
    # The address of every request, with the user and the password in it.
    "httpx",
)


_CLIENTS = ("aiokafka", "faust", "mode")
_AGAIN_S = 30.0
_KINDS = 500


def refused_request(record: logging.LogRecord) -> bool:
    """True for the web server's trace of a request that is no HTTP: it has answered 400, and scanners fill no disk."""
    kind = record.exc_info[0] if record.exc_info else None
    return record.name == "aiohttp.server" and kind is not None and kind.__module__ == "aiohttp.http_exceptions"


class _Sparse(logging.Filter):
    """Lines that the clients repeat many times a second during an outage: one of each kind in half a minute.

    What is an error to them is none to the worker, which waits and says itself what for; except with a stack trace.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True for a line that is to be written."""
        if refused_request(record):
            return False
        if not record.name.startswith(_CLIENTS):
            return True
        kind, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._told.get(kind, -_AGAIN_S) < _AGAIN_S:
            return False
        if len(self._told) > _KINDS:
            self._told.clear()
        self._told[kind] = now
        if record.levelno == logging.ERROR and not record.exc_info:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


# Without local variables: they hold records of customers.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)


def configure_logging(settings: Settings) -> None:
    """Sends all logging to stderr: text for people on a terminal, else one JSON object a line."""
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if text
        else [_TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(_Sparse())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    for name, least in _THIRD_PARTY.items():
        logging.getLogger(name).setLevel(least if level > logging.DEBUG else level)
    for name in _TELLS_SECRETS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
