"""What the worker asks of aiokafka's group membership beyond its public calls.

aiokafka tells errors of the group to whoever asks for records by its own calls, which Faust does not use: an error
would wait to be told for ever, and its background work with it. `tests/unit/shell/test_faust_hooks.py` holds what is
used here to the version that was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from aiokafka.util import create_task

from streams.shell.failure import Cure

IsMember = Callable[[], Awaitable[bool | None]]
"""Whether the group still counts this worker in; None when nobody answers."""


class FencedInstanceIdError(kafka.BrokerResponseError):  # type: ignore[misc]  # aiokafka has no types
    """Another member has joined the group under this one's `group.instance.id`."""

    errno = 82
    message = "FENCED_INSTANCE_ID"


# aiokafka, which can send such a name, takes the answer for an unknown error, and tries for ever.
kafka.kafka_errors.setdefault(FencedInstanceIdError.errno, FencedInstanceIdError)

_RIGHTS = (
    kafka.AuthenticationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.SaslAuthenticationFailed,
    kafka.TopicAuthorizationFailedError,
)
_NONE = (
    kafka.AuthenticationMethodNotSupported,
    kafka.CorruptRecordException,
    kafka.InconsistentGroupProtocolError,
    kafka.InvalidCommitOffsetSizeError,
    kafka.InvalidGroupIdError,
    kafka.InvalidSessionTimeoutError,
    kafka.OffsetMetadataTooLargeError,
    kafka.OffsetOutOfRangeError,
    kafka.UnsupportedCodecError,
    kafka.UnsupportedVersionError,
)
_MOVED = (kafka.UnknownMemberIdError, kafka.IllegalGenerationError, kafka.RebalanceInProgressError)


class Moved(Exception):  # noqa: N818  no error: what the group has done
    """The group is rebalancing, or has given the partitions to another member."""


def fenced(error: BaseException) -> bool:
    """True when the error, or the one that aiokafka has put into words in it, is that of a name in use."""
    return isinstance(error, FencedInstanceIdError) or FencedInstanceIdError.__name__ in str(error)


def cure(error: BaseException) -> Cure:
    """What heals an error of aiokafka. Most heal by themselves: it has retried nothing for long."""
    if isinstance(error, _RIGHTS):
        return Cure.RIGHT
    return Cure.NONE if isinstance(error, _NONE) or fenced(error) else Cure.TIME


async def commit(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int], generation: int) -> None:
    """Commits next offsets of partitions that were taken over in a generation, in one attempt.

    A member may commit what it likes: that a newer generation has it as a member too says nothing of who owns the
    partitions now. Raises Moved, and KafkaError.
    """
    coordinator = consumer._coordinator  # noqa: SLF001  its own call retries for ever without telling
    subscription = consumer._subscription.subscription  # noqa: SLF001
    assignment = None if subscription is None else subscription.assignment
    # Without a generation a broker takes offsets from anybody while the group has no members.
    if assignment is None or not set(offsets) <= set(assignment.tps):
        raise Moved
    await coordinator.ensure_coordinator_known()
    made = {tp: OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
    try:
        async with coordinator._commit_lock:  # noqa: SLF001
            if generation < 0 or coordinator.generation != generation:
                raise Moved
            attempt = create_task(coordinator._do_commit_offsets(assignment, made))  # noqa: SLF001
            # Whoever stops waiting has counted it as failed; it may still fail when the connection is known to be gone.
            attempt.add_done_callback(_ended)
            await asyncio.shield(attempt)
    except _MOVED as error:
        raise Moved from error


async def committed(consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
    """The group's next offsets, asked for at once; without those that it has not committed."""
    found = await consumer._coordinator.fetch_committed_offsets(tps)  # noqa: SLF001  the public call is one a partition
    return {tp: place.offset for tp, place in found.items()}


def look_after(consumer: AIOKafkaConsumer) -> BaseException | None:
    """Starts background work of aiokafka again that has ended, and lets go on what waits; returns why it did."""
    coordinator, fetcher, client = consumer._coordinator, consumer._fetcher, consumer._client  # noqa: SLF001
    if consumer._closed or coordinator is None or fetcher is None:  # noqa: SLF001
        return None
    found: BaseException | None = None
    if coordinator._coordination_task.done():  # noqa: SLF001
        found = _ended(coordinator._coordination_task)  # noqa: SLF001
        coordinator.request_rejoin()
        coordinator._coordination_task = create_task(coordinator._coordination_routine())  # noqa: SLF001
    try:
        coordinator.check_errors()
    except kafka.KafkaError as error:
        found = error
        heartbeat = coordinator._heartbeat_task  # noqa: SLF001
        if heartbeat is not None and heartbeat.done():
            # Only joining starts it again.
            coordinator.request_rejoin()
    if fetcher._fetch_task.done():  # noqa: SLF001
        found = _ended(fetcher._fetch_task)  # noqa: SLF001
        fetcher._fetch_task = create_task(fetcher._fetch_requests_routine())  # noqa: SLF001
    if client._sync_task is not None and client._sync_task.done():  # noqa: SLF001
        found = _ended(client._sync_task)  # noqa: SLF001
        client._sync_task = create_task(client._md_synchronizer())  # noqa: SLF001
    return found


def knows_coordinator(consumer: AIOKafkaConsumer) -> bool:
    """False while no broker is known to lead the group."""
    coordinator = consumer._coordinator  # noqa: SLF001
    return coordinator is None or coordinator.coordinator_id is not None


def member_id(consumer: AIOKafkaConsumer) -> str:
    """This member's id in the group; empty before it has one."""
    coordinator = consumer._coordinator  # noqa: SLF001
    return "" if coordinator is None else str(coordinator.member_id)


def _ended(task: asyncio.Task[object]) -> BaseException:
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or RuntimeError("background work of the client ended")
