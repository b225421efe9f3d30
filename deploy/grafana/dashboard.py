"""Builds the Grafana dashboard from `panels.py`.

`python -m deploy.grafana.dashboard` writes `dashboards/backontrack.json`, which Grafana is provisioned with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    IntervalVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode, VariableOption, VariableRefresh

from deploy.grafana.panels import ROWS, Form, Panel
from streams.metrics import StateCollector

FILE = Path(__file__).parent / "dashboards" / "backontrack.json"
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_STAT_HEIGHT, _CHART_HEIGHT = 4, 8
Builder = Any
"""A panel builder of the SDK; they share their methods but no base class."""


def _stat(_: Panel) -> Builder:
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"])
    return (
        stat.Panel()
        .reduce_options(reduce)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .height(_STAT_HEIGHT)
    )


def _lines(_: Panel) -> Builder:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    legend = legend.show_legend(True)  # noqa: FBT003  the SDK's own signature
    return timeseries.Panel().legend(legend).tooltip(tooltip).min(0).height(_CHART_HEIGHT)


def _stack(panel: Panel) -> Builder:
    return _lines(panel).stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(40)


def _bars(panel: Panel) -> Builder:
    return _stack(panel).draw_style(GraphDrawStyle.BARS).fill_opacity(80)


def _ranking(panel: Panel) -> Builder:
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"])
    builder = bargauge.Panel().reduce_options(reduce).orientation(VizOrientation.HORIZONTAL).min(0)
    if panel.unit == "percentunit":
        builder = builder.max(1)
    return builder.display_mode(BarGaugeDisplayMode.BASIC).height(_CHART_HEIGHT)


_FORMS: dict[Form, Callable[[Panel], Builder]] = {
    "stat": _stat,
    "lines": _lines,
    "stack": _stack,
    "bars": _bars,
    "ranking": _ranking,
}


def _build_panel(number: int, panel: Panel) -> Builder:
    builder = _FORMS[panel.form](panel).id(number).title(panel.title).description(panel.question)
    builder = builder.unit(panel.unit).datasource(DATASOURCE).span(panel.span)
    if panel.steps:
        steps = [Threshold(value=value, color=color) for value, color in panel.steps]
        builder = builder.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    elif panel.form in {"stat", "ranking"}:
        builder = builder.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(color="blue")]))
    for reference, (expression, legend) in zip("ABCDEF", panel.queries, strict=False):
        query = Dataquery().ref_id(reference).expr(expression).datasource(DATASOURCE)
        query = query.instant() if panel.form in {"stat", "ranking"} else query.range()
        builder = builder.with_target(query.legend_format(legend) if legend else query)
    return builder


def build() -> str:
    """The dashboard as JSON text, the same in every run."""
    kinds = f"label_values({StateCollector.open_episodes.name}, kind)"
    board = (
        Dashboard("Back on Track")
        .uid("backontrack")
        .description("Are customers getting back on track, and does the machinery that sees to it run well?")
        .tags(["backontrack"])
        .timezone("browser")
        .refresh("30s")
        .time("now-24h", "now")
        .readonly()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            QueryVariable("kind")
            .label("Kind of drop")
            .datasource(DATASOURCE)
            .query(kinds)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)  # noqa: FBT003  the SDK's own signature
            .include_all(True)  # noqa: FBT003
            .all_value(".*")
            .current(VariableOption(text="All", value="$__all"))
        )
        .with_variable(
            IntervalVariable("window")
            .label("Window")
            .values("15m,1h,6h,1d,7d")
            .current(VariableOption(text="1h", value="1h"))
        )
    )
    number = 0
    for title, panels in ROWS:
        board = board.with_row(Row(title))
        for panel in panels:
            number += 1
            board = board.with_panel(_build_panel(number, panel))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(build(), encoding="utf-8")
