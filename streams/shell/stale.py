"""What a former owner of a partition wrote to its changelog after its time, and how the owner makes up for it.

Recovery ignores such records, but compaction keeps the newest record of a key, whoever wrote it: so the owner writes
its own once more.
"""

from __future__ import annotations

import structlog

from streams.metrics import Metrics
from streams.shell.changelog import PARTITION_KEY, tombstone
from streams.shell.outgoing import Outgoing
from streams.shell.table import Owned

log = structlog.stdlib.get_logger(__name__)


def make_up(changelog: str, owned: Owned, stale: set[bytes], metrics: Metrics) -> list[Outgoing]:
    """Makes the states of overwritten keys due at the next checkpoint; returns tombstones of unknown accounts.

    Args:
        changelog: The topic's name on the broker.
        owned: What this worker knows of the partition.
        stale: Keys that were overwritten.
        metrics: Counts them.
    """
    fold, removed = owned.fold, []
    for key in sorted(stale):
        account_id = key.decode(errors="replace")
        if key == PARTITION_KEY:
            owned.changed = True
        elif account_id in fold.accounts:
            fold.dirty.add(account_id)
        else:
            removed.append(tombstone(changelog, fold.state.partition, key, owned.epoch))
    if stale:
        metrics.stale_writes.inc(len(stale))
        log.warning(
            "a worker that had lost the partition has written to its changelog; its keys are stored again",
            partition=fold.state.partition,
            keys=len(stale),
        )
    return removed
