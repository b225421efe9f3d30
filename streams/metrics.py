"""Every metric, once: name, kind, unit, labels, meaning. `docs/metrics.md` is rendered from here.

Counters and histograms are attributes of `Metrics` and are moved where the thing happens. Gauges are read from one
`Snapshot` when Prometheus scrapes, so what a worker loses in a rebalance vanishes instead of standing still.
Access through the class gives the definition (`Metrics.events.name`), through an instance the instrument.

Times are seconds. No label ever holds an account, a person, a ticket or an event; every label is in `LABELS`.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Generic, Self, TypeVar, cast, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams import __version__
from streams.domain.outputs import Output
from streams.domain.validate import REASONS as UNFIT
from streams.shell.holds import ALL as HOLDS
from streams.topics import CONTROL, DEAD_LETTERS, INTERVENTIONS, OUTCOMES, OUTPUTS, RANKS, SUPPRESSED

# One more series for each child, which nothing here reads.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

INPUTS = tuple(RANKS)
FEEDS = tuple(topic for topic in RANKS if topic != CONTROL)
KINDS: tuple[str, ...] = (
    "threshold", "relative", "forecast", "silence", "silent_start", "frustration", "blocked", "cancel_intent", "notice",
    "other",
)  # fmt: skip
OUTCOME_NAMES: tuple[str, ...] = (
    "back_on_track", "confirmed", "relapsed", "handled_unresolved", "new_normal", "expired", "withdrawn", "superseded",
    "other",
)  # fmt: skip
ENDINGS = frozenset({"back_on_track", "handled_unresolved", "new_normal", "expired", "withdrawn"})
"""Outcomes that end an episode. `confirmed` and `relapsed` are later news of a recovery, `superseded` is a merger."""
REASONS: tuple[str, ...] = (
    "cooldown", "frequency_cap", "quiet_hours", "snoozed", "growth_inhibited", "no_authority", "no_playbook",
    "feed_silent", "kill_switch", "churned", "low_confidence", "duplicate", "holdout", "other",
)  # fmt: skip
EVENT_OUTCOMES: tuple[str, ...] = (
    "applied", "duplicate", "late", "empty", "unscored", "redelivered", "dead_lettered", "invalid_policy",
    "unknown_switch", "unknown_kind",
)  # fmt: skip
"""What the fold can say about a record: `streams/fold.py`, `partition.py` and `health/observe.py`."""
UNREADABLE: tuple[str, ...] = (
    "empty", "too_large", "truncated", "wrong_magic", "unknown_schema", "undecodable", "trailing_bytes",
)  # fmt: skip
"""Reasons of the codec beside those of `domain/validate.py`."""
OPEN_STATES: tuple[str, ...] = (
    "held_out", "opened", "owned", "acting", "acted", "verifying", "back_on_track", "relapsed", "escalated",
)  # fmt: skip
BANDS: tuple[str, ...] = ("unknown", "healthy", "watch", "at_risk", "critical")
STAGES: tuple[str, ...] = ("fetch", "order", "apply", "commit", "group", "loop", "stop")
"""Where the watchdog finds a worker stuck: `streams/shell/progress.py`."""
ARMS: tuple[str, ...] = ("treated", "held_out", "excluded")
GRADES: tuple[str, ...] = ("0", "1", "2", "3", "4")
GRADE_CAUSES: tuple[str, ...] = ("none", "no_owner", "over_capacity", "no_authority", "no_playbook")
OPEN: tuple[str, ...] = ()
"""A label whose values the broker or the policy file bounds, not the program."""

LABELS: Mapping[str, str] = {
    "topic": "logical name, without prefix, as in `streams/topics.py`",
    "partition": "number of the partition",
    "outcome": "what became of an event, or of an episode",
    "kind": "how the drop was found",
    "playbook": "name of a playbook of the active policy; empty when none applied",
    "arm": "experiment arm of the account",
    "state": "state of the episode",
    "reason": "guardrail that suppressed, or error code of a dead letter as in its headers",
    "grade": "0 apathy, 1 sympathy, 2 empathy, 3 acted but not verified, 4 compassion",
    "cause": "root cause of a low grade",
    "result": "what became of a promise",
    "band": "health band",
    "version": "of the policy, or of the program",
    "model": "name and version of what scores raw text",
    "hold": "what the worker waits for",
    "stage": "where the worker is stuck",
    "source": "where the state of a partition came from",
    "python": "version of the interpreter",
}
"""Every label. What they hold is bounded by the program, by the broker or by the policy file."""

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)
_MINUTE, _HOUR, _DAY, _WEEK = 60.0, 3_600.0, 86_400.0, 604_800.0
_WORK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, _MINUTE, 5 * _MINUTE)
_READ_BACK = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, _MINUTE, 5 * _MINUTE, 15 * _MINUTE)
_TO_RESPONSE = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, *(h * _HOUR for h in (1, 4, 12)), _DAY, 3 * _DAY, _WEEK, 2 * _WEEK)
_TO_RECOVERY = (*(h * _HOUR for h in (1, 4, 12, 24, 48, 96)), *(w * _WEEK for w in (1, 2, 3, 4, 6, 8, 13, 26)))


@dataclass(frozen=True)
class Metric(Generic[Instrument]):
    """Definition of a metric; on an instance of `Metrics`, the attribute is the instrument made from it."""

    make: type[Instrument]
    name: str
    unit: str
    labels: Mapping[str, tuple[str, ...]]
    """Label names, each with its values when the program bounds them."""
    meaning: str
    buckets: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """`counter`, `gauge` or `histogram`."""
        return self.make.__name__.lower()

    def create(self, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
        """A new instrument, registered.

        Children with known labels stand at zero from the start: Prometheus does not see an increase from nothing to
        one, and these events are rare.
        """
        names = tuple(self.labels)
        if self.make is Histogram:
            instrument: Any = Histogram(self.name, self.meaning, names, registry=registry, buckets=self.buckets)
        else:
            instrument = self.make(self.name, self.meaning, names, registry=registry)
        if names:
            for values in product(*self.labels.values()):
                instrument.labels(*values)
        return cast("Counter | Gauge | Histogram", instrument)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Instrument: ...
    def __get__(self, instance: object | None, owner: type) -> Self | Instrument:
        """The definition. An instance's own attribute hides it, at the cost of a plain attribute."""
        return self


