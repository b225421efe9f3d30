"""A real Prometheus scrapes a real exporter: every query of the dashboard shows something, every rule evaluates."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from deploy.grafana import dashboard
from streams import topics
from streams.domain.outputs import Output
from streams.metrics import Metrics, Snapshot, StateCollector
from tests.support.prometheus import Prometheus, unavailable_reason
from tests.unit.deploy.promql import VARIABLES

pytestmark = [
    pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason())),
    pytest.mark.slow,
]

SNAPSHOT = Snapshot(
    consumer_lag={(topics.USAGE, "0"): 12, (topics.TICKETS, "1"): 3},
    stream_time_lag={("0",): 0.4, ("1",): 0.6},
    feed_freshness={(topics.USAGE,): 2, (topics.TICKETS,): 30},
    feed_silent={(topics.USAGE,): 0, (topics.TICKETS,): 1},
    accounts={("healthy",): 90, ("at_risk",): 8, ("unknown",): 2},
    covered_accounts=97,
    open_episodes={("opened", "silence"): 3, ("acted", "relative"): 2, ("back_on_track", "blocked"): 1},
    dirty_accounts=40,
    checkpoint_age=1.5,
    policy={("1",): 4},
    sentiment_model={("vader-3.3.2",): 4},
)


@dataclass(frozen=True)
class Monitored:
    """A worker's metrics and the Prometheus that scrapes them."""

    metrics: Metrics
    prometheus: Prometheus


@pytest.fixture(scope="module")
def monitored() -> Iterator[Monitored]:
    """The first scrapes find a worker to which nothing has happened yet; then a day's work happens to it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.expect_playbooks(["reach-out", "unblock"])
    StateCollector(registry, lambda: SNAPSHOT)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        with Prometheus([f"127.0.0.1:{server.server_port}"]) as prometheus:
            scraped = f"count_over_time({Metrics.chases.name}[1h]) >= 2"
            prometheus.wait(lambda: bool(prometheus.query(scraped)), "the exporter was not scraped")
            _work(metrics)
            seen = f"increase({Metrics.chases.name}[1h]) > 0"
            prometheus.wait(lambda: bool(prometheus.query(seen)), "the work was not scraped")
            yield Monitored(metrics, prometheus)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _work(metrics: Metrics) -> None:
    metrics.count_tallies(
        {(topics.USAGE, "applied"): 500, (topics.USAGE, "late"): 2, (topics.USAGE, "dead_lettered"): 1}
    )
    metrics.dead_letters.labels(topics.USAGE, "truncated").inc()
    for kind, playbook in (("silence", "reach-out"), ("blocked", "unblock")):
        opened = {"state": "opened", "previous": None, "cause": {"kind": kind}, "playbook": {"name": playbook}}
        metrics.count_output(Output(topics.INTERVENTIONS, "a", "i", 0, 0, opened))
        for outcome, arm, grade in (
            ("back_on_track", "treated", 4),
            ("confirmed", "treated", 4),
            ("back_on_track", "treated", 4),
            ("relapsed", "treated", 3),
            ("back_on_track", "held_out", 0),
            ("expired", "held_out", 0),
            ("expired", "treated", 1),
        ):
            record = {
                "outcome": outcome,
                "cause": {"kind": kind},
                "playbook": playbook,
                "arm": arm,
                "grade": grade,
                "low_grade_cause": "no_owner" if grade < 3 else None,
                "chases": int(outcome == "expired"),
                "relapses": int(outcome == "relapsed"),
                "time_to_response_s": 1_800.0,
                "time_to_recovery_s": 200_000.0 if outcome == "back_on_track" else None,
                "promise_kept": outcome != "expired",
            }
            metrics.count_output(Output(topics.OUTCOMES, "a", "i", 1, 0, record))
    metrics.count_output(Output(topics.SUPPRESSED, "a", "s", 0, 0, {"reason": "cooldown"}))
    metrics.outputs.labels(topics.INTERVENTIONS).inc(2)
    metrics.intervention_latency.observe(0.08)
    metrics.emit_duration.observe(0.004)
    metrics.checkpoint_duration.observe(0.2)
    metrics.recovery_duration.observe(3.0)
    metrics.recovery_records.inc(1_000)


def _queries() -> list[tuple[str, str]]:
    """(title, query) of every target of the committed dashboard."""
    board = json.loads(dashboard.FILE.read_text(encoding="utf-8"))
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


def _filled_in(query: str) -> str:
    # A rate over the minute holds the work for as long as the tests take.
    for name, value in {**VARIABLES, "$__rate_interval": "5m"}.items():
        query = query.replace(name, value)
    return query


@pytest.mark.parametrize(("title", "query"), _queries(), ids=[title for title, _ in _queries()])
def test_a_query_of_the_dashboard_shows_something(title: str, query: str, monitored: Monitored) -> None:
    """A result, and a number in it; its panel would otherwise stay empty for ever."""
    result = monitored.prometheus.query(_filled_in(query))
    values = [float(series["value"][1]) for series in result]
    assert values, title
    assert not all(math.isnan(value) for value in values), title


def test_a_misspelt_query_shows_nothing(monitored: Monitored) -> None:
    """Prometheus does not complain about names, so emptiness is what to look for."""
    assert monitored.prometheus.query("sum(backontrack_event_total)") == []


def test_the_figures_are_right(monitored: Monitored) -> None:
    """The shares that leads look at, from the work that was done: 4 of 6 treated ends, 2 relapses of 6 recoveries."""
    shown = dict(_queries())
    ask = monitored.prometheus.query

    def figure(title: str) -> float:
        return float(ask(_filled_in(shown[title]))[0]["value"][1])

    assert figure("Open episodes") == 5
    assert figure("Back on track") == pytest.approx(4 / 6)
    assert figure("Without chasing") == pytest.approx(1)
    assert figure("Relapsed") == pytest.approx(2 / 6)
    assert figure("Coverage") == pytest.approx(0.97)
    # Between the bucket's bounds of two and four days.
    assert 172_800 < figure("Median time to recovery") < 345_600


def test_rules_evaluate_and_see_the_silent_feed_and_the_dead_letter(monitored: Monitored) -> None:
    """The shipped rules, against the series as they are."""
    prometheus = monitored.prometheus

    def rules() -> dict[str, dict[str, str]]:
        return {rule["name"]: rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]}

    prometheus.wait(lambda: all(rule["health"] == "ok" for rule in rules().values()), "rules were not evaluated")
    for alert in ("BackOnTrackFeedSilent", "BackOnTrackDeadLetters"):
        prometheus.wait(lambda alert=alert: rules()[alert]["state"] in {"pending", "firing"}, f"{alert} was missed")
    assert rules()["BackOnTrackNoWorker"]["state"] == "inactive"
