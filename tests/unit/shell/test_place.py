"""Where partitions continue is asked of the brokers, and meanwhile the partitions may be given back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.shell.consumer import MergedConsumer

USAGE = TP("usage-events", 2)


class Host:
    """What a worker tells of one partition."""

    def __init__(self) -> None:
        self.ranks = {USAGE.topic: 0}
        self.owned = {2}
        self.placed: list[dict[int, Any]] = []

    def owns(self, partition: int) -> bool:
        return partition in self.owned

    def next_offset(self, _topic: str, partition: int) -> int | None:
        self.owned.remove(partition)
        self.owned.add(partition)
        return 7

    def stream_time(self, _partition: int) -> int:
        return 0

    def on_positions(self, _turn: int, lanes: dict[int, Any]) -> None:
        self.placed.append(lanes)


def _consumer(host: Host, *, gives_back: bool) -> Any:
    """A consumer that waits for the brokers' answer about where its partition begins and ends."""
    consumer: Any = MergedConsumer.__new__(MergedConsumer)
    consumer.app, consumer.turn, consumer.flow_active = SimpleNamespace(host=host), 1, True
    consumer._starts, consumer._unplaced, consumer.lanes = None, True, {}
    consumer.assignment = lambda: {USAGE}

    async def bounds(_turn: int, assigned: list[TP]) -> dict[TP, tuple[int | None, int, int]]:
        if gives_back:
            host.owned.clear()
        return dict.fromkeys(assigned, (None, 0, 20))

    consumer._bounds = bounds
    return consumer


async def test_partition_continues_where_its_state_says() -> None:
    host = Host()
    consumer = _consumer(host, gives_back=False)
    await consumer._place()
    assert consumer._starts == {USAGE: 7}
    assert [set(lanes) for lanes in host.placed] == [{2}]


async def test_partition_that_is_given_back_meanwhile_gets_no_place() -> None:
    host = Host()
    consumer = _consumer(host, gives_back=True)
    await consumer._place()
    assert host.placed == []
    assert consumer._unplaced, "it is looked for again when it is owned"
