"""What is asked of the group: commits only in the generation of the take-over, and which errors heal by what."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.structs import TopicPartition

from streams.shell.failure import Cure
from streams.shell.group import Moved, commit, cure, fenced

PLACE = TopicPartition("usage", 0)


class Consumer:
    """A member of a group in a generation, with one partition."""

    def __init__(self, generation: int) -> None:
        self.made: list[Any] = []
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=SimpleNamespace(tps={PLACE})))
        self._coordinator = SimpleNamespace(
            generation=generation,
            _commit_lock=asyncio.Lock(),
            ensure_coordinator_known=self._known,
            _do_commit_offsets=self._commit,
        )

    async def _known(self) -> None:
        pass

    async def _commit(self, _assignment: Any, offsets: Any) -> None:
        self.made.append(offsets)


async def test_offsets_of_this_generation_are_committed() -> None:
    consumer: Any = Consumer(7)
    await commit(consumer, {PLACE: 3}, 7)
    assert [offsets[PLACE].offset for offsets in consumer.made] == [3]


@pytest.mark.parametrize("taken", [6, -1])
async def test_offsets_of_another_generation_are_not(taken: int) -> None:
    """The member may own the partition again, or somebody else; in between another owner may have claimed it."""
    consumer: Any = Consumer(7)
    with pytest.raises(Moved):
        await commit(consumer, {PLACE: 3}, taken)
    assert not consumer.made


async def test_without_a_group_nothing_is_committed() -> None:
    consumer: Any = Consumer(-1)
    with pytest.raises(Moved):
        await commit(consumer, {PLACE: 3}, -1)


async def test_commit_that_nobody_waits_for_any_more_fails_in_silence() -> None:
    """Who asked has counted it as failed by then; the event loop must not report it once more, as an error."""
    consumer: Any = Consumer(7)
    broken, reported = asyncio.Event(), []

    async def lost(_assignment: Any, _offsets: Any) -> None:
        await broken.wait()
        raise kafka.KafkaConnectionError

    consumer._coordinator._do_commit_offsets = lost
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(commit(consumer, {PLACE: 3}, 7), 0.01)
    broken.set()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert not reported


@pytest.mark.parametrize("found", [kafka.for_code(82)(), kafka.KafkaError(repr(kafka.for_code(82)()))])
def test_name_that_another_member_has_taken_is_known_and_heals_by_nothing(found: Exception) -> None:
    """Aiokafka tells some errors of the group in words only."""
    assert fenced(found)
    assert cure(found) is Cure.NONE


def test_other_errors_of_the_group_are_not_taken_for_it() -> None:
    assert not fenced(kafka.for_code(-1)())
    assert not fenced(kafka.KafkaError("UnknownError()"))
