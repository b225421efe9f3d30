"""Faults of the embedded broker: errors of chosen requests, brokers away, leaders and coordinators that move.

The cluster inside the Kafka client has them behind its C interface (rdkafka_mock.h), which the Python package does not
show; the same library that it has loaded is called here. Numbers of brokers count from 1; EVERY means all of them.
"""

from __future__ import annotations

import ctypes
import functools
from collections import Counter
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Producer

from tests.support.embedded import EmbeddedBroker

EVERY = -1
DISCONNECT = KafkaError._TRANSPORT
"""As a request's error: the broker ends the connection instead of answering."""


class Request(IntEnum):
    """Kinds of requests (the protocol's API keys)."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22


class MockFaultError(Exception):
    """The mock cluster refused a fault."""


class MockFaults:
    """Faults of one embedded broker, which must outlive this."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        owner = broker._owner
        if owner is None:
            raise MockFaultError("the embedded broker is closed")
        self._broker = broker
        self._library = _library()
        self._cluster = self._library.rd_kafka_handle_mock_cluster(_handle(owner))
        named = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        if sorted(named.split(",")) != sorted(broker.bootstrap.split(",")):
            raise MockFaultError(f"found another cluster at {named}")

    def fail(self, request: Request, *errors: int) -> None:
        """The next requests of a kind, to any broker, are answered with these errors, one each.

        Args:
            request: The kind.
            errors: Codes of `confluent_kafka.KafkaError`; 0 lets one pass, DISCONNECT ends the connection.
        """
        array = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), array)

    def fail_slowly(self, broker: int, request: Request, *answers: tuple[int, int]) -> None:
        """The next requests of a kind to one broker get these errors (0: none) after these milliseconds, one each."""
        flat = [ctypes.c_int(value) for answer in answers for value in answer]
        push = self._library.rd_kafka_mock_broker_push_request_error_rtts
        self._check(push(self._cluster, broker, ctypes.c_int16(request), ctypes.c_size_t(len(answers)), *flat))

    def waiting(self, broker: int, request: Request) -> int:
        """How many errors pushed by `fail_slowly` were not given yet."""
        count = ctypes.c_size_t()
        ask = self._library.rd_kafka_mock_broker_error_stack_cnt
        self._check(ask(self._cluster, broker, request, ctypes.byref(count)))
        return count.value

    def clear(self, request: Request) -> None:
        """Forget the errors pushed by `fail`."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, request)

    def down(self, broker: int = EVERY) -> None:
        """A broker ends its connections and takes no new ones; it keeps its leaderships."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def up(self, broker: int = EVERY) -> None:
        """It takes connections again."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def round_trip(self, milliseconds: int, broker: int = EVERY) -> None:
        """Every answer of a broker is late by this."""
        self._check(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds))

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Move the leadership of a partition; -1 leaves it without a leader."""
        self._check(self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker))

    def coordinate(self, group: str, broker: int) -> None:
        """Move a consumer group to a broker.

        The old one does not refuse the group's requests; fail some with NOT_COORDINATOR for that.
        """
        self._check(self._library.rd_kafka_mock_coordinator_set(self._cluster, b"group", group.encode(), broker))

    def topic_error(self, topic: str, error: int) -> None:
        """What metadata says of a topic; 0 ends it."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic with any number of partitions."""
        self._check(self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its records."""
        self._check(self._library.rd_kafka_mock_topic_delete(self._cluster, topic.encode()))

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Delete the records below an offset, so that the log starts there."""
        delete = self._library.rd_kafka_mock_partition_delete_records
        self._check(delete(self._cluster, topic.encode(), partition, ctypes.c_int64(before)))

    def track(self) -> None:
        """Count requests from now on; what was counted is forgotten."""
        self._library.rd_kafka_mock_clear_requests(self._cluster)
        self._library.rd_kafka_mock_start_request_tracking(self._cluster)

    def tracked(self) -> Counter[int]:
        """How many requests of each kind came since `track`."""
        count = ctypes.c_size_t()
        found = self._library.rd_kafka_mock_get_requests(self._cluster, ctypes.byref(count))
        kinds = Counter(self._library.rd_kafka_mock_request_api_key(found[i]) for i in range(count.value))
        self._library.rd_kafka_mock_request_destroy_array(found, count.value)
        return kinds

    @staticmethod
    def _check(code: int) -> None:
        if code:
            raise MockFaultError(KafkaError(code).str())


def _handle(client: Producer) -> int:
    # The client's struct begins with Python's object header; the handle is its first field of its own.
    handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__).value
    if not handle or b"#producer-" not in (_library().rd_kafka_name(handle) or b""):
        raise MockFaultError("the client keeps its handle in an unknown place")
    return handle


@functools.cache
def _library() -> Any:
    # Loaded already by the package; the same path gives the same instance.
    path = next(iter(_loaded("librdkafka")), None)
    if path is None:
        raise MockFaultError("librdkafka is not loaded as a library of its own")
    library = ctypes.CDLL(path)
    pointer, text, number, short, size = (
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_int16,
        ctypes.c_size_t,
    )
    library.rd_kafka_name.argtypes, library.rd_kafka_name.restype = [pointer], text
    for name, result, arguments in (
        ("rd_kafka_handle_mock_cluster", pointer, []),
        ("rd_kafka_mock_cluster_bootstraps", text, []),
        ("rd_kafka_mock_push_request_errors_array", None, [short, size, ctypes.POINTER(ctypes.c_int)]),
        ("rd_kafka_mock_broker_error_stack_cnt", number, [number, short, ctypes.POINTER(size)]),
        ("rd_kafka_mock_clear_request_errors", None, [short]),
        ("rd_kafka_mock_broker_set_down", number, [number]),
        ("rd_kafka_mock_broker_set_up", number, [number]),
        ("rd_kafka_mock_broker_set_rtt", number, [number, ctypes.c_int]),
        ("rd_kafka_mock_partition_set_leader", number, [text, number, number]),
        ("rd_kafka_mock_coordinator_set", number, [text, text, number]),
        ("rd_kafka_mock_topic_set_error", None, [text, ctypes.c_int]),
        ("rd_kafka_mock_topic_create", number, [text, ctypes.c_int, ctypes.c_int]),
        ("rd_kafka_mock_topic_delete", number, [text]),
        ("rd_kafka_mock_partition_delete_records", number, [text, number, ctypes.c_int64]),
        ("rd_kafka_mock_clear_requests", None, []),
        ("rd_kafka_mock_start_request_tracking", None, []),
        ("rd_kafka_mock_get_requests", ctypes.POINTER(pointer), [ctypes.POINTER(size)]),
        ("rd_kafka_mock_request_api_key", short, []),
        ("rd_kafka_mock_request_destroy_array", None, [size]),
        # Takes any number of pairs after these.
        ("rd_kafka_mock_broker_push_request_error_rtts", number, [number, short, size]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, [pointer, *arguments]
    return library


def _loaded(name: str) -> Iterable[str]:
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = line.partition("/")[2]
        if name in path:
            yield f"/{path}"
