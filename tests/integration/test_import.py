"""`backontrack import` puts history on the topics, once, as it happened."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from streams.domain.partitioner import partition_of
from streams.domain.time import format_time
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.importer import Importer, ImportFailed
from streams.shell.log_reader import LogReader
from streams.topics import CONTROL, TICKETS, USAGE
from tests.support.cli import run
from tests.support.embedded import PARTITIONS, EmbeddedBroker
from tests.support.history_files import read_history
from tests.support.kafka import RealBroker

START = 1_483_275_393_000


@pytest.fixture
def here(embedded: EmbeddedBroker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics of this test alone, and the environment that names them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", embedded.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    embedded.touch(*(prefix + topic for topic in (USAGE, TICKETS, CONTROL)))
    return Settings(bootstrap_servers=embedded.bootstrap, topic_prefix=prefix)


def _usage(folder: Path, count: int, name: str = "usage.jsonl.gz") -> Path:
    rows = [
        {"account_id": f"acc-{n % 7}", "time": format_time(START + n * 60_000), "metric": "logins", "value": n}
        for n in range(count)
    ]
    path = folder / name
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def _log(settings: Settings, topic: str) -> list[tuple[int, int, bytes, int, dict[str, Any]]]:
    """Partition, offset, key, record time and event of everything on a topic."""
    codec, reader = Codec(settings), LogReader(settings)
    found = []
    for message in reader.read(settings.topic(topic), dict.fromkeys(range(PARTITIONS), 0)):
        key, value = message.key(), message.value()
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        place = (message.partition() or 0, message.offset() or 0)
        found.append((*place, key, message.timestamp()[1], codec.decode(topic, value)))
    reader.close()
    return sorted(found, key=lambda record: record[:2])


def test_what_is_imported_is_what_was_in_the_file(here: Settings, tmp_path: Path) -> None:
    """Events, record times, keys, partitions, and the order within each partition."""
    path = _usage(tmp_path, 500)
    ended = run("import", "--usage", str(path))
    assert ended.code == 0, ended.err
    expected: dict[int, list[dict[str, Any]]] = {}
    for event in read_history(path, USAGE):
        expected.setdefault(partition_of(event["account_id"].encode(), PARTITIONS), []).append(event)
    log = _log(here, USAGE)
    assert {number: [r[4] for r in log if r[0] == number] for number in expected} == expected
    assert all(record[2].decode() == record[4]["account_id"] for record in log)
    assert all(record[3] == record[4]["occurred_at"] for record in log)


def test_until_ends_the_history_with_one_tick_a_partition(here: Settings, tmp_path: Path) -> None:
    """And only one, however often it is run."""
    arguments = ("import", "--usage", str(_usage(tmp_path, 5)), "--until", "2018-01-31", "--resume")
    assert run(*arguments).code == 0
    assert run(*arguments).code == 0
    ticks = _log(here, CONTROL)
    assert [(tick[0], tick[2], tick[3], tick[4]["kind"]) for tick in ticks] == [
        (number, b"control", 1_517_356_800_000, "tick") for number in range(PARTITIONS)
    ]


def test_an_import_that_broke_off_is_resumed_exactly(here: Settings, tmp_path: Path) -> None:
    """Nothing twice, nothing left out, wherever it broke off in each partition."""
    path = _usage(tmp_path, 300)
    events = list(read_history(path, USAGE))
    importer = Importer(here, Codec(here))
    from streams.history import HistoryFile  # noqa: PLC0415

    digest = HistoryFile(path, USAGE).scan().digest
    importer.send(USAGE, digest, events[:137], PARTITIONS, {})
    assert run("import", "--usage", str(path)).code == 1
    ended = run("import", "--usage", str(path), "--resume")
    assert ended.code == 0
    assert "163 events" in ended.err
    ids = [record[4]["event_id"] for record in _log(here, USAGE)]
    assert sorted(ids) == sorted(event["event_id"] for event in events)


def test_resuming_a_finished_import_sends_nothing(here: Settings, tmp_path: Path) -> None:
    """Also when others have written since."""
    path = _usage(tmp_path, 50)
    run("import", "--usage", str(path))
    run("import", "--usage", str(_usage(tmp_path, 20, "other.jsonl.gz")))
    assert "50 were there already" in run("import", "--usage", str(path), "--resume").err
    assert len(_log(here, USAGE)) == 70


def test_bad_rows_stop_the_import_before_anything_is_sent(here: Settings, tmp_path: Path) -> None:
    """Each with file and line."""
    path = tmp_path / "usage.csv"
    path.write_text("account_id,time,metric,value\na,2026-01-05,m,1\na,2026-01-05,m,much\nb,never,m,1\n")
    ended = run("import", "--usage", str(path))
    assert ended.code == 1
    assert f"{path}:3: value = 'much'" in ended.err
    assert f"{path}:4: occurred_at = 'never'" in ended.err
    assert _log(here, USAGE) == []


def test_bad_rows_can_be_left_out_and_are_kept_aside(here: Settings, tmp_path: Path) -> None:
    """To be mended later."""
    path = tmp_path / "usage.csv"
    path.write_text("account_id,time,metric,value\na,2026-01-05,m,1\na,2026-01-05,m,much\n")
    assert run("import", "--usage", str(path), "--skip-bad").code == 0
    assert len(_log(here, USAGE)) == 1
    line, reason, text = (tmp_path / "usage.csv.bad").read_text().rstrip("\n").split("\t")
    assert (line, "much" in reason, text) == ("3", True, "a,2026-01-05,m,much")


def test_a_dry_run_sends_nothing(here: Settings, tmp_path: Path) -> None:
    """It only checks the files."""
    ended = run("import", "--usage", str(_usage(tmp_path, 5)), "--dry-run")
    assert (ended.code, "5 events" in ended.err) == (0, True)
    assert _log(here, USAGE) == []


@pytest.mark.usefixtures("here")
def test_a_missing_topic_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Instead of being created with the wrong number of partitions."""
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", "nowhere-")
    ended = run("import", "--usage", str(_usage(tmp_path, 5)))
    assert ended.code == 1
    assert "nowhere-usage-events" in ended.err
    assert "backontrack topics create" in ended.err


