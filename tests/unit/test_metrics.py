"""Metrics: their names, labels and documentation, what output records move, what a scrape shows."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streams import metrics as page
from streams import topics
from streams.domain.episode import ENDED
from streams.domain.outputs import Output
from streams.domain.time import DAY
from streams.interventions.lifecycle import State
from streams.metrics import LABELS, Metrics, Snapshot, StateCollector, definitions, document
from streams.policy.load import default_policy
from streams.sentiment.vader import VaderScorer
from streams.settings import Settings
from streams.shell import schemas
from streams.shell.codec import Codec
from tests.support.log import START, small_log
from tests.support.offline import OfflineLog, fold_log

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")
DEFINITIONS = [*definitions(Metrics).values(), *definitions(StateCollector).values()]


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of its own, as every worker has."""
    return CollectorRegistry()


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def _symbols(schema: Any, name: str) -> list[str] | None:
    """Symbols of the enum `name`, wherever it stands in the schema."""
    if isinstance(schema, dict):
        if schema.get("name") == name:
            return list(schema["symbols"])
        schema = list(schema.values())
    if isinstance(schema, list):
        found = (_symbols(part, name) for part in schema)
        return next((symbols for symbols in found if symbols), None)
    return None


def _opened(**changes: Any) -> Output:
    record = {"state": "opened", "previous": None, "cause": {"kind": "silence"}, "playbook": {"name": "reach-out"}}
    return Output(topics.INTERVENTIONS, "a", "i", 0, 0, record | changes)


def _outcome(**changes: Any) -> Output:
    record = {
        "outcome": "back_on_track",
        "cause": {"kind": "silence"},
        "playbook": "reach-out",
        "arm": "treated",
        "grade": 4,
        "low_grade_cause": None,
        "chases": 0,
        "relapses": 0,
        "time_to_response_s": 60.0,
        "time_to_recovery_s": 86_400.0,
        "promise_kept": True,
    }
    return Output(topics.OUTCOMES, "a", "i", 1, 0, record | changes)


