"""The scoring of the detectors: it finds its program, or says what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from streams.policy.load import load_policy
from streams.policy.signals import metric_policy
from tests.bench.detection import __main__ as bench


def test_scoring_program_lies_beside_the_data(tmp_path: Path) -> None:
    program = tmp_path / "scoring" / "score.py"
    program.parent.mkdir()
    program.touch()
    assert bench.scoring_program(tmp_path / "data") == program


@pytest.mark.parametrize("data", [None, Path("nowhere") / "data"])
def test_missing_data_or_program_are_told(data: Path | None) -> None:
    with pytest.raises(bench.Missing, match=r"no evaluation data|no scoring program"):
        bench.scoring_program(data)


def test_without_data_the_bench_says_so_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKONTRACK_DATA", str(tmp_path / "nowhere"))
    assert bench.main(["nab"]) == 0
    assert "not scored: no evaluation data" in capsys.readouterr().err


def test_what_follows_two_dashes_goes_to_the_scoring_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is run once a set with the command of this environment, and its exit code is told."""
    (tmp_path / "data").mkdir()
    program = tmp_path / "scoring" / "score.py"
    program.parent.mkdir()
    program.write_text("import sys\nprint(*sys.argv[1:])\nsys.exit(3)\n", encoding="utf-8")
    monkeypatch.setenv("BACKONTRACK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(bench, "numpy_python", lambda _environment: Path(sys.executable))
    assert bench.main(["nab", "tcpd", "--", "--disguise", "7"]) == 3
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["nab", "tcpd"]
    assert all(line.endswith("--disguise 7") and "backontrack backtest" in line for line in lines)


@pytest.mark.parametrize("path", sorted((bench.HERE / "policies").glob("*.yaml")), ids=lambda path: path.stem)
def test_policies_say_only_what_a_user_would_say_of_the_metric(path: Path) -> None:
    """A level that matters in both directions; nothing else differs from the shipped policy."""
    text = path.read_text(encoding="utf-8")
    rules = metric_policy(load_policy(text, path.name).metrics, "value")
    assert (rules.kind, rules.watch) == ("level", "both")
    assert set(yaml.safe_load(text)) == {"extends", "version", "metrics"}


def test_lock_has_a_hash_for_every_file() -> None:
    lines = bench.LOCK.read_text(encoding="utf-8").splitlines()
    assert sum("==" in line for line in lines) == 1
    assert all("--hash=sha256:" in line for line in lines if "==" not in line)
