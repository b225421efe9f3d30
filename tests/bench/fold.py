"""The pure core alone: what one usage event and one timer cost in `PartitionFold.apply`, without Kafka or Avro."""

from __future__ import annotations

import cProfile
import gc
import io
import pstats
import time
from collections.abc import Callable, Sequence
from typing import Any

from streams import fold as core
from streams import topics
from streams.domain.partition import PartitionState
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from tests.bench.report import Report, Row
from tests.bench.workload import Workload

_DRAIN = 500
"""Records between two drains of the outputs, about one slice of the worker."""


class _Timers:
    """Counts the timers that fire and the time spent in them, in place of `fold.fire`."""

    def __init__(self, fire: Callable[..., Any]) -> None:
        self.fire = fire
        self.count = 0
        self.seconds = 0.0

    def __call__(self, *arguments: Any) -> Any:
        began = time.perf_counter()
        result = self.fire(*arguments)
        self.seconds += time.perf_counter() - began
        self.count += 1
        return result


def new_fold() -> PartitionFold:
    """A partition without accounts under the shipped policy."""
    return PartitionFold(PartitionState(0), {}, default_policy(), lambda text: load_policy(text, "log"))


def run_through(fold: PartitionFold, events: Sequence[dict[str, Any]]) -> int:
    """Applies the events as records of one log; returns how many outputs there were."""
    outputs = 0
    for offset, event in enumerate(events):
        fold.apply(topics.USAGE, offset, event["occurred_at"], event)
        if not offset % _DRAIN:
            outputs += len(fold.outputs)
            fold.outputs = []
            fold.dirty.clear()
            fold.health_changed.clear()
    return outputs + len(fold.outputs)


def measure(workload: Workload) -> Row:
    """Times the fold over a workload."""
    events = list(workload)
    fold = new_fold()
    timers = _Timers(core.fire)
    # `PartitionFold` looks the function up at each call, so this counts every timer.
    core.fire = timers  # type: ignore[assignment]  # the same call
    gc.collect()
    # What exists before the run belongs to the bench, and would be walked again by each full collection.
    gc.freeze()
    try:
        began, cpu = time.perf_counter(), time.process_time()
        outputs = run_through(fold, events)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    finally:
        core.fire = timers.fire
        gc.unfreeze()
    n = workload.events
    return {
        "accounts": workload.accounts,
        "days": workload.days,
        "events": n,
        "us_per_event_all": cpu / n * 1e6,
        "us_per_event_itself": (seconds - timers.seconds) / n * 1e6,
        "us_per_timer": timers.seconds / timers.count * 1e6 if timers.count else None,
        "timers_per_event": timers.count / n,
        "outputs": outputs,
        "events_per_s": n / seconds,
    }


def profiled(workload: Workload, top: int) -> str:
    """The functions in which most time is spent, as cProfile prints them. It makes small functions look dearer."""
    events = list(workload)
    fold = new_fold()
    profile = cProfile.Profile()
    profile.enable()
    run_through(fold, events)
    profile.disable()
    out = io.StringIO()
    pstats.Stats(profile, stream=out).strip_dirs().sort_stats("tottime").print_stats(top)
    return out.getvalue()


def bench(events: int, accounts: Sequence[int], days: Sequence[int], *, profile: int = 0) -> Report:
    """Runs the fold over workloads of different numbers of accounts and days: what events cost, and what days cost.

    Args:
        events: Events of each workload.
        accounts: Accounts of the workloads.
        days: Days that the events span, each for every number of accounts.
        profile: Lines of the profile of the last workload; 0 takes none.
    """
    workloads = [Workload(events, number, span) for span in days for number in accounts]
    workloads[0].check(default_policy())
    report = Report("fold: the core alone", [measure(workload) for workload in workloads])
    report.remarks.append("us_per_event_all holds the timers; us_per_event_itself does not.")
    if profile:
        report.remarks.append(profiled(workloads[-1], profile))
    return report
