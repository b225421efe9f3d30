"""The private parts of Faust, mode and aiokafka that the worker overrides or relies on are those that were read.

When one of these tests fails after an upgrade: read the upstream method again, adapt the override, run the
integration tests on a real broker, and only then note the new hash here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import faust
import mode
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from faust.transport.conductor import ConductorCompiler
from faust.transport.drivers import aiokafka as driver

from streams.shell.app import WorkerApp
from streams.shell.consumer import MergedConsumer
from streams.shell.consumer_thread import MergedConsumerThread
from streams.shell.transport import MergedTransport

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}

OVERRIDDEN: list[tuple[type, type, str, str]] = [
    (MergedConsumer, base.Consumer, "_new_offset", "1d2c7ea89a7ad4f1"),
    (MergedConsumer, base.Consumer, "_drain_messages", "44a2500309e83c63"),
    (MergedConsumer, base.Consumer, "perform_seek", "0e8c130ff4b0afd8"),
    (MergedConsumer, base.Consumer, "on_partitions_assigned", "29ce96596f05a18c"),
    (MergedConsumer, driver.Consumer, "_new_consumer_thread", "0870ec53dea75083"),
    (MergedConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer", "c2701bfc3e6f6cad"),
    (MergedConsumerThread, driver.AIOKafkaConsumerThread, "on_start", "38b4e8bd1e10723a"),
    (MergedConsumerThread, driver.AIOKafkaConsumerThread, "on_thread_stop", "8dfc004e258b6c25"),
    (WorkerApp, faust.App, "_new_transport", "42db531312dd776f"),
    (WorkerApp, faust.App, "_create_directories", "a9f571c3b04abec3"),
]
"""Override, where it comes from, its name, hash of the upstream source."""

RELIED_ON: list[tuple[Any, str]] = [
    (driver.AIOKafkaConsumerThread._fetch_records, "39a2c6c79fc1455a"),
    (driver.ConsumerRebalanceListener.on_partitions_assigned, "1c1f8406ad3698a6"),
    (faust.App._on_partitions_revoked, "d5c895bbe57dc73a"),
    (faust.App._on_partitions_assigned, "de932b7927db85b3"),
    (faust.App._stop_consumer, "55854a5de12c3f52"),
    (faust.App.on_stop, "bfe5a933defb2324"),
    (base.Fetcher._fetcher, "68f894f0b577d810"),
    (Recovery._resume_streams, "d986a6710c1aca98"),
    (ConductorCompiler.build, "837cf521368c1ee4"),
    (mode.Worker._schedule_shutdown, "1a6a5dfc88c2298b"),
    (mode.Worker._stop_on_signal, "beff8fabfeb1e1e3"),
    (mode.Worker.execute_from_commandline, "212e98f635d7a69b"),
    (mode.Worker.stop_and_shutdown, "bf1608cc301123cf"),
    (Fetcher.fetched_records, "be4348896b9b66af"),
    (Fetcher._update_fetch_positions, "d7774d8241dc6a7e"),
    (Fetcher._fetch_requests_routine, "2a8ec5932644c9b0"),
    (AIOKafkaClient._md_synchronizer, "e0421bffa9a7735a"),
    (GroupCoordinator._coordination_routine, "75273e127d4a4f5d"),
    (GroupCoordinator._do_commit_offsets, "c3a3ea5613f39cac"),
    (GroupCoordinator._push_error_to_user, "743ff515bd7e2e38"),
    (GroupCoordinator.check_errors, "ba6ca51ad34838d9"),
    (GroupCoordinator.ensure_coordinator_known, "4dfb9ccd877aba5d"),
    (GroupCoordinator.fetch_committed_offsets, "6c049c7379165952"),
    (TopicPartitionState.seek, "c20b56d7ba7b2872"),
]
"""Upstream code whose behaviour the worker's correctness follows from."""


def source_hash(function: Callable[..., Any]) -> str:
    """Short hash of a function's source."""
    function = getattr(function, "fun", function)  # a service task keeps its function there
    return hashlib.sha256(inspect.getsource(inspect.unwrap(function)).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("package", "pinned"), PINNED.items())
def test_installed_version_is_the_one_that_was_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize(("ours", "theirs", "name", "expected"), OVERRIDDEN)
def test_overridden_hook_is_unchanged_upstream(ours: type, theirs: type, name: str, expected: str) -> None:
    assert name in vars(ours), "the override is gone; so should be this line"
    assert source_hash(getattr(theirs, name)) == expected


@pytest.mark.parametrize(("function", "expected"), RELIED_ON, ids=lambda value: getattr(value, "__qualname__", None))
def test_relied_on_code_is_unchanged_upstream(function: Any, expected: str) -> None:
    assert source_hash(function) == expected


@pytest.mark.parametrize(("ours", "theirs", "name", "expected"), OVERRIDDEN)
def test_override_takes_the_same_arguments(ours: type, theirs: type, name: str, expected: str) -> None:
    del expected
    mine, upstream = inspect.signature(getattr(ours, name)), inspect.signature(getattr(theirs, name))
    assert list(mine.parameters) == list(upstream.parameters)


def test_transport_uses_the_merged_consumer() -> None:
    assert MergedTransport.Consumer is MergedConsumer
    assert "Consumer" in vars(driver.Transport), "the class attribute by which a transport names its consumer"


def test_fetch_wait_is_where_it_is_set() -> None:
    """The attribute is read when the fetcher is started, so that setting it after construction counts."""
    assert "self._fetch_max_wait_ms = fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer.__init__)
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer.start)
