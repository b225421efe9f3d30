"""`backontrack settings` shows all of them and no secret."""

import json

import pytest

from streams.cli.settings import describe, masked
from streams.settings import PREFIX, Settings
from tests.support.cli import run


def test_every_setting_is_described() -> None:
    """Variable, type, default, value and meaning."""
    rows = {row["variable"]: row for row in describe(Settings(partitions=3))}
    assert set(rows) == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert all(row["meaning"] and row["type"] for row in rows.values())
    assert rows["BACKONTRACK_PARTITIONS"] == {
        "variable": "BACKONTRACK_PARTITIONS",
        "type": "whole number",
        "default": 8,
        "now": 3,
        "meaning": Settings.model_fields["partitions"].description,
    }


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("schema_registry", "https://user:secret@registry:8081/x", "https://***@registry:8081/x"),
        ("schema_registry", "https://registry:8081", "https://registry:8081"),
        ("sasl_password", "secret", "***"),
        ("sasl_password", "", ""),
        ("partitions", 8, 8),
    ],
)
def test_secrets_are_masked(name: str, value: object, shown: object) -> None:
    """In URLs and in settings that are secrets themselves."""
    assert masked(name, value) == shown


def test_json_shows_what_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations in ms."""
    monkeypatch.setenv("BACKONTRACK_EMIT_INTERVAL", "2s")
    monkeypatch.setenv("BACKONTRACK_SCHEMA_REGISTRY", "http://me:secret@registry")
    ended = run("settings", "--json")
    rows = {row["variable"]: row["now"] for row in json.loads(ended.out)}
    assert rows["BACKONTRACK_EMIT_INTERVAL"] == 2000
    assert "secret" not in ended.out