def _counter(name: str, unit: str, labels: Mapping[str, tuple[str, ...]], meaning: str) -> Metric[Counter]:
    return Metric(Counter, f"backontrack_{name}", unit, labels, meaning)


def _gauge(name: str, unit: str, labels: Mapping[str, tuple[str, ...]], meaning: str) -> Metric[Gauge]:
    return Metric(Gauge, f"backontrack_{name}", unit, labels, meaning)


def _histogram(
    name: str, labels: Mapping[str, tuple[str, ...]], buckets: tuple[float, ...], meaning: str
) -> Metric[Histogram]:
    return Metric(Histogram, f"backontrack_{name}", "seconds", labels, meaning, buckets)


class Metrics:
    """Counters and histograms of one worker, on its own registry; metrics of the process come with them.

    `count_tallies` takes what a fold counted, `count_output` all that follows from an output record, and
    `expect_playbooks` the playbooks of a policy; the rest is moved by the shell.
    """

    # fmt: off
    # What came in.
    events = _counter("events_total", "events", {"topic": INPUTS, "outcome": EVENT_OUTCOMES},
        "Input records by what became of them.")
    dead_letters = _counter("dead_letters_total", "records", {"topic": INPUTS, "reason": (*UNREADABLE, *UNFIT)},
        "Input records that could not be read or processed, by where they came from and why.")
    feed_silences = _counter("feed_silences_total", "silences", {"topic": FEEDS},
        "How often a feed was judged silent in a partition.")

    # What was decided.
    interventions_opened = _counter("interventions_opened_total", "episodes", {"kind": KINDS, "playbook": OPEN},
        "Interventions fired for a drop, by kind of drop and playbook.")
    interventions_suppressed = _counter("interventions_suppressed_total", "candidates", {"reason": REASONS},
        "Interventions not fired, by the guardrail that held them back.")
    outcomes = _counter("outcomes_total", "episodes", {"outcome": OUTCOME_NAMES, "kind": KINDS, "arm": ARMS},
        "Outcomes of episodes. back_on_track: recovery verified; confirmed: it held; relapsed: it did not hold.")
    playbook_outcomes = _counter("playbook_outcomes_total", "episodes", {"outcome": OUTCOME_NAMES, "playbook": OPEN},
        "The same outcomes by playbook.")
    unchased = _counter("recoveries_unchased_total", "episodes", {"kind": KINDS},
        "Episodes back on track without the customer having chased once.")
    grades = _counter("grades_total", "episodes", {"grade": GRADES, "cause": GRADE_CAUSES},
        "Grade of the vendor's answer when an episode ended, with the root cause of a low one.")
    chases = _counter("chases_total", "chases", {},
        "How often customers had to chase, counted when the episode first ends.")
    promises = _counter("promises_total", "promises", {"result": ("kept", "missed")},
        "Promises to customers, kept or missed, counted when the episode first ends.")
    time_to_recovery = _histogram("time_to_recovery_seconds", {"kind": KINDS}, _TO_RECOVERY,
        "From the first causing event to where the verified recovery began to hold, in stream time.")
    time_to_response = _histogram("time_to_response_seconds", {}, _TO_RESPONSE,
        "From the opening of an intervention to its first acknowledgement, in stream time.")

    # What the worker does.
    outputs = _counter("outputs_total", "records", {"topic": (*OUTPUTS, DEAD_LETTERS)},
        "Output records that the broker acknowledged.")
    intervention_latency = _histogram("intervention_latency_seconds", {}, _LATENCY,
        "From the timestamp of the causing record to the acknowledged intervention. Only with the wall clock.")
    emit_duration = _histogram("emit_duration_seconds", {}, _WORK,
        "Storing and sending the outputs that wait.")
    checkpoint_duration = _histogram("checkpoint_duration_seconds", {}, _WORK,
        "Checkpoints that succeeded: emit, write states, commit offsets.")
    commits = _counter("commits_total", "attempts", {"outcome": ("committed", "retried", "rebalancing")},
        "Attempts to commit offsets. rebalancing: the group has moved on, and the stored state covers for it.")
    recovery_duration = _histogram("recovery_duration_seconds", {}, _READ_BACK,
        "Reading states back after partitions were assigned.")
    recovery_records = _counter("recovery_records_total", "records", {},
        "Changelog records read back.")
    recovered = _counter("recovered_partitions_total", "partitions", {"source": ("changelog", "parked", "standby")},
        "Partitions taken over, by where their state came from.")
    stale_writes = _counter("stale_changelog_keys_total", "keys", {},
        "Keys stored again because a worker that had lost the partition overwrote them.")
    held = _counter("held_seconds_total", "seconds", {"hold": HOLDS},
        "Time in which the worker waited for the world outside, by what it waited for.")
    build = _gauge("build_info", "always 1", {"version": OPEN, "python": OPEN},
        "The program that runs.")
    # fmt: on

    def __init__(self, registry: CollectorRegistry) -> None:
        for attribute, metric in definitions(type(self)).items():
            self.__dict__[attribute] = metric.create(registry)
        self.expect_playbooks([""])
        self.build.labels(version=__version__, python=platform.python_version()).set(1)
        ProcessCollector(registry=registry)

    def expect_playbooks(self, names: Iterable[str]) -> None:
        """Puts the counters of a policy's playbooks at zero; for each policy that becomes active."""
        for name in names:
            for kind in KINDS:
                self.interventions_opened.labels(kind, name)
            for outcome in OUTCOME_NAMES:
                self.playbook_outcomes.labels(outcome, name)

    def count_tallies(self, tallies: Mapping[tuple[str, str], int]) -> None:
        """Moves what a partition's fold counted, by `(topic, outcome)`."""
        for (topic, outcome), count in tallies.items():
            if outcome == "feed_silent":
                self.feed_silences.labels(topic).inc(count)
            else:
                self.events.labels(topic, outcome).inc(count)

    def count_held(self, holds: Iterable[str], seconds: float) -> None:
        """Moves the time of the holds that are on."""
        for hold in holds:
            self.held.labels(hold).inc(seconds)

    def count_output(self, output: Output) -> None:
        """Moves what an output record tells: opened, suppressed, outcome, grade, times, chases, promises."""
        record = output.record
        if output.topic == INTERVENTIONS and record["state"] == "opened" and record["previous"] is None:
            playbook = record["playbook"]
            self.interventions_opened.labels(record["cause"]["kind"], playbook["name"] if playbook else "").inc()
        elif output.topic == SUPPRESSED:
            self.interventions_suppressed.labels(record["reason"]).inc()
        elif output.topic == OUTCOMES:
            self._count_outcome(record)

    def _count_outcome(self, record: Mapping[str, Any]) -> None:
        kind = record["cause"]["kind"]
        self.outcomes.labels(record["outcome"], kind, record["arm"]).inc()
        self.playbook_outcomes.labels(record["outcome"], record["playbook"]).inc()
        if record["outcome"] not in ENDINGS:
            return
        self.grades.labels(str(record["grade"]), record["low_grade_cause"] or "none").inc()
        if record["outcome"] == "back_on_track":
            if record["time_to_recovery_s"] is not None:
                self.time_to_recovery.labels(kind).observe(record["time_to_recovery_s"])
            if not record["chases"]:
                self.unchased.labels(kind).inc()
        if record["relapses"]:
            return  # These were counted when the episode ended before the relapse.
        self.chases.inc(record["chases"])
        if record["time_to_response_s"] is not None:
            self.time_to_response.observe(record["time_to_response_s"])
        if record["promise_kept"] is not None:
            self.promises.labels("kept" if record["promise_kept"] else "missed").inc()


