"""What a command says when it cannot do what was asked."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  says what happened to the request
    """The command refuses or failed. The message says what is wrong and what to do; shown without a traceback."""
