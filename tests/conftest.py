"""Fixtures for every test."""

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker, unavailable_reason

# A shared machine may take its time over an example. In CI the examples are the same in every run, so that a change is
# judged by what it changes; everywhere else they are drawn anew.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def _no_browser() -> str | None:
    return None if shutil.which("chromium") else "Chromium is not installed"


_NEEDS: dict[str, Callable[[], str | None]] = {"kafka": unavailable_reason, "browser": _no_browser}


# First, so that a skipped test starts no fixture.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what this machine cannot run."""
    for marker, reason_for in _NEEDS.items():
        if item.get_closest_marker(marker) and (reason := reason_for()):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """The broker inside this process, shared: use `prefix` in every name."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def real_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    """A real Kafka, shared: use `prefix` in every name, and a broker of your own to stop or kill it."""
    broker = RealBroker(tmp_path_factory.mktemp("kafka"))
    with broker:
        yield broker
    # The log stays beside the other files of the run.
    shutil.rmtree(broker.directory / "data", ignore_errors=True)


@pytest.fixture(autouse=True)
def _log_handlers_as_they_were() -> Iterator[None]:
    """A command that runs in this process logs to a stream that is closed with its test."""
    handlers = logging.getLogger().handlers
    before = handlers[:]
    yield
    handlers[:] = before


@pytest.fixture
def prefix() -> str:
    """A name of this test alone: before topics (`f"{prefix}usage"`) or as an application id."""
    return f"t{uuid.uuid4().hex[:10]}-"
