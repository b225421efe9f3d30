"""A fourth worker joins and leaves again and again for two minutes; then a member is paused beyond its session."""

from __future__ import annotations

import json
import signal
import time
from datetime import datetime

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier

STORM_S = 120.0
EVERY_S = 5.0
PAUSE_S = 20.0
LIMIT_S = 60.0


def run(case: Case) -> None:
    """Partitions move all the time; what is parked comes back, what went elsewhere is read again."""
    case.load(rate=100, accounts=100, mix=Mix(poison=0.005)).start()
    session = case.shortest_session
    workers = [case.worker(f"w{number}", session_timeout=session) for number in (1, 2, 3)]
    case.progress()
    case.recovered(LIMIT_S * case.patience, "start_s")
    deadline = time.monotonic() + STORM_S
    turn = 0
    while time.monotonic() < deadline:
        turn += 1
        case.fault(f"w4 joins for the {turn}. time")
        fourth = case.worker(f"w4-{turn}", session_timeout=session)
        fourth.until_logged("worker starts", 60 * case.patience)
        case.pause(case.rng.uniform(0.0, 1.5) * EVERY_S)
        if (code := fourth.stop(60)) != 0:
            raise CaseFailed(f"{fourth.name} ended with {code} when asked to stop:\n{fourth.output[-2000:]}")
        case.pause(case.rng.uniform(0.0, EVERY_S))
    case.figure("joins", turn)
    position = case.progress()
    case.recovered(LIMIT_S * case.patience)
    case.progress(position)
    paused = case.rng.choice(workers)
    case.fault(f"{paused.name} paused for {PAUSE_S:.0f} s")
    paused.process.send_signal(signal.SIGSTOP)
    case.pause(PAUSE_S)
    paused.process.send_signal(signal.SIGCONT)
    case.fault(f"{paused.name} goes on")
    case.recovered(LIMIT_S * case.patience)
    case.finish()
    case.figure("longest_rebalance_s", max(_rebalances(worker.output) for worker in workers if worker is not paused))
    case.figure("parked", sum(_parked(worker.output) for worker in workers))


def _lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _rebalances(output: str) -> float:
    """Longest time from beginning to give partitions back to having some again, s."""
    longest, given = 0.0, None
    for line in _lines(output):
        at = datetime.fromisoformat(str(line["timestamp"])).timestamp()
        if line["event"] == "partitions given back" and given is None:
            given = at - float(str(line["seconds"]))
        elif line["event"] == "partitions taken over" and given is not None:
            longest, given = max(longest, at - given), None
    return longest


def _parked(output: str) -> int:
    """How many partitions came back without being read again."""
    found = [line.get("sources") for line in _lines(output) if line["event"] == "partitions taken over"]
    return sum(list(sources.values()).count("parked") for sources in found if isinstance(sources, dict))


ROW = Row(
    number=7,
    title="rebalance storm",
    tier=Tier.ONE,
    run=run,
    limits={"recovery_s": LIMIT_S, "longest_rebalance_s": LIMIT_S},
)