Series = Mapping[tuple[str, ...], float]
"""Values by label values, in the order of the metric's labels."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The worker at one moment, for its own partitions only. Field names are the gauges of `StateCollector`.

    Values by label values are keyed by tuples in the order of the metric's labels; `None` leaves a metric out.
    """

    consumer_lag: Series = field(default_factory=dict)
    stream_time_lag: Series = field(default_factory=dict)
    feed_freshness: Series = field(default_factory=dict)
    feed_silent: Series = field(default_factory=dict)
    accounts: Series = field(default_factory=dict)
    covered_accounts: float = 0
    open_episodes: Series = field(default_factory=dict)
    over_dead_letter_limit: Series = field(default_factory=dict)
    dirty_accounts: float = 0
    checkpoint_age: float | None = None
    holds: Series = field(default_factory=dict)
    stuck: Series = field(default_factory=dict)
    policy: Series = field(default_factory=dict)
    sentiment_model: Series = field(default_factory=dict)


class StateCollector(Collector):
    """Gauges, read from `snapshot` at each scrape. `snapshot` runs in the thread that renders the metrics."""

    # fmt: off
    consumer_lag = _gauge("consumer_lag_records", "records", {"topic": OPEN, "partition": OPEN},
        "Records on the broker that are not applied yet.")
    stream_time_lag = _gauge("stream_time_lag_seconds", "seconds", {"partition": OPEN},
        "How far stream time is behind the clock. Large during imports and replays.")
    feed_freshness = _gauge("feed_freshness_seconds", "seconds", {"topic": OPEN},
        "Stream time since the newest event of the topic, in the freshest of the worker's partitions.")
    feed_silent = _gauge("feed_silent", "0 or 1", {"topic": FEEDS},
        "1 while the feed is judged broken in a partition of the worker: health is unknown, interventions are held.")
    accounts = _gauge("accounts", "accounts", {"band": BANDS},
        "Accounts by health band; the sum is all accounts.")
    covered_accounts = _gauge("covered_accounts", "accounts", {},
        "Accounts whose profile is known. All others are owed an account event.")
    open_episodes = _gauge("open_episodes", "episodes", {"state": OPEN_STATES, "kind": KINDS},
        "Episodes that have not ended, by state and kind of drop.")
    over_dead_letter_limit = _gauge("over_dead_letter_limit", "partitions", {"topic": INPUTS},
        "Partitions that wait because too many of the topic's newest records cannot be applied.")
    dirty_accounts = _gauge("dirty_accounts", "accounts", {},
        "Accounts changed since their last stored state.")
    checkpoint_age = _gauge("checkpoint_age_seconds", "seconds", {},
        "Time since the last checkpoint, or since the start.")
    holds = _gauge("holds", "0 or 1", {"hold": HOLDS},
        "1 while the worker waits for the world outside: it is live, not ready, and goes on by itself.")
    stuck = _gauge("stuck", "0 or 1", {"stage": STAGES},
        "1 from when the watchdog finds the worker stuck to when it ends the process, seconds later.")
    policy = _gauge("policy_info", "partitions", {"version": OPEN},
        "Partitions on which a version of the policy is active.")
    sentiment_model = _gauge("sentiment_model_info", "partitions", {"model": OPEN},
        "Partitions by the model of their newest raw text (`none` before any). Several: it changed, or workers differ.")
    # fmt: on

    def __init__(self, registry: CollectorRegistry, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The gauges without values: registering asks for no snapshot."""
        return [GaugeMetricFamily(m.name, m.meaning, labels=tuple(m.labels)) for m in definitions(type(self)).values()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges with the values of one snapshot."""
        snapshot = self._snapshot()
        for attribute, metric in definitions(type(self)).items():
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=tuple(metric.labels))
            value: Series | float | None = getattr(snapshot, attribute)
            zeros: Series = dict.fromkeys(product(*metric.labels.values()), 0.0)
            series = {**zeros, **value} if isinstance(value, Mapping) else {(): value}
            for labels, number in series.items():
                if number is not None:
                    family.add_metric(labels, number)
            yield family


