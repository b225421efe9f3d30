"""What can be wrong with the files that a user names."""

from __future__ import annotations


class SentimentError(Exception):
    """Labelled texts or a model file cannot be used. The message is `file:line: reason`, or `file: reason`."""
