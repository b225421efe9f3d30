"""What the dashboard answers: its panels as data, each with its question and its queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.grafana.queries import increase, now, quantile, rate, share
from streams.metrics import ENDINGS, Metrics, StateCollector

Form = Literal["stat", "lines", "stack", "bars", "ranking"]
JOB = "backontrack"
"""Name under which Prometheus scrapes the workers."""

_KIND = 'kind=~"$kind"'
_TREATED = 'arm!="held_out"'
_ENDED = f'outcome=~"{"|".join(sorted(ENDINGS))}"'
_RECOVERED = 'outcome="back_on_track"'


@dataclass(frozen=True)
class Panel:
    """One panel: `queries` are (PromQL, legend) pairs; `span` is its width in 24ths; `unit` is Grafana's name of it.

    `steps` are the values from which the colour turns, with the colour: the first one applies from minus infinity.
    """

    title: str
    question: str
    form: Form
    unit: str
    queries: Sequence[tuple[str, str]]
    span: int = 8
    steps: Sequence[tuple[float | None, str]] = ()


def _outcomes(where: str, by: str = "", window: str = "$__range") -> str:
    return increase(Metrics.outcomes, by, where, window)


_LOW_IS_BAD = ((None, "red"), (0.5, "orange"), (0.8, "green"))
_HIGH_IS_BAD = ((None, "green"), (0.1, "orange"), (0.25, "red"))

SUMMARY = (
    Panel(
        "Open episodes",
        "How many drops are being worked on? Without held-out accounts and recoveries in follow-up.",
        "stat",
        "short",
        [(now(StateCollector.open_episodes, where=f'{_KIND}, state!~"back_on_track|held_out"'), "")],
        span=4,
    ),
    Panel(
        "Back on track",
        "Share of the episodes that ended in the time range whose recovery was verified.",
        "stat",
        "percentunit",
        [(share(_outcomes(f"{_KIND}, {_TREATED}, {_RECOVERED}"), _outcomes(f"{_KIND}, {_TREATED}, {_ENDED}")), "")],
        span=4,
        steps=_LOW_IS_BAD,
    ),
    Panel(
        "Without chasing",
        "Share of the recoveries for which the customer did not have to chase.",
        "stat",
        "percentunit",
        [(share(increase(Metrics.unchased, "", _KIND, "$__range"), _outcomes(f"{_KIND}, {_RECOVERED}")), "")],
        span=4,
        steps=_LOW_IS_BAD,
    ),
    Panel(
        "Relapsed",
        "Relapses for each verified recovery in the time range.",
        "stat",
        "percentunit",
        [(share(_outcomes(f'{_KIND}, outcome="relapsed"'), _outcomes(f"{_KIND}, {_RECOVERED}")), "")],
        span=4,
        steps=_HIGH_IS_BAD,
    ),
    Panel(
        "Median time to recovery",
        "From the first causing event to the recovery that holds.",
        "stat",
        "s",
        [(quantile(0.5, Metrics.time_to_recovery, _KIND, "$__range"), "")],
        span=4,
    ),
    Panel(
        "Coverage",
        "Share of the accounts whose profile is known. It is owed to be all of them.",
        "stat",
        "percentunit",
        [(share(now(StateCollector.covered_accounts), now(StateCollector.accounts)), "")],
        span=4,
        steps=((None, "orange"), (0.999, "green")),
    ),
)

EPISODES = (
    Panel(
        "Open episodes by state",
        "Where do they wait? A growing `opened` means that nobody takes them.",
        "stack",
        "short",
        [(now(StateCollector.open_episodes, "state", _KIND), "{{state}}")],
    ),
    Panel(
        "Open episodes by kind",
        "What hurts customers now?",
        "stack",
        "short",
        [(now(StateCollector.open_episodes, "kind", _KIND), "{{kind}}")],
    ),
    Panel(
        "Accounts by health band",
        "How is everybody? Unknown grows when a feed is broken.",
        "stack",
        "short",
        [(now(StateCollector.accounts, "band"), "{{band}}")],
    ),
    Panel(
        "Time to recovery",
        "How long until customers have their results back? Over the window.",
        "lines",
        "s",
        [
            (quantile(0.5, Metrics.time_to_recovery, _KIND, "$window"), "p50"),
            (quantile(0.9, Metrics.time_to_recovery, _KIND, "$window"), "p90"),
        ],
    ),
    Panel(
        "Interventions fired",
        "By kind of drop, within the window.",
        "bars",
        "short",
        [(increase(Metrics.interventions_opened, "kind", _KIND), "{{kind}}")],
    ),
    Panel(
        "Interventions suppressed",
        "By the guardrail that held them back, within the window.",
        "bars",
        "short",
        [(increase(Metrics.interventions_suppressed, "reason"), "{{reason}}")],
    ),
    Panel(
        "How episodes end",
        "By outcome, within the window.",
        "bars",
        "short",
        [(_outcomes(_KIND, "outcome", "$window"), "{{outcome}}")],
    ),
    Panel(
        "Grades of the answers",
        "0 apathy, 1 sympathy, 2 empathy, 3 acted but not verified, 4 compassion. Within the window.",
        "bars",
        "short",
        [(increase(Metrics.grades, "grade"), "grade {{grade}}")],
    ),
    Panel(
        "Why grades are low",
        "Root causes of grades 0 to 2 in the time range.",
        "ranking",
        "short",
        [(increase(Metrics.grades, "cause", 'grade=~"0|1|2"', "$__range"), "{{cause}}")],
    ),
    Panel(
        "Back on track by experiment arm",
        "Does intervening help? Treated above held out says so; look at the numbers of cases before believing it.",
        "ranking",
        "percentunit",
        [
            (
                share(_outcomes(f"{_KIND}, {_RECOVERED}", "arm"), _outcomes(f"{_KIND}, {_ENDED}", "arm")),
                "{{arm}}",
            )
        ],
    ),
    Panel(
        "Back on track by playbook",
        "Which playbooks bring customers back? Over the time range.",
        "ranking",
        "percentunit",
        [
            (
                share(
                    increase(Metrics.playbook_outcomes, "playbook", _RECOVERED, "$__range"),
                    increase(Metrics.playbook_outcomes, "playbook", _ENDED, "$__range"),
                ),
                "{{playbook}}",
            )
        ],
    ),
    Panel(
        "Promises kept and chases",
        "Over the time range. A missed promise escalates by itself.",
        "ranking",
        "short",
        [
            (increase(Metrics.promises, "result", "", "$__range"), "promises {{result}}"),
            (increase(Metrics.chases, "", "", "$__range"), "chases"),
        ],
    ),
    Panel(
        "Time to response",
        "From an intervention to its acknowledgement. Answering fast is not recovering: compare with time to recovery.",
        "lines",
        "s",
        [
            (quantile(0.5, Metrics.time_to_response, "", "$window"), "p50"),
            (quantile(0.9, Metrics.time_to_response, "", "$window"), "p90"),
        ],
    ),
    Panel(
        "Feed freshness",
        "Stream time since the newest event of each topic.",
        "lines",
        "s",
        [(now(StateCollector.feed_freshness, "topic", how="min"), "{{topic}}")],
    ),
    Panel(
        "Silent feeds",
        "1: the feed is judged broken. Its silence is not held against customers; interventions wait.",
        "ranking",
        "short",
        [(now(StateCollector.feed_silent, "topic", how="max"), "{{topic}}")],
        steps=((None, "green"), (1, "red")),
    ),
)

OPERATIONS = (
    Panel(
        "Workers",
        "Workers that answer.",
        "stat",
        "short",
        [(f'sum(up{{job="{JOB}"}})', "")],
        span=4,
        steps=((None, "red"), (1, "green")),
    ),
    Panel(
        "Lag",
        "Records that wait, all topics.",
        "stat",
        "short",
        [(now(StateCollector.consumer_lag), "")],
        span=4,
    ),
    Panel(
        "Oldest checkpoint",
        "Age of the oldest last checkpoint of a worker.",
        "stat",
        "s",
        [(now(StateCollector.checkpoint_age, how="max"), "")],
        span=4,
        steps=((None, "green"), (30, "orange"), (60, "red")),
    ),
    Panel(
        "Dead letters",
        "Records that could not be read or processed, in the time range.",
        "stat",
        "short",
        [(increase(Metrics.events, "", 'outcome="dead_lettered"', "$__range"), "")],
        span=4,
        steps=((None, "green"), (1, "orange")),
    ),
    Panel(
        "Versions",
        "What runs, under which policy and sentiment model. Two for long mean that workers have different files.",
        "stat",
        "short",
        [
            (f"count by (version) ({Metrics.build.name})", "program {{version}}"),
            (now(StateCollector.policy, "version"), "policy {{version}}"),
            (now(StateCollector.sentiment_model, "model"), "sentiment {{model}}"),
        ],
        span=8,
    ),
    Panel(
        "Events per second",
        "Input records by what became of them.",
        "lines",
        "ops",
        [(rate(Metrics.events, "outcome"), "{{outcome}}")],
    ),
    Panel(
        "Events per second by topic",
        "Which feeds bring the load?",
        "stack",
        "ops",
        [(rate(Metrics.events, "topic"), "{{topic}}")],
    ),
    Panel(
        "Event to intervention",
        "From the causing record's timestamp to the acknowledged intervention; with the wall clock only.",
        "lines",
        "s",
        [
            (quantile(0.5, Metrics.intervention_latency, window="$window"), "p50"),
            (quantile(0.99, Metrics.intervention_latency, window="$window"), "p99"),
        ],
    ),
    Panel(
        "Lag by topic",
        "Records on the broker that are not applied yet.",
        "stack",
        "short",
        [(now(StateCollector.consumer_lag, "topic"), "{{topic}}")],
    ),
    Panel(
        "Stream time behind the clock",
        "The partition that is furthest behind, and the one that is least.",
        "lines",
        "s",
        [
            (now(StateCollector.stream_time_lag, how="max"), "furthest"),
            (now(StateCollector.stream_time_lag, how="min"), "least"),
        ],
    ),
    Panel(
        "Outputs per second",
        "Output records that the broker acknowledged.",
        "stack",
        "ops",
        [(rate(Metrics.outputs, "topic"), "{{topic}}")],
    ),
    Panel(
        "Checkpoint age",
        "Time since the last checkpoint of each worker.",
        "lines",
        "s",
        [(now(StateCollector.checkpoint_age, "instance", how="max"), "{{instance}}")],
    ),
    Panel(
        "Checkpoint and emit duration",
        "While these run, no record is applied.",
        "lines",
        "s",
        [
            (quantile(0.5, Metrics.checkpoint_duration), "checkpoint p50"),
            (quantile(0.99, Metrics.checkpoint_duration), "checkpoint p99"),
            (quantile(0.99, Metrics.emit_duration), "emit p99"),
        ],
    ),
    Panel(
        "Dirty accounts",
        "Accounts changed since their last stored state: what a crash makes the next worker apply again.",
        "lines",
        "short",
        [(now(StateCollector.dirty_accounts, "instance"), "{{instance}}")],
    ),
    Panel(
        "Dead letters by reason",
        "What is wrong with the input? Within the window.",
        "bars",
        "short",
        [(increase(Metrics.dead_letters, "topic, reason"), "{{topic}}: {{reason}}")],
    ),
    Panel(
        "State read back",
        "How long partitions stood still after they were assigned, and how much was read.",
        "lines",
        "s",
        [
            (quantile(0.99, Metrics.recovery_duration, window="$window"), "duration p99"),
            (increase(Metrics.recovery_records), "records"),
        ],
    ),
    Panel(
        "Memory of the workers",
        "Grows with the number of accounts, not with events.",
        "lines",
        "bytes",
        [(f'process_resident_memory_bytes{{job="{JOB}"}}', "{{instance}}")],
    ),
    Panel(
        "Waiting for others",
        "Workers that wait for the world outside: brokers, rights, the dead-letter topic, the registry.",
        "lines",
        "short",
        [
            (now(StateCollector.holds, "hold"), "{{hold}}"),
            (rate(Metrics.held, "hold"), "{{hold}}, share of the time"),
            (now(StateCollector.over_dead_letter_limit, "topic"), "{{topic}}: partitions over the limit"),
        ],
        span=6,
    ),
    Panel(
        "Commits per second",
        "Attempts to commit offsets by how they ended.",
        "lines",
        "ops",
        [(rate(Metrics.commits, "outcome"), "{{outcome}}")],
        span=6,
    ),
    Panel(
        "Partitions taken over",
        "By where their state came from, within the window.",
        "bars",
        "short",
        [(increase(Metrics.recovered, "source"), "{{source}}")],
        span=6,
    ),
    Panel(
        "Stuck, started, overwritten",
        "Workers that were found stuck, starts of workers, and accounts stored again after a stale write.",
        "bars",
        "short",
        [
            (now(StateCollector.stuck, "stage"), "stuck: {{stage}}"),
            (f'sum(changes(process_start_time_seconds{{job="{JOB}"}}[$window]))', "started"),
            (increase(Metrics.stale_writes), "stored again"),
        ],
        span=6,
    ),
)

ROWS: tuple[tuple[str, Sequence[Panel]], ...] = (
    ("Are customers getting back on track?", (*SUMMARY, *EPISODES)),
    ("Does it run well?", OPERATIONS),
)
