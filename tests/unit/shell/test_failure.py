"""What an outage, a reset connection or a new leader causes is waited for."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from streams.shell.failure import Cure, cure


@pytest.mark.parametrize(
    "name",
    [
        "_DESTROY_BROKER",
        "_NODE_UPDATE",
        "_RETRY",
        "_TRANSPORT",
        "_UNKNOWN_BROKER",
        "_WAIT_CACHE",
        "FENCED_LEADER_EPOCH",
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_FOR_PARTITION",
        "OFFSET_NOT_AVAILABLE",
        "UNKNOWN_LEADER_EPOCH",
        "UNSTABLE_OFFSET_COMMIT",
    ],
)
def test_time_heals_it(name: str) -> None:
    """Seen in resets of connections and moves of leaders; none of them may end a worker."""
    assert cure(KafkaError(getattr(KafkaError, name))) is Cure.TIME
