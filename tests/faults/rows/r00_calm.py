"""No fault at all: what holds then has to hold in every other row."""

from __future__ import annotations

import time

from tests.faults.case import Case, Mix, Row, Tier


def run(case: Case) -> None:
    """Three topics of trouble, two workers, half a minute."""
    load = case.load(rate=200, accounts=100, mix=Mix(poison=0.01, duplicates=0.02, late=0.02)).start()
    case.worker("w1")
    case.worker("w2")
    case.progress()
    time.sleep(20)
    case.figure("sent", load.sent)
    case.finish(dup_bound=0)


ROW = Row(number=0, title="undisturbed", tier=(Tier.EMBEDDED, Tier.ONE), run=run)
