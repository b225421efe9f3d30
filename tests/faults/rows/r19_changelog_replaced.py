"""The changelog is deleted or recreated, under a running worker and a stopped one: found, named, nothing reset."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker

LIMIT_S = 60.0
_ADVICE = "BACKONTRACK_APP_ID"


def run(case: Case) -> None:
    """The worker ends with 1 and says what to do; so does every start after it."""
    load = case.load(rate=150, accounts=400, mix=Mix(poison=0.005)).start()
    worker = case.worker("w1")
    case.progress()
    case.recovered(120, "start_s")
    running = case.variant.endswith("running")
    if not running:
        load.stop()
        _stop(worker)
    worker.may_exit.add(1)
    worker.killed = True  # its end is what is asked for
    case.fault(f"the changelog is {case.variant}")
    _replace(case, again=case.variant.startswith("recreated"))
    if running:
        code = worker.wait(LIMIT_S * case.patience)
        if code != 1:
            raise CaseFailed(f"the worker ended with {code}:\n{worker.output[-2000:]}")
        load.stop()
        if case.variant.startswith("deleted"):
            _create(case)
    for turn in (2, 3):
        _refused(case, f"w{turn}")
    case.note("refused")


def _stop(worker: Worker) -> None:
    if worker.stop(60) != 0:
        raise CaseFailed(f"{worker.name} did not stop in order:\n{worker.output[-2000:]}")


def _refused(case: Case, name: str) -> None:
    """A worker that starts on what is there now must not take the accounts for new ones."""
    started = case.worker(name)
    started.may_exit.add(1)
    started.killed = True
    code = started.wait(LIMIT_S * case.patience)
    if code != 1 or _ADVICE not in started.output:
        raise CaseFailed(f"{name} ended with {code} and does not say what to do:\n{started.output[-2000:]}")


def _replace(case: Case, *, again: bool) -> None:
    admin = AdminClient({"bootstrap.servers": case.bootstrap, "log_level": 0})
    admin.delete_topics([case.changelog])[case.changelog].result(30)
    if again or not case.variant.endswith("running"):
        case.wait(lambda: _created(case), "the changelog is there again")


def _create(case: Case) -> None:
    case.wait(lambda: _created(case), "the changelog is there again")


def _created(case: Case) -> bool:
    try:
        case.create_topics()
    except KafkaException:
        return False  # the old one is still being deleted, or it is there already
    return True


ROW = Row(
    number=19,
    title="changelog replaced",
    tier=Tier.ONE,
    run=run,
    variants=("deleted-running", "recreated-running", "recreated-stopped"),
)
