"""What heals an error of the brokers, and how a worker stops when going on could lose or double something."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from enum import Enum, auto

import structlog
from confluent_kafka import KafkaError

log = structlog.stdlib.get_logger(__name__)


class Unrecoverable(Exception):  # noqa: N818  says what it is to the worker
    """The worker must not go on. The message names what happened and what to do."""


class Abandoned(Exception):  # noqa: N818  no error: the partitions are no longer this worker's
    """What was to be written was given up, because the partitions were taken away."""


class Cure(Enum):
    """What has to happen before an operation that the brokers refused can succeed."""

    TIME = auto()
    """Nothing: an outage or a change of leaders, over by itself."""
    RIGHT = auto()
    """Somebody grants the right, or mends the credentials."""
    TOPIC = auto()
    """Somebody creates the topic."""
    NONE = auto()
    """Nothing: the same operation is refused for ever."""


_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001  the client's own names begin like that
}
_TOPICS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
}
_TIME = {
    # A connection was reset, or its broker has another address, while a request was on its way.
    KafkaError._DESTROY_BROKER,  # noqa: SLF001
    KafkaError._NODE_UPDATE,  # noqa: SLF001
    KafkaError._RETRY,  # noqa: SLF001
    KafkaError._UNKNOWN_BROKER,  # noqa: SLF001
    KafkaError._WAIT_CACHE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
    KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError._WAIT_COORD,  # noqa: SLF001
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.NOT_CONTROLLER,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.THROTTLING_QUOTA_EXCEEDED,
    KafkaError.UNKNOWN_PRODUCER_ID,
}


def cure(error: KafkaError) -> Cure:
    """What heals an error of a Kafka client."""
    code = error.code()
    if code in _RIGHTS:
        return Cure.RIGHT
    # That the client has failed for good; what for, it tells apart from this.
    if code == KafkaError._FATAL:  # noqa: SLF001  as above
        return Cure.TIME
    if error.fatal():
        return Cure.NONE
    if code in _TOPICS:
        return Cure.TOPIC
    return Cure.TIME if code in _TIME or error.retriable() else Cure.NONE


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
