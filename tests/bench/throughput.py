"""The whole worker on Kafka: events/s and CPU an event over a preloaded topic, its memory, its changelog, its recovery.

Each round has a fresh application on the same input. A worker that ends by itself when all is applied and committed is
run three times: over empty topics (what starting and ending costs), over the input, and again with nothing left to
apply (what reading the states back costs). CPU is the difference to the first; time by the clock runs from the moment
when the partitions are taken over until the last commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from streams import topics
from streams.policy.load import default_policy
from tests.bench import cluster, process
from tests.bench.peers import FLOOR, Peers, Sample
from tests.bench.report import Report, Row
from tests.bench.workload import Workload

OURS = "backontrack"
TAKEN = "partitions taken over"
"""What a worker logs when it has read its states back, and records begin to flow."""
STOPPED = "worker stopped"
"""What it logs after its last commit."""
_MIB = 1 << 20

Say = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """What is to be run, where."""

    bootstrap: str
    workload: Workload
    partitions: int
    rounds: int
    scratch: Path
    """Folder for the workers' logs."""


@dataclass(frozen=True, slots=True)
class Round:
    """One application over the input."""

    sample: Sample
    rss_bytes: int
    """Largest resident size."""
    grown_bytes: int
    """What of it an empty worker does not need."""
    weight: cluster.Weight
    states: int
    """Accounts that the next worker read back."""
    recovery_s: float
    """How long that took by the clock, as the worker logs it, beyond taking over empty partitions."""
    recovery_cpu_s: float
    """CPU beyond that of an empty start."""


@dataclass(frozen=True)
class Application:
    """An application of its own on the topics of `prefix`."""

    plan: Plan
    prefix: str
    app_id: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "BACKONTRACK_BOOTSTRAP_SERVERS": self.plan.bootstrap,
            "BACKONTRACK_TOPIC_PREFIX": self.prefix,
            "BACKONTRACK_APP_ID": self.app_id,
            "BACKONTRACK_CLOCK": "events",
            "BACKONTRACK_PARTITIONS": str(self.plan.partitions),
            "BACKONTRACK_METRICS_PORT": "0",
            "BACKONTRACK_LOG_FORMAT": "json",
        }

    def create_topics(self) -> None:
        """Creates what does not exist yet."""
        process.command(self.environment, "topics", "create")

    def work(self, what: str) -> process.Usage:
        """Runs a worker until it has caught up."""
        return process.measured(self.environment, "worker", "--until-caught-up", log=self.log(what))

    def log(self, what: str) -> Path:
        """Where that worker wrote its log."""
        return self.plan.scratch / f"{self.app_id}-{what}.log"

    def topic(self, name: str) -> str:
        return self.prefix + name


def run(
    plan: Plan, peers: Peers | None, engines: tuple[str, ...], say: Say
) -> tuple[list[Round], dict[str, list[Sample]]]:
    """Runs all rounds, ours and the peers' in turns."""
    mark = f"bench{uuid.uuid4().hex[:8]}"
    empty = Application(plan, f"{mark}-empty-", f"{mark}-empty")
    empty.create_topics()
    idle = empty.work("idle")
    nothing = process.logged(empty.log("idle"), TAKEN)["seconds"]
    say(
        f"an empty worker takes {idle.wall_s:.1f} s ({nothing:.1f} s of it to take its partitions over), "
        f"{idle.cpu_s:.1f} s of CPU, {idle.rss_bytes / _MIB:.0f} MiB"
    )
    first = Application(plan, f"{mark}-", f"{mark}-0")
    first.create_topics()
    say(f"loading {plan.workload.events} events of {plan.workload.accounts} accounts")
    cluster.preload(plan.bootstrap, first.topic(topics.USAGE), plan.workload)
    if peers is not None:
        peers.load(plan.workload.events, plan.workload.accounts, plan.partitions)
    ours: list[Round] = []
    others: dict[str, list[Sample]] = {name: [] for name in engines} if peers is not None else {}
    for number in range(plan.rounds):
        for name, samples in others.items():
            if peers is not None:
                samples.append(peers.run(name, plan.workload.events))
                say(f"round {number} {name}: {samples[-1].cpu_us:.2f} us, {samples[-1].rate:.0f} events/s")
        application = Application(plan, first.prefix, f"{mark}-{number}")
        ours.append(one_round(application, idle, nothing))
        say(f"round {number} {OURS}: {ours[-1].sample.cpu_us:.2f} us, {ours[-1].sample.rate:.0f} events/s")
    return ours, others


def one_round(application: Application, idle: process.Usage, nothing_s: float) -> Round:
    """A fresh application over the whole input, then started once more. `nothing_s`: to take over empty partitions."""
    plan = application.plan
    application.create_topics()
    used = application.work("run")
    done = cluster.committed(plan.bootstrap, application.app_id, application.topic(topics.USAGE))
    if done != plan.workload.events:
        raise RuntimeError(f"the worker ended with {done} of {plan.workload.events} events committed")
    weight = cluster.weigh(plan.bootstrap, topics.changelog(application.app_id))
    again = application.work("again")
    log = application.log("run")
    flow = process.logged(log, STOPPED)["timestamp"] - process.logged(log, TAKEN)["timestamp"]
    sample = Sample(plan.workload.events, flow.total_seconds(), used.cpu_s - idle.cpu_s)
    taken = process.logged(application.log("again"), TAKEN)
    seconds = max(taken["seconds"] - nothing_s, 1e-3)
    return Round(
        sample,
        used.rss_bytes,
        used.rss_bytes - idle.rss_bytes,
        weight,
        taken["accounts"],
        seconds,
        again.cpu_s - idle.cpu_s,
    )


def bench(plan: Plan, peers: Peers | None, engines: tuple[str, ...], say: Say) -> Report:
    """Runs the plan and makes one table; ratios are those of the medians to the floor's."""
    plan.workload.check(default_policy())
    ours, others = run(plan, peers, engines, say)
    samples = {**others, OURS: [one.sample for one in ours]}
    floor = median(one.cpu_us for one in samples[FLOOR]) if samples.get(FLOOR) else None
    rows = [row(name, found, floor) for name, found in samples.items() if found]
    weights = [one.weight for one in ours]
    return Report(
        f"throughput: {plan.workload.events} events, {plan.workload.accounts} accounts, {plan.workload.days} days, "
        f"{plan.partitions} partitions",
        rows,
        {
            "peak resident size, MiB": max(one.rss_bytes for one in ours) / _MIB,
            "resident KiB per account": max(one.grown_bytes / one.weight.keys for one in ours) / 1024,
            "changelog bytes per account": median(weight.newest_size / weight.keys for weight in weights),
            "changelog records per event": median(weight.records / plan.workload.events for weight in weights),
            "recovery, s": median(one.recovery_s for one in ours),
            "recovery, states/s": median(one.states / one.recovery_s for one in ours),
        },
        ["Only rows of one table compare. The peers run a smaller job: mean and variance of one value an account."],
    )


def row(name: str, samples: list[Sample], floor: float | None) -> Row:
    """One engine's rounds."""
    cpu = sorted(one.cpu_us for one in samples)
    return {
        "engine": name,
        "rounds": len(samples),
        "cpu_us_min": cpu[0],
        "cpu_us_median": median(cpu),
        "cpu_us_max": cpu[-1],
        "events_per_s": median(one.rate for one in samples),
        "cpu_to_floor": median(cpu) / floor if floor else None,
    }
