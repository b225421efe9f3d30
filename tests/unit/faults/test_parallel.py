"""Runs at the same time, in processes of their own."""

from __future__ import annotations

from tests.faults.parallel import in_parallel


def test_run_that_leaves_no_report_has_failed_and_says_what_it_said() -> None:
    (run,) = in_parallel([("--row=99", "--tier=E", "--variant=", "--seed=4")], 2)
    assert (run.row, run.tier, run.seed, run.passed) == (99, "E", 4, False)
    assert "there is no row 99" in run.error
