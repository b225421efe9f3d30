"""The command line as a whole: what it lists, how it ends, what it says when it cannot go on."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from streams.cli.main import COMMANDS, main


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    out = capsys.readouterr()
    return (code if isinstance(code, int) else 0), out.out, out.err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """In one page."""
    code, out, _ = _run(capsys, "--help")
    assert code == 0
    assert [command.name for command in COMMANDS if command.name not in out] == []


def test_help_imports_neither_faust_nor_kafka() -> None:
    """It answers at once."""
    program = (
        "import sys\nfrom streams.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n"
        "    sys.exit(any(name in sys.modules for name in ('faust', 'confluent_kafka', 'pydantic', 'fastavro')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_exists(command: tuple[str, str, str, str]) -> None:
    """Under the path by which it is imported."""
    module, _, attribute = command[1].partition(":")
    assert getattr(import_module(module), attribute)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_help_with_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Or sub-commands that have."""
    code, out, _ = _run(capsys, command, "--help")
    assert code == 0
    assert f"backontrack {command}" in out
    assert "Examples" in out or "COMMAND" in out
    assert "--install-completion" not in out, "that belongs to the program as a whole"


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the installed distribution."""
    code, out, _ = _run(capsys, "--version")
    assert (code, out.split()[0]) == (0, "backontrack")


@pytest.mark.parametrize("arguments", [["tpics"], ["topics", "destroy"], ["topics", "check", "--colour"], []])
def test_wrong_use_ends_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Apart from failing, which ends with 1."""
    code, _, _ = _run(capsys, *arguments)
    assert code == 2


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest one."""
    _, _, err = _run(capsys, "tpics")
    assert "topics" in err


def test_a_misspelt_setting_is_one_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a traceback."""
    monkeypatch.setenv("BACKONTRACK_PARTITONS", "3")
    code, _, err = _run(capsys, "settings")
    assert code == 1
    assert err.startswith("error: BACKONTRACK_PARTITONS")
    assert "Traceback" not in err


def test_an_unreachable_broker_is_one_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the address and the setting."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr("streams.shell.admin.TIMEOUT_S", 1.0)
    code, _, err = _run(capsys, "topics", "check")
    assert code == 1
    assert "127.0.0.1:1" in err
    assert "BACKONTRACK_BOOTSTRAP_SERVERS" in err


def test_config_names_a_settings_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the command, and for what it starts."""
    monkeypatch.setenv("BACKONTRACK_CONFIG", "")
    config = tmp_path / "settings.yaml"
    config.write_text("partitions: 23\n")
    code, out, _ = _run(capsys, "--config", str(config), "settings")
    assert code == 0
    assert "BACKONTRACK_PARTITIONS = 23" in out


def test_a_place_that_cannot_be_written_to_is_one_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "usage.csv").write_text("account_id,time,metric,value\nacme,2026-01-01,logins,3\n")
    code, _, err = _run(capsys, "backtest", "--usage", "usage.csv", "--episodes", "nowhere/episodes.csv")
    assert (code, err.strip().splitlines()[-1]) == (1, "error: nowhere/episodes.csv: No such file or directory")


@pytest.mark.parametrize("text", [None, b"version: \xff"], ids=["missing", "not UTF-8"])
@pytest.mark.parametrize("command", [["worker"], ["backtest", "--usage", "usage.csv"]], ids=["worker", "backtest"])
def test_a_policy_that_cannot_be_read_is_one_message(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    text: bytes | None,
) -> None:
    """It names the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "usage.csv").write_text("account_id,time,metric,value\nacme,2026-01-01,logins,3\n")
    policy = tmp_path / "policy.yaml"
    if text is not None:
        policy.write_bytes(text)
    monkeypatch.setenv("BACKONTRACK_POLICY", str(policy))
    code, _, err = _run(capsys, *command)
    assert code == 1
    assert str(policy) in err
    assert "Traceback" not in err
