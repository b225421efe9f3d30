"""Settings from environment and file: a mistake is refused with the place where it stands."""

from pathlib import Path

import pytest

from streams.settings import SettingsError, load_settings


def _refusal(path: Path, text: bytes) -> str:
    path.write_bytes(text)
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"clock: events\npartitionz: 3\n", "line 2: partitionz: there is no such setting. Did you mean partitions?"),
        (b"clock: events\npartitions: many\n", "line 2: partitions = 'many': Input should be a valid integer"),
        (b"clock: events\nemit_interval: 5 parsecs\n", "line 2: emit_interval = '5 parsecs': '5 parsecs' is not a"),
        (b"clock: events\nclock: wall\n", "line 2: clock: stands twice, first on line 1"),
        (b"clock: events\n  x: [\n", "line 2: YAML: mapping values are not allowed"),
        (b"clock: events\napp_id: \xff\n", "line 2: is not UTF-8 text"),
        (b"[clock]: events\n", "line 1: "),
        (b"- clock\n", "line 1: must be"),
    ],
    ids=["misspelt", "wrong value", "wrong duration", "twice", "syntax", "encoding", "key that is no text", "list"],
)
def test_a_mistake_in_the_file_is_refused_with_its_line(tmp_path: Path, text: bytes, reason: str) -> None:
    """File, line, reason."""
    path = tmp_path / "settings.yaml"
    assert _refusal(path, text).startswith(f"{path}: {reason}")


def test_a_misspelt_variable_is_refused_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is to be written."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVER", "kafka:9092")
    with pytest.raises(SettingsError, match=r"Did you mean BACKONTRACK_BOOTSTRAP_SERVERS\?"):
        load_settings()


def test_a_wrong_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a line of a file."""
    monkeypatch.setenv("BACKONTRACK_EMIT_INTERVAL", "50")
    with pytest.raises(SettingsError, match=r"^BACKONTRACK_EMIT_INTERVAL = '50': '50' is not a duration"):
        load_settings()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what the command line says wins over both."""
    path = tmp_path / "settings.yaml"
    path.write_text("partitions: 3\nboard_port: 81\nclock: events\n")
    monkeypatch.setenv("BACKONTRACK_PARTITIONS", "4")
    found = load_settings(path, clock="wall")
    assert (found.partitions, found.board_port, found.clock) == (4, 81, "wall")
