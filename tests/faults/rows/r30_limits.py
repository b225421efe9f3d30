"""Little memory, half a core, few descriptors: a worker goes on slowly, or ends, but never stands still unseen."""

from __future__ import annotations

import time

from streams.domain.time import parse_duration
from tests.faults.case import Case, Row, Tier
from tests.faults.watch import alive, in_order, recovered, steady, takeovers, until
from tests.support import cgroup

_MB = 1 << 20
_SESSION = "6s"


def run(case: Case) -> None:
    """Each limit is a run of its own."""
    case.settings["session_timeout"] = _SESSION
    {"memory": memory, "half-core": half_core, "descriptors": descriptors}[case.variant](case)


def memory(case: Case) -> None:
    """The kernel kills a worker whose memory is at its limit; another goes on, and so does the killed one."""
    with cgroup.ControlGroup() as group:
        small = case.worker("small")
        group.add(small.process.pid)
        other = case.worker("other")
        load = case.load(rate=100, accounts=100).start()
        steady(case)
        until(lambda: bool(takeovers(small) and takeovers(other)), "both own partitions", 60 * case.patience)
        # Beyond what the load needs from now on.
        group.limit_memory(group.in_use + 2 * _MB)
        rate, load.rate = load.rate, 2_000
        until(lambda: not small.alive, "the kernel kills it", 120 * case.patience)
        case.kills += 1
        small.killed = True
        case.fault("small killed for its memory")
        assert small.process.returncode == -9
        assert group.killed == 1
        load.rate = rate
        case.restart(small)
        # What the burst has left is worked off as well.
        recovered(case, (parse_duration(_SESSION) / 1000 + 15 + 30) * case.patience)
        case.finish()


def half_core(case: Case) -> None:
    """Half a core is enough for a small load, through a fault too."""
    with cgroup.ControlGroup(cores=0.5) as group:
        workers = [case.worker("slow")]
        group.add(workers[0].process.pid)
        case.load(rate=100, accounts=100).start()
        steady(case)
        case.fault("half a core")
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            time.sleep(1)
            alive(workers)
            assert workers[0].probe("/livez")[0] == 200
        recovered(case, 30 * case.patience)
        case.figure("throttled_periods", group.throttled)
        case.finish(dup_bound=0)
        in_order(workers)


def descriptors(case: Case) -> None:
    """256 are plenty; with far too few the worker says so, and is no reason for another to wait."""
    worker = case.worker("few")
    cgroup.limit_descriptors(worker.process.pid, 256)
    case.load(rate=100, accounts=100).start()
    steady(case)
    most = 0
    case.fault("256 descriptors")
    for _ in range(20):
        time.sleep(1)
        alive([worker])
        most = max(most, cgroup.descriptors(worker.process.pid))
    case.figure("descriptors", most)
    recovered(case, 30 * case.patience)
    starved = case.worker("starved")
    starved.may_exit = set(range(-64, 256))  # whether it ends or holds depends on what it wanted to open
    cgroup.limit_descriptors(starved.process.pid, 16)
    case.fault("16 descriptors")
    until(lambda: "Too many open files" in starved.output, "its log names the reason", 60 * case.patience)
    if starved.alive:
        assert starved.probe("/readyz")[0] != 200
        case.kill(starved)
    assert starved.process.returncode != 0
    recovered(case, 30 * case.patience)
    case.finish(dup_bound=0)
    in_order([worker])


ROW = Row(
    number=30,
    title="resource limits",
    alone=True,
    tier=Tier.ONE,
    run=run,
    variants=("memory", "half-core", "descriptors"),
    limits={"recovery_s": 60},
    unavailable=lambda variant: None if variant == "descriptors" else cgroup.unavailable_reason(),
)
