"""Nearly everything is about one account, or in one partition: the others go on, and so does their time."""

from __future__ import annotations

import time

from streams.domain.time import DAY
from streams.shell.changelog import PARTITION_KEY
from streams.shell.state_codec import decode_partition
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier
from tests.faults.generator import WARM_DAYS
from tests.support.stored import read_topic

SECONDS = 20
_BEHIND_S = 15.0


def run(case: Case) -> None:
    """`hot`: nine of ten records have one key. `idle`: three of four partitions get nothing, on the wall clock."""
    if case.variant == "hot":
        case.load(rate=400, accounts=40, mix=Mix(hot=0.9), warm_days=20).start()
        worker = case.worker("w1")
        case.worker("w2")
        case.progress()
        case.pause(SECONDS / 2)
        case.kill(worker)
        case.recovered(30 * case.patience)
        case.pause(SECONDS / 2)
        case.finish()
        return
    start = int(time.time() * 1000) - (WARM_DAYS + 2) * DAY
    case.load(rate=50, accounts=60, mix=Mix(partitions=(0,)), start=start).start()
    case.worker("w1", clock="wall")
    case.worker("w2", clock="wall")
    case.progress()
    case.pause(SECONDS)
    case.wait(lambda: _behind(case) < _BEHIND_S, "time moves in all partitions", 60 * case.patience)
    case.figure("behind_s", _behind(case))
    case.finish(tick_days=0)


def _behind(case: Case) -> float:
    """Seconds by which the slowest partition's stored time is behind the wall clock."""
    times: dict[int, int] = dict.fromkeys(range(case.partitions), 0)
    for record in read_topic(case.bootstrap, case.changelog):
        if record.key == PARTITION_KEY and record.value:
            times[record.partition] = decode_partition(record.value).stream_time
    if not times:
        raise CaseFailed("nothing is stored")
    return time.time() - min(times.values()) / 1000


ROW = Row(number=28, title="hot key, idle partitions", tier=Tier.ONE, run=run, variants=("hot", "idle"))
