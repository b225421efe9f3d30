"""The measurements run: what nobody runs for months must not have rotted."""

from streams.policy.load import default_policy
from tests.bench import codec, fold
from tests.bench.workload import Workload


def test_a_workload_is_the_same_in_every_run() -> None:
    """Rounds and versions are compared on equal input."""
    assert list(Workload(200, 20)) == list(Workload(200, 20))


def test_a_workload_uses_metrics_of_the_shipped_policy() -> None:
    """Else the fold would pass its events through unmeasured."""
    Workload(1, 1).check(default_policy())


def test_the_fold_is_measured() -> None:
    """Small, but with closed periods and timers that fired."""
    report = fold.bench(400, (10,), (20,))
    timers = report.rows[0]["timers_per_event"]
    assert isinstance(timers, float)
    assert timers > 0


def test_the_codec_is_measured_on_what_it_reads_back() -> None:
    """`codec.bench` refuses to time a codec that loses something."""
    rows = codec.bench(200, 10, 1).rows
    assert [row["what"] for row in rows][:2] == ["usage event, decode", "usage event, encode"]
