"""A worker is asked to stop under load: it ends in order, in time, and nothing is sent twice."""

from __future__ import annotations

import time

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier

TIMES = 7
LIMIT_S = 30.0


def run(case: Case) -> None:
    """Two workers take turns; after each stop, what is committed is exactly what its states hold."""
    case.load(rate=200, accounts=100, mix=Mix(poison=0.005)).start()
    worker = case.worker("w0")
    case.progress()
    for turn in range(1, TIMES + 1):
        case.progress()
        case.pause(case.rng.uniform(0.0, 1.0))
        case.fault(f"{worker.name} asked to stop")
        began = time.monotonic()
        code = worker.stop(120)
        case.worst("stop_s", time.monotonic() - began)
        if code != 0:
            raise CaseFailed(f"{worker.name} ended with {code} when asked to stop:\n{worker.output[-2000:]}")
        committed = case.committed()
        held = case.stored_offsets()
        if {place: offset for place, offset in committed.items() if offset} != held:
            raise CaseFailed(f"committed {committed}, the stored states hold {held}")
        worker = case.worker(f"w{turn}")
    case.finish(dup_bound=0)


ROW = Row(number=4, title="graceful stop", tier=Tier.ONE, run=run, limits={"stop_s": LIMIT_S})
