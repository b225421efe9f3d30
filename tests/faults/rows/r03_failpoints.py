"""A worker is killed at every place between two writes, one after the other."""

from __future__ import annotations

from streams.shell.failpoints import NAMES
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker

POINTS = tuple(NAMES)
_TIMES = {
    "record": 600,
    "recovery_read": 4,
    "recovery_claimed": 4,
    "letters_stored": 2,
    "commit_before": 4,
    "commit_after": 4,
    "dirty_unstored": 4,
    "dirty_stored": 4,
    "partition_stored": 4,
}
_TAKEN = "partitions taken over"
_OTHERS = 8
"""At most so many times is a place passed before the worker dies there."""
_EMBEDDED_POINTS = 5
"""The embedded broker keeps the newest records only, so a run of it has to be short."""


def run(case: Case) -> None:
    """Each start of the worker dies at the next failpoint, in an order drawn from the seed."""
    embedded = case.tier is Tier.EMBEDDED
    points = case.variant.split(",") if case.variant else list(POINTS)
    if not case.variant:
        case.rng.shuffle(points)
        if embedded:
            # Every point has its turn within three seeds.
            turn = (case.seed - 1) * _EMBEDDED_POINTS
            points = [sorted(POINTS)[(turn + number) % len(POINTS)] for number in range(_EMBEDDED_POINTS)]
    case.settings["session_timeout"] = case.shortest_session
    case.load(rate=40 if embedded else 100, accounts=40 if embedded else 80, mix=Mix(poison=0.02)).start()
    for point in points:
        # The first rebalance is the worker's own coming: there is nothing to give back.
        times = 2 if point == "rebalance" else case.rng.randint(1, _TIMES.get(point, _OTHERS))
        case.fault(f"dies at {point}, time {times}")
        worker = case.worker("w1", failpoint=f"{point}:{times}:kill")
        if point == "rebalance":
            case.wait(lambda w=worker: not w.alive or _TAKEN in w.output, "partitions", 120 * case.patience)  # type: ignore[misc]
            other = case.worker("w2")
            _dies(case, worker, point)
            other.kill()
        else:
            _dies(case, worker, point)
        case.kills += 1
    case.figure("points", len(points))
    case.settings.pop("failpoint", None)
    case.finish()


def _dies(case: Case, worker: Worker, point: str) -> None:
    case.wait(lambda: not worker.alive, f"the worker dies at {point}", 120 * case.patience)
    code = worker.process.returncode
    if code != -9:
        raise CaseFailed(f"the worker ended with {code} before {point}")


ROW = Row(number=3, title="killed at failpoints", tier=(Tier.EMBEDDED, Tier.ONE), run=run)
