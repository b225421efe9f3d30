"""Runs at the same time, in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.parallel import in_parallel


def test_run_that_leaves_no_report_has_failed_and_says_what_it_said() -> None:
    (run,) = in_parallel([("--row=99", "--tier=E", "--variant=", "--seed=4")], 2)
    assert (run.row, run.tier, run.seed, run.passed) == (99, "E", 4, False)
    assert "there is no row 99" in run.error


def test_child_starts_no_children_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would for a row of several forms, and each of them again, without end."""
    told, python = tmp_path / "told", tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" > {told}\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    list(in_parallel([("--row=21", "--tier=1", "--variant=", "--seed=1")], 3))
    assert "--jobs=1" in told.read_text(encoding="utf-8").split()
