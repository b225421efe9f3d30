"""Giving partitions back: the last checkpoint is completed or abandoned, and a rebalance never waits for longer."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from streams.policy.load import default_policy
from streams.shell.table import Owned
from streams.shell.worker import StreamWorker
from tests.support.shell import fold, settings


@pytest.fixture
async def worker() -> Any:
    made = StreamWorker(
        settings(bootstrap_servers="127.0.0.1:9", rebalance_timeout="300ms"),
        default_policy(),
        None,
        until_caught_up=False,
    )
    made.table.owned[0] = Owned(fold(0), epoch=7)

    async def member() -> bool:
        return True

    made._is_member = made.checkpointer._member = member
    yield made
    made.audit.close()
    made.sender.close()


async def test_checkpoint_that_takes_too_long_is_abandoned(worker: Any) -> None:
    purged: list[bool] = []
    ended: list[bool] = []

    async def checkpoint() -> bool:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        return True

    worker.checkpointer.checkpoint = checkpoint
    worker.sender.purge = lambda: purged.append(True)
    began = time.monotonic()
    await worker._on_revoked()
    assert time.monotonic() - began < 5
    assert ended
    assert purged, "what is queued is not sent any more"
    assert worker.table.owned == {}
    assert worker.ownership._parked == {}


async def test_completed_checkpoint_purges_nothing(worker: Any) -> None:
    made: list[bool] = []

    async def checkpoint() -> bool:
        made.append(True)
        return True

    async def ends() -> dict[int, int]:
        return {0: 0}

    worker.checkpointer.checkpoint = checkpoint
    worker.audit.ends = ends
    worker.sender.purge = lambda: pytest.fail("purged")
    await worker._on_revoked()
    assert len(made) == 2, "the second one stores that the dead letters of the first have left"
    assert set(worker.ownership._parked) == {0}
    assert worker.table.owned == {}


async def test_partitions_of_a_worker_that_is_no_member_are_not_parked(worker: Any) -> None:
    async def member() -> bool:
        return False

    async def checkpoint() -> bool:
        return True

    async def ends() -> dict[int, int]:
        return {0: 0}

    worker.checkpointer.checkpoint = checkpoint
    worker.audit.ends = ends
    worker._is_member = member
    await worker._on_revoked()
    assert worker.ownership._parked == {}


async def test_nothing_is_stored_when_the_group_has_moved_on(worker: Any) -> None:
    async def owns(_since: float) -> bool:
        return False

    worker.checkpointer.owns = owns
    worker.checkpointer.checkpoint = lambda: pytest.fail("stored")
    await worker._on_revoked()
    assert worker.table.owned == {}


async def test_assignment_that_was_revoked_before_it_was_recovered_is_not_taken(worker: Any) -> None:
    """Faust tells that it is complete all the same; whoever owns the partitions next may have claimed them already."""
    taken: list[Any] = []

    async def take(*arguments: Any) -> None:
        taken.append(arguments)

    worker.app.consumer = SimpleNamespace(assignment=set)
    worker.ownership.take = take
    worker.table.owned.clear()
    worker.on_assignment()
    await worker._on_revoked()
    await worker._on_assigned()
    assert not taken
    worker.on_assignment()
    await worker._on_assigned()
    assert len(taken) == 1


async def test_what_is_still_owned_is_given_back_before_the_next_assignment_is_taken(worker: Any) -> None:
    owned: list[int] = []

    async def take(*_: Any) -> None:
        owned.append(len(worker.table.owned))

    async def owns(_since: float) -> bool:
        return False

    worker.app.consumer = SimpleNamespace(assignment=set)
    worker.ownership.take = take
    worker.checkpointer.owns = owns
    worker.on_assignment()
    await worker._on_assigned()
    assert owned == [0]
