"""Reading PromQL: what series and labels a query names, and whether the product exposes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import promql_parser

from streams.metrics import Metrics, StateCollector, definitions

# Labels that Prometheus adds to every series, and series that come from Prometheus or the operating system.
SCRAPED = {"job", "instance"}
FOREIGN = {"up", "process_resident_memory_bytes", "process_start_time_seconds"}
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "1h",
    "$window": "1h",
    "$kind": ".*",
}


def exposed() -> dict[str, set[str]]:
    """Labels by name of every series that the product exposes."""
    series: dict[str, set[str]] = {name: set() for name in FOREIGN}
    for metric in (*definitions(Metrics).values(), *definitions(StateCollector).values()):
        labels = set(metric.labels)
        if metric.kind == "histogram":
            series[f"{metric.name}_bucket"] = labels | {"le"}
            series[f"{metric.name}_count"] = series[f"{metric.name}_sum"] = labels
        else:
            series[metric.name] = labels
    return series


def without_variables(expression: str) -> str:
    """The query with the dashboard's variables filled in. Raises ValueError when one is not declared."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    if "$" in expression:
        raise ValueError(f"undeclared variable in {expression}")
    return expression


@dataclass
class Named:
    """What a query names: labels matched, by series, and labels grouped by or joined on."""

    matched: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)


def read(expression: str) -> Named:
    """Parses a query, types included. Raises ValueError when it is wrong."""
    named = Named()

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            matchers = {matcher.name for matcher in node.matchers.matchers}
            named.matched.setdefault(node.name or "", set()).update(matchers)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            named.grouped |= set(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None and node.modifier.matching:
            named.grouped |= set(node.modifier.matching.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return named


def mistakes(expression: str, legend: str = "") -> Iterator[str]:
    """What is wrong with a query: syntax, types, series and labels that do not exist, legends that stay empty."""
    try:
        named = read(without_variables(expression))
    except ValueError as error:
        yield f"{expression}: {error}"
        return
    known = exposed()
    labels: set[str] = set()
    for name, matched in named.matched.items():
        if name not in known:
            yield f"{expression}: nothing exposes {name!r}"
            continue
        labels |= known[name] | SCRAPED
        yield from (f"{expression}: {name} has no label {label!r}" for label in matched - known[name] - SCRAPED)
    yield from (f"{expression}: no series in it has a label {label!r}" for label in named.grouped - labels)
    shown = set(re.findall(r"{{(\w+)}}", legend))
    if named.grouped - {"le"}:
        yield from (f"{expression}: the legend shows {label!r}" for label in shown - named.grouped)