def definitions(holder: type) -> dict[str, Metric[Any]]:
    """Definitions by attribute of `Metrics` or `StateCollector`, in the order of this page."""
    return {name: value for name, value in vars(holder).items() if isinstance(value, Metric)}


def document() -> str:
    """The text of `docs/metrics.md`."""
    lines = [
        "# Metrics",
        "",
        "Served by every worker at `/metrics`. Rendered by `python -m streams.metrics`; do not edit.",
        "Times are seconds. No label ever holds an account, a person, a ticket or an event.",
        "Counters and histograms say what this process did since it started; gauges cover the partitions that it owns,",
        "so sums over all workers are right at any time. `process_*` metrics of the operating system come with them.",
    ]
    for title, holder in (("Counters and histograms", Metrics), ("Gauges", StateCollector)):
        lines += ["", f"## {title}", "", "| metric | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
        for metric in definitions(holder).values():
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.meaning} |")
    lines += ["", "## Labels", "", "| label | what it says |", "|---|---|"]
    lines += [f"| `{label}` | {meaning} |" for label, meaning in LABELS.items()]
    lines += ["", "Values that the program bounds. Their series stand at zero from the start.", ""]
    for metric in (*definitions(Metrics).values(), *definitions(StateCollector).values()):
        for label, values in metric.labels.items():
            if values:
                lines.append(f"- `{metric.name}`, {label}: {', '.join(values)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