@pytest.mark.usefixtures("here")
def test_wrong_use_ends_with_2(tmp_path: Path) -> None:
    """No file, a time that is none, an end before the end."""
    path = str(_usage(tmp_path, 5))
    assert run("import").code == 2
    assert run("import", "--usage", path, "--until", "soon").code == 2
    assert run("import", "--usage", path, "--until", "2016-01-01").code == 2


def test_a_broker_that_stops_answering_ends_the_import(prefix: str, tmp_path: Path) -> None:
    """What was not acknowledged is not called sent."""
    broker = EmbeddedBroker()
    broker.touch(prefix + USAGE)
    settings = Settings(bootstrap_servers=broker.bootstrap, topic_prefix=prefix, delivery_timeout=5000)
    importer = Importer(settings, Codec(settings))
    events = list(read_history(_usage(tmp_path, 5), USAGE))
    importer.send(USAGE, "d", events, PARTITIONS, {})
    broker.close()
    with pytest.raises(ImportFailed):
        importer.send(USAGE, "d", events, PARTITIONS, {})


@pytest.mark.kafka
def test_a_retention_that_would_delete_the_history_is_refused(
    real_broker: RealBroker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent, and the remedy it names works."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", real_broker.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("BACKONTRACK_APP_ID", f"{prefix}app")
    monkeypatch.setenv("BACKONTRACK_PARTITIONS", "4")
    path = _usage(tmp_path, 50)
    real_broker.create_topic(prefix + USAGE, 4, {"retention.ms": "604800000"})
    ended = run("import", "--usage", str(path))
    assert ended.code == 1
    assert f"{prefix}{USAGE}: retention.ms is " in ended.err

    check = run("topics", "check", "--json")
    assert check.code == 1
    assert {row["what"] for row in json.loads(check.out) if row["topic"] == prefix + USAGE} == {"retention.ms"}
    assert run("topics", "create", "--alter").code == 0
    assert "0 topics created" in run("topics", "create").out
    deadline = time.monotonic() + 20
    while run("topics", "check").code and time.monotonic() < deadline:
        time.sleep(0.2)
    fine = run("topics", "check")
    assert (fine.code, fine.out.strip()) == (0, "the topics are as they are needed")

    assert run("import", "--usage", str(path), "--until", "2018-01-31").code == 0
    settings = Settings(bootstrap_servers=real_broker.bootstrap, topic_prefix=prefix)
    assert len(_log(settings, USAGE)) == 50


@pytest.mark.kafka
def test_account_topics_with_different_partitions_are_told(
    real_broker: RealBroker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They could not be co-partitioned."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", real_broker.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("BACKONTRACK_APP_ID", f"{prefix}app")
    real_broker.create_topic(prefix + USAGE, 3)
    assert run("topics", "create", "--partitions", "4").code == 0
    found = [row for row in json.loads(run("topics", "check", "--json").out) if row["what"] == "partitions"]
    assert [(row["topic"], row["declared"], row["found"]) for row in found] == [(prefix + USAGE, "4", "3")]
