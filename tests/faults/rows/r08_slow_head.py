"""One record takes longer than all others: nothing behind it is committed before it, and a kill there loses nothing."""

from __future__ import annotations

import time

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier

SLEEP_S = 9
_QUIET_S = 2.0


def run(case: Case) -> None:
    """A drawn record blocks; while it does, the worker is killed, or, in every second seed, it goes on by itself."""
    case.load(rate=60, accounts=40, mix=Mix(poison=0.01)).start()
    worker = case.worker("w1", failpoint=f"record:{case.rng.randint(200, 1_500)}:sleep={SLEEP_S}")
    case.progress()
    case.wait(lambda: _blocked(case), "a record that blocks", 60 * case.patience)
    case.fault("a record takes long")
    before = case.committed()
    time.sleep(_QUIET_S)
    if case.committed() != before:
        raise CaseFailed(f"committed {before}, then {case.committed()}, with a record under way before them")
    if case.seed % 2:
        case.kill(worker)
        case.worker("w2")
    case.recovered(60 * case.patience)
    case.finish(dup_bound=None if case.seed % 2 else 0)


def _blocked(case: Case) -> bool:
    """Nothing is stored for a while, although there is more to apply."""
    end = case.ends(case.changelog)
    time.sleep(_QUIET_S)
    return case.ends(case.changelog) == end and case.lag() > 0


ROW = Row(number=8, title="slow head of a partition", tier=Tier.EMBEDDED, run=run)
