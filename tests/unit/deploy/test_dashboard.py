"""The dashboard is current, its queries are right, and it names only what the workers expose."""

import json
from typing import Any

import pytest

from deploy.grafana import dashboard
from deploy.grafana.panels import ROWS, Panel
from streams.metrics import Metrics, StateCollector, definitions
from tests.unit.deploy.promql import FOREIGN, VARIABLES, mistakes, read, without_variables

PANELS = [panel for _, panels in ROWS for panel in panels]


def _board() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(dashboard.build())
    return loaded


def test_the_committed_file_is_current() -> None:
    """After a change of panels or metrics, `python -m deploy.grafana.dashboard` has been run."""
    assert dashboard.build() == dashboard.FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_queries_parse_and_name_what_exists(panel: Panel) -> None:
    """Syntax, types, metrics, labels and legends."""
    assert [mistake for query, legend in panel.queries for mistake in mistakes(query, legend)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "sum(backontrack_event_total)",
        "sum by (reson) (backontrack_interventions_suppressed_total)",
        'backontrack_events_total{account_id="a"}',
        "rate(backontrack_events_total)",
        "increase(backontrack_events_total[$windo])",
    ],
)
def test_a_wrong_query_is_found(wrong: str) -> None:
    """The check can fail: misspelt metric, misspelt label, unknown matcher, wrong type, undeclared variable."""
    assert list(mistakes(wrong)) != []


def test_every_metric_is_shown_or_left_out_on_purpose() -> None:
    """A new metric gets a panel, or a reason here."""
    shown = {
        name.removesuffix("_bucket")
        for panel in PANELS
        for query, _ in panel.queries
        for name in read(without_variables(query)).matched
    }
    left_out = {
        Metrics.feed_silences.name,  # the gauge beside it is what is looked at
    }
    exposed = {metric.name for holder in (Metrics, StateCollector) for metric in definitions(holder).values()}
    assert shown == exposed - left_out | FOREIGN


def test_variables_of_the_queries_are_declared() -> None:
    """What the check of queries fills in is what the dashboard declares, beside Grafana's own."""
    declared = {f"${variable['name']}" for variable in _board()["templating"]["list"]} - {"$datasource"}
    assert declared == {name for name in VARIABLES if not name.startswith("$__")}


def test_panels_have_ids_and_do_not_overlap() -> None:
    """Links and alerts keep pointing to the same panel, and each has its place on the 24 columns."""
    panels = [panel for panel in _board()["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_queries_have_references_and_the_chosen_data_source() -> None:
    """A panel without either shows nothing, or another data source's numbers."""
    for panel in _board()["panels"]:
        if panel["type"] != "row":
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
