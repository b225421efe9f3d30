"""Late, shuffled and repeated events: the states are the model's, and what came too late or twice is counted."""

from __future__ import annotations

from streams import topics
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker

SECONDS = 25
MIX = Mix(late=0.05, too_late=0.01, shuffled=0.10, duplicates=0.05)


def run(case: Case) -> None:
    """One worker, so that its counters are all there is."""
    load = case.load(rate=250, accounts=120, mix=MIX).start()
    worker = case.worker("w1")
    case.progress()
    case.pause(SECONDS)
    load.stop()
    case.wait(lambda: case.lag() == 0, "everything applied", 120 * case.patience)
    sent = [line.digest for line in case.ledger.lines]
    repeated = len(sent) - len(set(sent))
    # Of those that come too late, account events and tickets are not late: they are the life of something.
    for outcome, least, most in (("duplicate", repeated, repeated), ("late", 1, load.history.spoilt["too_late"])):
        counted = count(worker, outcome)
        case.figure(outcome, counted)
        if not least <= counted <= most:
            raise CaseFailed(f"{counted} records are counted as {outcome}, it must be {least} to {most}")
    case.finish(dup_bound=0)


def count(worker: Worker, outcome: str) -> int:
    """Events of accounts with an outcome, by the worker's own count."""
    name = "backontrack_events_total"
    return int(worker.metric(name, outcome=outcome) - worker.metric(name, outcome=outcome, topic=topics.CONTROL))


ROW = Row(number=25, title="late, shuffled, repeated events", tier=Tier.ONE, run=run)
