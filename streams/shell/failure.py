"""How a worker stops when going on could lose or double something."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import structlog

log = structlog.stdlib.get_logger(__name__)


class Unrecoverable(Exception):  # noqa: N818  says what it is to the worker
    """The worker must not go on. The message names what happened and what to do."""


class FailStop:
    """Ends the process with a message and exit code 1, at once.

    At once, because an orderly end would write a final checkpoint, and nothing may be stored or committed past a
    failure. What was stored before is complete: the next owner of the partitions continues from it.

    Args:
        leave: Ends the process; replaced in tests.
    """

    def __init__(self, leave: Callable[[int], object] = os._exit) -> None:
        self._leave = leave
        self.reason: str | None = None
        """Why the worker stopped; None while it runs."""

    def __call__(self, error: BaseException) -> None:
        """Stops because of `error`. Only the first call counts."""
        if self.reason is not None:
            return
        self.reason = str(error) or type(error).__name__
        if isinstance(error, Unrecoverable):
            log.critical("worker stopped", reason=self.reason)
        else:
            log.critical("worker stopped by an unexpected error", reason=self.reason, exc_info=error)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        self._leave(1)
