"""Where a topic partition is read from, and when it must not be."""

from __future__ import annotations

from aiokafka.errors import OffsetOutOfRangeError
from faust.types import TP

from streams.shell.failure import Unrecoverable


def start_position(tp: TP, known: int | None, committed: int | None, first: int, end: int) -> int:
    """The offset from which a topic partition is read.

    Args:
        tp: For messages.
        known: Next offset by the recovered state; None when the state knows nothing of the topic.
        committed: The group's committed offset, if any.
        first: First offset that the broker still has.
        end: Next offset that the broker will give.

    Raises Unrecoverable when records between were deleted, or the log was replaced.
    """
    if known is None:
        if committed is not None and committed > first:
            raise Unrecoverable(
                f"{tp.topic}/{tp.partition}: the group has committed offset {committed}, but the changelog has no "
                "state for it: the changelog topic was deleted or recreated. Start under another BACKONTRACK_APP_ID to "
                "fold the log from its beginning"
            )
        return first
    position = known
    if position < first:
        raise Unrecoverable(
            f"{tp.topic}/{tp.partition}: records {position} to {first - 1} were deleted before they were applied. Set "
            "retention.ms=-1 on the input topics; to go on without them, start under another BACKONTRACK_APP_ID"
        )
    if position > end:
        raise Unrecoverable(
            f"{tp.topic}/{tp.partition}: applied up to {position - 1}, but the log ends at {end - 1}: the topic was "
            "deleted or lost records. Start under another BACKONTRACK_APP_ID to fold the new log from its beginning"
        )
    return position


def out_of_range(error: OffsetOutOfRangeError) -> str:
    """What to do when the broker no longer has an offset that is to be read."""
    places = ", ".join(f"{tp.topic}/{tp.partition} at {offset}" for tp, offset in dict(error.args[0]).items())
    return (
        f"offset out of range: {places}. The broker has deleted records that were not applied yet, or the topic was "
        "recreated. Check retention.ms with `backontrack topics check`; nothing was passed over"
    )
