"""The network between one worker and the broker is cut, one way or both, for 10, 30 and 90 seconds."""

from __future__ import annotations

import time

from tests.faults.case import Case, Row, Tier
from tests.faults.watch import alive, in_order, recovered, steady, until
from tests.support.proxy import BOTH, Way

CUTS_S = (10.0, 30.0, 90.0)
WAYS = ((Way.UP,), (Way.DOWN,), BOTH)


def run(case: Case) -> None:
    """Three seeds cut every way for every time. The other worker takes over; then the cut-off one returns."""
    case.create_topics()
    cut_off = case.worker("cut-off", bootstrap=case.broker.proxy.address)
    other = case.worker("other")
    workers = [cut_off, other]
    load = case.load(rate=100, accounts=100)
    load.start()
    steady(case)
    for number, seconds in enumerate(CUTS_S):
        ways = WAYS[(case.seed + number) % len(WAYS)]
        case.fault(f"cut {'+'.join(ways)} for {seconds:.0f} s")
        case.broker.proxy.cut(ways)
        ends = time.monotonic() + seconds
        if seconds > 20:
            # The other one has taken over.
            case.progress(timeout=seconds)
        while time.monotonic() < ends:
            time.sleep(0.5)
            alive(workers)
            assert other.probe("/livez")[0] == 200
        case.broker.proxy.heal()
        case.fault("healed")
        recovered(case, 30 * case.patience)
        until(lambda: cut_off.probe("/readyz")[0] == 200, "the cut-off worker is ready again", 60 * case.patience)
        alive(workers)
        case.progress()
    case.figure("bytes_lost", case.broker.proxy.lost(Way.UP) + case.broker.proxy.lost(Way.DOWN))
    case.finish()
    in_order(workers)


ROW = Row(
    number=14,
    title="network cut 10, 30, 90 s, one way and both",
    tier=Tier.ONE,
    run=run,
    own_broker=True,
    limits={"recovery_s": 30},
)
