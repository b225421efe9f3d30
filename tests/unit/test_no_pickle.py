"""Records are data: nothing of the product reads or writes pickle, or lets Faust do so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from faust.serializers import codecs

from streams.settings import Settings
from streams.shell.app import create_app

SOURCES = sorted((Path(__file__).parents[2] / "streams").rglob("*.py"))
FORBIDDEN = {"pickle", "_pickle", "cPickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


def test_no_module_imports_pickle_or_its_kin() -> None:
    """By their syntax trees, at any depth."""
    assert len(SOURCES) > 100
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found += [f"{path.name}: {name}" for name in names if name.partition(".")[0] in FORBIDDEN]
    assert found == []


def test_the_worker_app_uses_no_codec_but_raw_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust registers one that runs what it reads; it is never asked for."""

    def refuse(*_: object) -> None:
        raise AssertionError("pickle was used")

    monkeypatch.setattr(codecs.raw_pickle, "_loads", refuse)
    monkeypatch.setattr(codecs.raw_pickle, "_dumps", refuse)
    app = create_app(Settings(), host=None)  # type: ignore[arg-type]  # not asked before it starts
    channel = app.slices("x")
    assert not codecs.uses_unsafe_pickle(channel.key_serializer)
    assert not codecs.uses_unsafe_pickle(channel.value_serializer)
    for serializer in (app.conf.key_serializer, app.conf.value_serializer):
        assert not codecs.uses_unsafe_pickle(serializer)


def test_faust_serves_no_web_and_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever variables of its own say."""
    for prefix in ("", "FAUST_", "BACKONTRACK_FAUST_", "APP_FAUST_"):
        monkeypatch.setenv(f"{prefix}WEB_ENABLED", "1")
        monkeypatch.setenv(f"{prefix}BROKER_URL", "kafka://elsewhere:1")
    monkeypatch.setenv("APP_ENV_PREFIX", "FAUST_")
    app = create_app(Settings(app_id="app"), host=None)  # type: ignore[arg-type]  # as above
    assert not app.conf.web_enabled
    assert [url.host for url in app.conf.broker] == ["127.0.0.1"]
