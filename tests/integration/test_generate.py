"""`backontrack generate`: what it says it sent is what lies on the broker, or in the files."""

import json
from collections import Counter
from pathlib import Path

import pytest

from streams import topics
from streams.cli.main import main
from streams.settings import Settings
from streams.shell.codec import Codec
from tests.support.embedded import EmbeddedBroker
from tests.support.history_files import read_history
from tests.support.records import read

_FILES = {
    topics.USAGE: "usage",
    topics.SENTIMENT: "sentiment",
    topics.TICKETS: "tickets",
    topics.ACCOUNTS: "accounts",
}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["generate", "--accounts", "20", "--days", "14", *arguments])
    return int(ended.value.code or 0)


def ledger(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_files_hold_what_the_ledger_says_and_can_be_read_as_history(tmp_path: Path) -> None:
    assert run("--out", str(tmp_path)) == 0
    lines = ledger(tmp_path / "ledger.jsonl")
    assert lines[0]["entry"] == "run"
    found = {topic: len(list(read_history(tmp_path / f"{name}.jsonl.gz", topic))) for topic, name in _FILES.items()}
    assert found == lines[-1]["events"]


def test_the_same_options_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("--out", str(tmp_path / name))
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_events_on_the_broker_have_key_and_record_time_of_the_event(
    embedded: EmbeddedBroker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(bootstrap_servers=embedded.bootstrap, topic_prefix=prefix, app_id=f"{prefix}app")
    embedded.touch(*(settings.topic(name) for name in topics.BY_NAME), topics.changelog(settings.app_id))
    for name in ("bootstrap_servers", "topic_prefix", "app_id"):
        monkeypatch.setenv(f"BACKONTRACK_{name.upper()}", getattr(settings, name))
    assert run("--ledger", str(tmp_path / "ledger.jsonl")) == 0
    sent = Counter(ledger(tmp_path / "ledger.jsonl")[-1]["events"])
    codec = Codec(settings)
    for topic in _FILES:
        records = read(embedded.bootstrap, settings.topic(topic), sent[topic])
        assert len(records) == sent[topic] > 0
        for record in records:
            event = codec.decode(topic, record.value())
            assert (record.key() or b"").decode() == event["account_id"]
            # Only a late usage report has a record time after its event time.
            assert 0 <= record.timestamp()[1] - event["occurred_at"] < (9 * 3_600_000 if topic == topics.USAGE else 1)


def test_missing_topics_are_refused_before_anything_is_sent(
    embedded: EmbeddedBroker,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", embedded.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    assert run("--ledger", str(tmp_path / "ledger.jsonl")) == 1
    assert "topics create" in capsys.readouterr().err
    assert not (tmp_path / "ledger.jsonl").exists()
