"""Reading states back: how long a worker takes to own a number of accounts, by the clock and in CPU."""

from __future__ import annotations

from tests.bench.report import Report, Row
from tests.bench.throughput import OURS, Plan, Say, run


def bench(plan: Plan, say: Say) -> Report:
    """Fills a changelog with a worker, then starts workers that find nothing else to do."""
    ours, _ = run(plan, None, (), say)
    rows: list[Row] = [
        {
            "engine": OURS,
            "round": number,
            "states": one.states,
            "records_read": one.weight.records,
            "bytes_per_state": one.weight.newest_size / one.weight.keys,
            "seconds": one.recovery_s,
            "states_per_s": one.states / one.recovery_s,
            "cpu_us_per_state": one.recovery_cpu_s / one.states * 1e6,
        }
        for number, one in enumerate(ours)
    ]
    remark = "The changelog is not compacted yet when it is read. CPU is what an empty start does not take."
    return Report(f"recovery: {plan.workload.accounts} accounts", rows, remarks=[remark])
