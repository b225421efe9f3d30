"""What stock Faust loses, doubles or stops under everyday faults, and that the worker does not.

A test of stock Faust that fails means that a release has closed the hole: then it can go, and perhaps our own code with
it. `make test-chaos` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.stock import scenarios
from tests.faults.stock.scenarios import GROUP_LIMIT_S, Result
from tests.faults.stock.subjects import OurWorker, StockFaust, Subject
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(400)]

Make = Callable[[type[Subject]], Subject]


@pytest.fixture
def make(prefix: str, tmp_path: Path) -> Iterator[Make]:
    """Either of the two, on a broker of its own."""
    made: list[Subject] = []
    with EmbeddedBroker() as broker:

        def one(kind: type[Subject]) -> Subject:
            made.append(kind(broker, prefix, tmp_path))
            return made[-1]

        yield one
        for subject in made:
            subject.close()


def test_stock_faust_loses_the_event_of_a_handler_that_raised(make: Make) -> None:
    """The event is acknowledged and committed, although its handler failed."""
    assert scenarios.handler_exception(make(StockFaust)).lost == 1


def test_worker_keeps_the_event_of_a_handler_that_raised(make: Make) -> None:
    """It stops, commits nothing past the event, and applies it at the next start."""
    assert scenarios.handler_exception(make(OurWorker)) == Result(lost=0)


def test_stock_faust_loses_state_that_the_broker_refused(make: Make) -> None:
    """A refused changelog record is a line in the log; the offsets behind it are committed."""
    assert scenarios.changelog_send_fails(make(StockFaust)).lost == len(scenarios.ACCOUNTS)


def test_worker_keeps_state_that_the_broker_refused(make: Make) -> None:
    """Nothing is committed before the state is acknowledged."""
    assert scenarios.changelog_send_fails(make(OurWorker)) == Result(lost=0)


def test_stock_faust_loses_state_that_is_acknowledged_late(make: Make) -> None:
    """The flush before the commit gives up on a full buffer after a tenth of a second."""
    assert scenarios.slow_flush(make(StockFaust)).lost > 0


def test_worker_keeps_state_that_is_acknowledged_late(make: Make) -> None:
    """The commit waits for all of it."""
    assert scenarios.slow_flush(make(OurWorker)) == Result(lost=0)


def test_stock_faust_doubles_events_after_a_failed_commit(make: Make) -> None:
    """The table has them already, and nothing in it says so."""
    assert scenarios.failed_commit(make(StockFaust)).doubled > 0


def test_worker_keeps_events_single_after_a_failed_commit(make: Make) -> None:
    """Each account knows the offsets that it has applied."""
    assert scenarios.failed_commit(make(OurWorker)) == Result(lost=0)


def test_stock_faust_loses_its_recovery_from_a_truncated_changelog(make: Make) -> None:
    """Told to begin at the end of a topic without offsets, it never gets to the end of a truncated changelog."""
    subject = make(StockFaust)
    assert isinstance(subject, StockFaust)
    subject.offset_reset = "latest"
    found = scenarios.truncated_changelog(subject)
    assert found.stood_still_s >= GROUP_LIMIT_S
    assert subject.committed() < subject.all_sent


def test_worker_keeps_what_a_truncated_changelog_still_holds(make: Make) -> None:
    """What was deleted had been replaced by newer records, so nothing is missing."""
    subject = make(OurWorker)
    found = scenarios.truncated_changelog(subject)
    assert found.lost == found.doubled == 0
    assert subject.committed() == subject.all_sent


@pytest.mark.kafka
def test_stock_faust_loses_its_whole_group_to_a_handler_that_hangs(
    real_broker: RealBroker, prefix: str, tmp_path: Path
) -> None:
    """Giving partitions back waits for the handler without end; nobody in the group works meanwhile."""
    subject = StockFaust(real_broker, prefix, tmp_path)
    try:
        assert scenarios.hanging_handler(subject).stood_still_s >= GROUP_LIMIT_S
    finally:
        subject.close()


@pytest.mark.kafka
def test_worker_keeps_its_group_going_when_a_handler_hangs(
    real_broker: RealBroker, prefix: str, tmp_path: Path
) -> None:
    """The watchdog ends the process that hangs, and the other one takes over."""
    subject = OurWorker(real_broker, prefix, tmp_path)
    try:
        found = scenarios.hanging_handler(subject)
        assert found.stood_still_s < GROUP_LIMIT_S
        assert found.lost == found.doubled == 0
    finally:
        subject.close()
