"""Commits are refused, one to five times: it is counted, and a later one succeeds."""

from __future__ import annotations

from confluent_kafka import KafkaError

from tests.faults.case import Case, Row, Tier, Worker
from tests.faults.watch import alive, in_order, recovered, steady
from tests.support.mock_faults import MockFaults, Request

ERRORS = {
    KafkaError.COORDINATOR_NOT_AVAILABLE: "retried",
    KafkaError.REBALANCE_IN_PROGRESS: "rebalancing",
    KafkaError.UNKNOWN_MEMBER_ID: "rebalancing",
}
TIMES = {"once": 1, "five times": 5}
WITHIN_S = 90.0


def run(case: Case) -> None:
    """Each error in turn, under load; between two of them the worker is level again."""
    worker = case.worker("w1")
    case.load(rate=60, accounts=40).start()
    steady(case)
    faults = MockFaults(case.broker)
    times = TIMES[case.variant]
    errors = list(ERRORS)
    case.rng.shuffle(errors)
    refused = 0
    for error in errors:
        outcome = ERRORS[error]
        counted, made = commits(worker, outcome), commits(worker, "committed")
        faults.fail(Request.OFFSET_COMMIT, *[error] * times)
        case.fault(f"{times} commits refused: {KafkaError(error).name()}")
        refused += times
        case.wait(
            lambda outcome=outcome, least=counted + times: commits(worker, outcome) >= least,
            f"{times} commits counted as {outcome}",
            WITHIN_S * case.patience,
        )
        case.wait(
            lambda made=made: commits(worker, "committed") > made,
            "a commit that succeeded",
            WITHIN_S * case.patience,
        )
        recovered(case, WITHIN_S * case.patience)
        alive([worker])
    case.figure("refused_commits", refused)
    # A member that the group no longer knows must not store anything: what it had sent since is sent again.
    excluded = "given up without a checkpoint" in worker.output
    case.finish(dup_bound=None if excluded else 0)
    in_order([worker])


def commits(worker: Worker, outcome: str) -> float:
    """How many attempts to commit ended like this."""
    return worker.metric("backontrack_commits_total", outcome=outcome)


ROW = Row(
    number=9,
    title="failing commits",
    tier=Tier.EMBEDDED,
    run=run,
    own_broker=True,
    variants=tuple(TIMES),
    limits={"recovery_s": WITHIN_S},
)
