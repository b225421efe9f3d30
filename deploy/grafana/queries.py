"""The forms of PromQL that the dashboard uses, over metric definitions: a renamed metric renames its queries.

Everything is summed over workers. `$window`, `$kind` and `$datasource` are variables of the dashboard.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from streams.metrics import Metric


def now(metric: Metric[Gauge], by: str = "", where: str = "", how: str = "sum") -> str:
    """The gauge now, aggregated over workers."""
    return f"{how}{_by(by)} ({metric.name}{{{where}}})"


def increase(metric: Metric[Counter], by: str = "", where: str = "", window: str = "$window") -> str:
    """What was counted within the window, over all workers."""
    return f"sum{_by(by)} (increase({metric.name}{{{where}}}[{window}]))"


def rate(metric: Metric[Counter], by: str = "", where: str = "") -> str:
    """Events a second, over all workers."""
    return f"sum{_by(by)} (rate({metric.name}{{{where}}}[$__rate_interval]))"


def quantile(q: float, metric: Metric[Histogram], where: str = "", window: str = "$__rate_interval") -> str:
    """The quantile of what was observed within the window, over all workers."""
    return f"histogram_quantile({q}, sum by (le) (rate({metric.name}_bucket{{{where}}}[{window}])))"


def share(part: str, whole: str) -> str:
    """Part of whole. No value, rather than NaN, when the whole is nothing."""
    return f"{part} / ({whole} > 0)"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