def test_documentation_is_current() -> None:
    """`python -m streams.metrics > docs/metrics.md` has been run after the last change."""
    assert document() == (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_names_follow_the_convention() -> None:
    """`backontrack_<noun>_<unit>[_total]`, and no name twice."""
    for metric in DEFINITIONS:
        assert re.fullmatch(r"backontrack_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        if metric.unit == "seconds":
            assert metric.name.removesuffix("_total").endswith("_seconds")
    assert max(Counter(metric.name for metric in DEFINITIONS).values()) == 1


def test_every_label_is_explained_and_used() -> None:
    """`LABELS` is complete, and has nothing that is gone."""
    assert {label for metric in DEFINITIONS for label in metric.labels} == set(LABELS)


def test_no_label_identifies_anybody() -> None:
    """Accounts, people, tickets and episodes are not for labels: they are many, and some of them are persons."""
    for label in LABELS:
        assert not re.search(r"account|customer|user|owner|actor|ticket|intervention|episode|subject|_id", label)


@pytest.mark.parametrize(
    ("topic", "enum", "values"),
    [
        (topics.INTERVENTIONS, "DropKind", page.KINDS),
        (topics.OUTCOMES, "Outcome", page.OUTCOME_NAMES),
        (topics.SUPPRESSED, "SuppressionReason", page.REASONS),
        (topics.HEALTH, "Band", page.BANDS),
    ],
)
def test_label_values_are_those_of_the_schemas(topic: str, enum: str, values: tuple[str, ...]) -> None:
    """A symbol added to a schema is a value added here."""
    assert _symbols(schemas.versions(topic)[-1].source, enum) == list(values)


def test_states_of_open_episodes_are_those_that_have_not_ended() -> None:
    """What leaves the table of states leaves the gauge."""
    stored = set(State) - {State.CANDIDATE, State.SUPPRESSED}
    assert set(page.OPEN_STATES) == {state.value for state in stored} - ENDED


def test_reasons_of_the_codec_are_complete() -> None:
    """Every reason with which the shell refuses a record stands at zero from the start."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "streams" / "shell").glob("*.py"))
    assert set(re.findall(r'BadRecord\(\s*"(\w+)"', sources)) == set(page.UNREADABLE)


def test_two_workers_in_a_process_do_not_share(registry: CollectorRegistry) -> None:
    """Nothing is kept in the module."""
    other = CollectorRegistry()
    Metrics(registry).chases.inc()
    Metrics(other)
    assert _value(registry, "backontrack_chases_total") == 1
    assert _value(other, "backontrack_chases_total") == 0


def test_rare_counters_stand_at_zero_from_the_start(registry: CollectorRegistry) -> None:
    """Otherwise Prometheus does not see the first event."""
    Metrics(registry).expect_playbooks(["reach-out"])
    assert _value(registry, Metrics.outcomes.name, outcome="expired", kind="silence", arm="treated") == 0
    assert _value(registry, Metrics.events.name, topic=topics.USAGE, outcome="dead_lettered") == 0
    assert _value(registry, Metrics.dead_letters.name, topic=topics.USAGE, reason="truncated") == 0
    assert _value(registry, Metrics.interventions_opened.name, kind="silence", playbook="reach-out") == 0


def test_no_creation_times_are_exposed(registry: CollectorRegistry) -> None:
    """They would double the number of series."""
    Metrics(registry)
    assert b"_created" not in generate_latest(registry)


def test_tallies_of_a_fold_are_counted_by_topic_and_outcome(registry: CollectorRegistry) -> None:
    """A feed that falls silent is not an event."""
    tallies = Counter({(topics.USAGE, "applied"): 3, (topics.USAGE, "feed_silent"): 1})
    Metrics(registry).count_tallies(tallies)
    assert _value(registry, Metrics.events.name, topic=topics.USAGE, outcome="applied") == 3
    assert _value(registry, Metrics.feed_silences.name, topic=topics.USAGE) == 1
    assert _value(registry, Metrics.events.name, topic=topics.USAGE, outcome="feed_silent") is None


def test_an_intervention_is_counted_when_it_opens_and_not_when_it_moves_on(registry: CollectorRegistry) -> None:
    """Later records of the episode tell of the same intervention."""
    metrics = Metrics(registry)
    for record in ({}, {"state": "owned", "previous": "opened"}, {"previous": "relapsed"}):
        metrics.count_output(_opened(**record))
    assert _value(registry, Metrics.interventions_opened.name, kind="silence", playbook="reach-out") == 1


def test_a_suppression_is_counted_by_its_reason(registry: CollectorRegistry) -> None:
    """And not as an intervention."""
    Metrics(registry).count_output(Output(topics.SUPPRESSED, "a", "s", 0, 0, {"reason": "quiet_hours"}))
    assert _value(registry, Metrics.interventions_suppressed.name, reason="quiet_hours") == 1


def test_a_recovery_moves_outcome_grade_and_times(registry: CollectorRegistry) -> None:
    """The whole story of an episode that went well."""
    Metrics(registry).count_output(_outcome())
    assert _value(registry, Metrics.outcomes.name, outcome="back_on_track", kind="silence", arm="treated") == 1
    assert _value(registry, Metrics.playbook_outcomes.name, outcome="back_on_track", playbook="reach-out") == 1
    assert _value(registry, Metrics.grades.name, grade="4", cause="none") == 1
    assert _value(registry, Metrics.unchased.name, kind="silence") == 1
    assert _value(registry, f"{Metrics.time_to_recovery.name}_sum", kind="silence") == 86_400
    assert _value(registry, f"{Metrics.time_to_response.name}_sum") == 60
    assert _value(registry, Metrics.promises.name, result="kept") == 1


def test_a_chased_recovery_is_not_unchased(registry: CollectorRegistry) -> None:
    """The customer should not have had to ask."""
    Metrics(registry).count_output(_outcome(chases=2))
    assert _value(registry, Metrics.unchased.name, kind="silence") == 0
    assert _value(registry, Metrics.chases.name) == 2


def test_later_news_of_a_recovery_are_not_a_second_ending(registry: CollectorRegistry) -> None:
    """Confirmation and relapse are outcomes, but the episode's grade and times are counted once."""
    metrics = Metrics(registry)
    for outcome in ("back_on_track", "confirmed"):
        metrics.count_output(_outcome(outcome=outcome))
    assert _value(registry, Metrics.outcomes.name, outcome="confirmed", kind="silence", arm="treated") == 1
    assert _value(registry, Metrics.grades.name, grade="4", cause="none") == 1
    assert _value(registry, f"{Metrics.time_to_recovery.name}_count", kind="silence") == 1


def test_what_was_counted_before_a_relapse_is_not_counted_again(registry: CollectorRegistry) -> None:
    """Chases, promises and the first response belong to the episode, not to each of its recoveries."""
    metrics = Metrics(registry)
    metrics.count_output(_outcome(chases=1))
    metrics.count_output(_outcome(outcome="relapsed", chases=1, relapses=1))
    metrics.count_output(_outcome(chases=1, relapses=1))
    assert _value(registry, Metrics.chases.name) == 1
    assert _value(registry, f"{Metrics.time_to_response.name}_count") == 1
    assert _value(registry, f"{Metrics.time_to_recovery.name}_count", kind="silence") == 2


def test_a_low_grade_carries_its_root_cause(registry: CollectorRegistry) -> None:
    """And an end without recovery observes no time to it."""
    expired = _outcome(outcome="expired", grade=0, low_grade_cause="no_owner", time_to_recovery_s=None)
    Metrics(registry).count_output(expired)
    assert _value(registry, Metrics.grades.name, grade="0", cause="no_owner") == 1
    assert _value(registry, f"{Metrics.time_to_recovery.name}_count", kind="silence") == 0


def test_what_the_core_decides_is_counted_with_labels_that_are_known(registry: CollectorRegistry) -> None:
    """Over a history with drops and recoveries: every decision is counted, and no label holds what it should not."""
    metrics = Metrics(registry)
    policy = default_policy()
    metrics.expect_playbooks(playbook.name for playbook in policy.playbooks)
    series_before = generate_latest(registry).count(b"\n")
    decided: Counter[tuple[str, str | None]] = Counter()
    log, codec = OfflineLog(1), Codec(Settings())
    for entry in small_log(accounts=12):
        event = codec.decode(entry.topic, codec.encode(entry.topic, entry.event))
        log.append(entry.topic, entry.key, entry.time, event)
    log.tick(START + 120 * DAY)
    for fold, outputs in fold_log(log, policy, VaderScorer()):
        metrics.count_tallies(fold.tallies)
        for output in outputs:
            metrics.count_output(output)
            decided[output.topic, output.record.get("state") or output.record.get("outcome")] += 1
    shown = {
        name: sum(
            sample.value for family in registry.collect() for sample in family.samples if sample.name == metric.name
        )
        for name, metric in definitions(Metrics).items()
    }
    assert shown["interventions_opened"] == decided[topics.INTERVENTIONS, "opened"] > 0
    assert shown["outcomes"] == sum(count for (topic, _), count in decided.items() if topic == topics.OUTCOMES) > 0
    assert shown["interventions_suppressed"] == decided[topics.SUPPRESSED, None]
    assert shown["events"] == sum(fold.tallies.values()) - shown["feed_silences"]
    assert generate_latest(registry).count(b"\n") == series_before


def test_gauges_are_the_fields_of_the_snapshot() -> None:
    """A field without a gauge would never be seen."""
    assert list(Snapshot.__dataclass_fields__) == list(definitions(StateCollector))


def test_every_scrape_shows_the_moment(registry: CollectorRegistry) -> None:
    """What a worker no longer owns vanishes; registering alone asks for nothing."""
    moments = iter(
        [
            Snapshot(consumer_lag={(topics.USAGE, "0"): 5, (topics.USAGE, "1"): 7}, checkpoint_age=2.5),
            Snapshot(consumer_lag={(topics.USAGE, "1"): 8}),
        ]
    )
    StateCollector(registry, lambda: next(moments))
    first, second = (generate_latest(registry).decode() for _ in range(2))
    assert 'backontrack_consumer_lag_records{partition="0",topic="usage-events"} 5.0' in first
    assert "backontrack_checkpoint_age_seconds 2.5" in first
    assert 'partition="0"' not in second
    assert "backontrack_checkpoint_age_seconds " not in second.replace("_seconds Time", "").replace(
        "_seconds gauge", ""
    )


def test_nothing_open_is_zero_rather_than_no_data(registry: CollectorRegistry) -> None:
    """A panel that is empty looks broken when all is well."""
    StateCollector(registry, Snapshot)
    assert _value(registry, StateCollector.open_episodes.name, state="opened", kind="silence") == 0
    assert _value(registry, StateCollector.accounts.name, band="critical") == 0


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_mend(registry: CollectorRegistry) -> None:
    """Names, units, suffixes and help texts as Prometheus wants them."""
    assert PROMTOOL is not None
    Metrics(registry)
    StateCollector(registry, lambda: Snapshot(checkpoint_age=1, feed_silent={(topics.USAGE,): 0}))
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
