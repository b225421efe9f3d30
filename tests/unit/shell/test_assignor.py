"""Who gets which partitions: co-partitioned, and nobody is left without any while others have two."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from streams import topics
from streams.shell.app import WorkerAssignor, create_app
from streams.shell.host import Host
from tests.support.shell import settings

NAMES = sorted(topics.RANKS)


class _Cluster:
    """As many partitions of every topic."""

    def __init__(self, partitions: int) -> None:
        self._partitions = set(range(partitions))

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return self._partitions


def _assigned(members: int, partitions: int, **changed: Any) -> list[dict[str, list[int]]]:
    app = create_app(settings(**changed), cast("Host", None))
    assert isinstance(app.assignor, WorkerAssignor)
    joined = {
        f"m{number}": ConsumerProtocolMemberMetadata(4, NAMES, app.assignor._metadata.dumps())
        for number in range(members)
    }
    found = app.assignor.assign(cast("ClusterMetadata", _Cluster(partitions)), joined)
    return [dict(found[name].assignment) for name in sorted(found)]


@pytest.mark.parametrize(("members", "partitions"), [(1, 4), (2, 4), (3, 4), (4, 4), (3, 8), (5, 8)])
def test_shares_differ_by_one_at_most(members: int, partitions: int) -> None:
    shares = [len(assigned[topics.USAGE]) for assigned in _assigned(members, partitions)]
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1, shares


@pytest.mark.parametrize("standby_replicas", [0, 1, 2])
def test_all_topics_of_a_partition_go_to_one_worker(standby_replicas: int) -> None:
    for assigned in _assigned(3, 4, standby_replicas=standby_replicas):
        assert len({tuple(sorted(assigned.get(name, []))) for name in NAMES}) == 1
