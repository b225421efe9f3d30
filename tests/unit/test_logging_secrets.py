"""What the libraries would log of secrets at their most talkative level."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.cli.settings import describe
from streams.logging import configure_logging
from streams.settings import Settings, SettingsError, load_settings

CANARY = "c4n4ry-s3cret"


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.mark.parametrize("name", ["aiokafka.conn", "httpx"])
@pytest.mark.parametrize("level", ["debug", "info"])
def test_loggers_that_write_whole_requests_stay_quiet(name: str, level: str) -> None:
    """With SASL PLAIN, aiokafka's hold the password; httpx's hold the address with it."""
    configure_logging(Settings(log_level=level))
    assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


SECRETS = [name for name in Settings.model_fields if name.endswith("password")]


def test_every_password_is_a_secret_setting() -> None:
    """There are three."""
    assert SECRETS == ["sasl_password", "ssl_key_password", "schema_registry_password"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_password_is_shown_neither_as_text_nor_as_json(name: str) -> None:
    """Nor by the settings themselves."""
    settings = Settings(**{name: CANARY})
    assert CANARY not in json.dumps(describe(settings))
    assert CANARY not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "line",
    [
        f"sasl_password: [{CANARY}]",
        f"sasl_password: *{CANARY}",
        f"sasl_password: !{CANARY} x",
        f"sasl_password: '{CANARY}",
        f"sasl_password: {{{CANARY}: 1}}",
        f"sasl_password: %{CANARY}",
        f"sasl_password: @{CANARY}",
        f"schema_registry: ['http://me:{CANARY}@registry']",
    ],
)
def test_a_mistake_in_the_file_does_not_show_the_password(tmp_path: Path, line: str) -> None:
    """A password may begin with what means something in YAML."""
    path = tmp_path / "settings.yaml"
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert CANARY not in str(refused.value)
    assert str(path) in str(refused.value)
