"""After a crash accounts may be ahead of their partition: what it learns from them must not show it."""

from __future__ import annotations

import random

import pytest

from streams import topics
from streams.domain.partition import PartitionState
from streams.domain.time import DAY
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.shell.state_codec import decode_account, decode_partition, encode_account, encode_partition
from tests.support.history import MONDAY

DAYS = 24


def begun(partition: bytes, account: bytes | None) -> PartitionFold:
    """A fold that goes on from stored states."""
    accounts = {"a": decode_account(account)} if account is not None else {}
    return PartitionFold(
        decode_partition(partition), accounts, default_policy(), lambda text: load_policy(text, "test.yaml")
    )


def apply(fold: PartitionFold, metrics: list[str], offset: int) -> None:
    """The reading at an offset: each metric once a day."""
    day, which = divmod(offset, len(metrics))
    at = MONDAY + day * DAY + which * 1_000
    value = random.Random(offset).gauss(100.0, 3.0)
    event = {"event_id": f"e{offset}", "account_id": "a", "occurred_at": at, "source": "", "cohort": None,
             "traceparent": None, "metric": metrics[which], "value": value, "unit": ""}  # fmt: skip
    fold.apply(topics.USAGE, offset, at, event)


@pytest.mark.parametrize("metrics", [["queue"], ["queue", "stock"], ["queue", "logins"]])
def test_an_account_that_is_ahead_teaches_its_partition_nothing_else(metrics: list[str]) -> None:
    """Wherever the partition and, later, the account were stored, while it shows how its metrics come."""
    rows = DAYS * len(metrics)
    fold = begun(encode_partition(PartitionState(0)), None)
    stored: list[tuple[bytes, bytes]] = []
    for offset in range(rows):
        apply(fold, metrics, offset)
        stored.append((encode_partition(fold.state), encode_account(fold.accounts["a"])))
    for behind in range(0, rows - 8, 3):
        for ahead in range(behind + 1, min(rows, behind + 14), 4):
            again = begun(stored[behind][0], stored[ahead][1])
            for offset in range(behind + 1, rows):
                apply(again, metrics, offset)
            assert encode_partition(again.state) == stored[-1][0]
