"""All workers are killed at the same moment, and all are started again."""

from __future__ import annotations

from tests.faults.case import Case, Mix, Row, Tier

TIMES = 2


def run(case: Case) -> None:
    """Three workers, no survivor."""
    case.load(rate=200, accounts=120, mix=Mix(poison=0.005)).start()
    workers = [case.worker(f"w{number}") for number in (1, 2, 3)]
    case.progress()
    for _ in range(TIMES):
        case.progress()
        case.pause(case.rng.uniform(0.0, 1.0))
        for worker in workers:
            case.kill(worker)
        case.pause(case.rng.uniform(0.0, 2.0))
        workers = [case.restart(worker) for worker in workers]
        case.recovered(60 * case.patience)
    case.finish()


ROW = Row(number=2, title="all workers killed at once", tier=Tier.ONE, run=run, limits={"recovery_s": 60})
