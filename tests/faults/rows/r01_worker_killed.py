"""One of three workers is killed under load, again and again, and started again each time."""

from __future__ import annotations

from tests.faults.case import Case, Mix, Row, Tier

KILLS = 4
SESSION_S = 6.0


def run(case: Case) -> None:
    """Kills a drawn worker after proven progress, waits for the group to recover, then starts it again."""
    case.load(rate=200, accounts=120, mix=Mix(poison=0.005)).start()
    workers = [case.worker(f"w{number}", session_timeout=f"{SESSION_S:.0f}s") for number in (1, 2, 3)]
    case.progress()
    case.recovered(120, "start_s")
    for _ in range(KILLS):
        position = case.progress()
        index = case.rng.randrange(3)
        case.pause(case.rng.uniform(0.0, 1.0))
        case.kill(workers[index])
        case.recovered(SESSION_S + 15 * case.patience)
        case.progress(position)
        workers[index] = case.restart(workers[index])
        case.recovered(60 * case.patience, "return_s")
    case.finish()


ROW = Row(number=1, title="worker killed under load", tier=Tier.ONE, run=run, limits={"recovery_s": SESSION_S + 15})
