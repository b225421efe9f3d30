"""The fault rows that every `make test` runs: one seed each, as small as they prove something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.brokers import Running, Tier
from tests.faults.case import Case, Mix, Row
from tests.faults.rows import rows_of
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

POINTS = "states_stored,outbox_produced,partition_stored,commit_before,recovery_claimed"
"""A kill between any two of the writes."""


def _run(
    number: int,
    tier: Tier,
    broker: object,
    directory: Path,
    variant: str = "",
    run: Callable[[Case], None] | None = None,
) -> Case:
    row: Row = next(row for row in rows_of(number) if tier in row.tiers)
    if run is not None:
        row = replace(row, run=run)
    with Case(row, tier, 1, broker, directory, variant) as case:
        row.run(case)
    return case


@pytest.mark.kafka
def test_kills_between_two_writes_lose_nothing(real_broker: RealBroker, tmp_path: Path) -> None:
    case = _run(3, Tier.ONE, Running(real_broker.bootstrap), tmp_path, POINTS)
    assert case.figures["points"] == 5
    assert case.verdict is not None
    assert case.verdict.figures["owners"] > case.partitions


def test_kills_between_two_writes_lose_nothing_on_the_embedded_broker(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        case = _run(3, Tier.EMBEDDED, broker, tmp_path, "states_stored,recovery_read,commit_after")
    assert case.verdict is not None


@pytest.mark.kafka
def test_orderly_stop_commits_what_is_stored_and_repeats_nothing(real_broker: RealBroker, tmp_path: Path) -> None:
    def run(case: Case) -> None:
        case.load(rate=100, accounts=60, mix=Mix(poison=0.02)).start()
        first = case.worker("w1")
        case.progress()
        case.progress()
        assert first.stop(120) == 0
        assert {place: offset for place, offset in case.committed().items() if offset} == case.stored_offsets()
        case.worker("w2")
        case.progress()
        case.finish(dup_bound=0)

    _run(4, Tier.ONE, Running(real_broker.bootstrap), tmp_path, run=run)


def test_nothing_is_committed_past_a_slow_record(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        case = _run(8, Tier.EMBEDDED, broker, tmp_path)
    assert case.verdict is not None


def test_refused_commits_are_made_up_for(tmp_path: Path) -> None:
    with EmbeddedBroker(brokers=3) as broker:
        case = _run(9, Tier.EMBEDDED, broker, tmp_path, "once")
    assert case.verdict is not None


@pytest.mark.kafka
def test_recreated_changelog_is_not_taken_for_a_new_start(real_broker: RealBroker, tmp_path: Path) -> None:
    _run(19, Tier.ONE, Running(real_broker.bootstrap), tmp_path, "recreated-stopped")


def test_dead_letters_are_exactly_the_poison(tmp_path: Path) -> None:
    def run(case: Case) -> None:
        case.load(rate=60, accounts=40, mix=Mix(poison=0.1)).start()
        case.worker("w1")
        case.progress()
        case.pause(5)
        case.finish(dup_bound=0)

    with EmbeddedBroker() as broker:
        case = _run(21, Tier.EMBEDDED, broker, tmp_path, run=run)
    assert case.verdict is not None
    assert case.verdict.figures["letters"] > 50
