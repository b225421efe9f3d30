"""`backontrack dlq replay` on a real broker: each letter goes back once, whatever comes between."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.settings import Settings
from streams.shell.dead_letter_log import DeadLetterLog
from streams.shell.dead_letter_replay import BATCH, REPLAYED, Done, Replayer, ReplayStopped
from streams.shell.dead_letters import dead_letter
from streams.shell.frames import BadRecord
from streams.topics import DEAD_LETTERS, USAGE
from tests.integration.cluster import on_real
from tests.support.cli import run
from tests.support.kafka import RealBroker
from tests.support.records import produce
from tests.support.shell import usage

pytestmark = [pytest.mark.chaos, pytest.mark.kafka]

AT = 1_767_603_600_000
PARTITIONS = 4


@pytest.fixture
def here(real_broker: RealBroker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics of this test alone, and the environment that names them."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", real_broker.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    # Letters keep the record time of their original, which a broker's retention takes for old.
    kept = {"retention.ms": "-1"}
    real_broker.create_topic(prefix + USAGE, PARTITIONS, {**kept, "max.message.bytes": "200000"})
    real_broker.create_topic(prefix + DEAD_LETTERS, 1, {**kept, "max.message.bytes": "2000000"})
    return Settings(bootstrap_servers=real_broker.bootstrap, topic_prefix=prefix)


def _bury(settings: Settings, count: int, *, first: int = 0, value: bytes | None = None) -> None:
    """Dead letters of originals that are on the topic, spread over its partitions."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "message.max.bytes": 2_000_000})
    for number in range(first, first + count):
        partition, offset = number % PARTITIONS, number // PARTITIONS
        key = f"a{number}".encode()
        record = SimpleNamespace(
            topic=settings.topic(USAGE), partition=partition, offset=offset, key=key, value=value or key, headers=()
        )
        letter = dead_letter(record, BadRecord("unknown_schema", "as the test says"), AT)
        headers: list[tuple[str, str | bytes | None]] = list(letter.all_headers())
        producer.produce(
            settings.topic(DEAD_LETTERS), letter.value, letter.key, 0, _stored, timestamp=AT, headers=headers
        )
    assert producer.flush(120) == 0


def _stored(error: object, _message: object) -> None:
    assert error is None, error


def _originals(settings: Settings, count: int) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for number in range(count):
        producer.produce(settings.topic(USAGE), b"damaged", f"a{number}".encode(), number % PARTITIONS)
    assert producer.flush(30) == 0


def _back(settings: Settings) -> Counter[str]:
    """How often each original was put back, as a reader of committed records sees it."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": "reader",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(settings.topic(USAGE), partition, 0) for partition in range(PARTITIONS)])
    found: Counter[str] = Counter()
    ends, deadline = 0, time.monotonic() + 60
    while ends < PARTITIONS:
        assert time.monotonic() < deadline
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error() is not None:
            ends += 1
            continue
        headers: Any = message.headers() or ()
        found.update(value.decode() for name, value in headers if name == REPLAYED)
    consumer.close()
    return found


def _log(settings: Settings) -> Iterator[Any]:
    log = DeadLetterLog(settings)
    try:
        yield from log.replay(lambda _: True)
    finally:
        log.close()


def test_thousands_go_back_in_seconds_and_once(here: Settings) -> None:
    """One look at the target and one producer for all of them."""
    _originals(here, 3_000)
    _bury(here, 3_000)
    began = time.monotonic()
    assert run("dlq", "replay", "--all").out.strip() == "3000 of 3000 put back"
    took = time.monotonic() - began
    assert set(_back(here).values()) == {1}
    assert len(_back(here)) == 3_000
    assert took < 300, "a look and a producer for each would take a second each"
    assert run("dlq", "replay", "--all").out.strip() == "0 of 3000 put back"
    assert sum(_back(here).values()) == 3_000


def test_a_run_that_is_broken_off_is_finished_by_the_next(here: Settings) -> None:
    """Its last batch is on the topic, not committed: the next run takes it back before it looks."""
    _originals(here, BATCH + 300)
    _bury(here, BATCH + 300)
    results = _log(here)
    assert {result.done for result in islice(results, BATCH)} == {Done.PUT}
    # Between sending the next batch and its commit: what a killed process leaves behind.
    replayer = Replayer(here)
    producer = replayer._producer
    assert producer is not None
    producer.begin_transaction()
    for number in range(BATCH, BATCH + 100):
        origin = f"{here.topic(USAGE)}/{number % PARTITIONS}/{number // PARTITIONS}"
        producer.produce(here.topic(USAGE), b"x", b"x", number % PARTITIONS, headers=[(REPLAYED, origin)])
    producer.flush(10)
    ended = run("dlq", "replay", "--all")
    assert ended.out.strip() == f"300 of {BATCH + 300} put back", ended.err
    found = _back(here)
    assert (len(found), set(found.values())) == (BATCH + 300, {1})


def test_of_two_runs_at_once_the_older_one_is_fenced_off(here: Settings) -> None:
    """It stops with a message, and nothing is there twice."""
    _originals(here, 2 * BATCH)
    _bury(here, 2 * BATCH)
    older = _log(here)
    assert next(older).done is Done.PUT
    newer = run("dlq", "replay", "--all")
    assert newer.out.strip() == f"{BATCH} of {2 * BATCH} put back", newer.err
    with pytest.raises(ReplayStopped, match="another replay"):
        list(older)
    found = _back(here)
    assert (len(found), set(found.values())) == (2 * BATCH, {1})


def test_a_second_letter_of_the_same_record_is_left_alone(here: Settings) -> None:
    """Letters are written at least once; the record goes back once."""
    _originals(here, 5)
    _bury(here, 5)
    _bury(here, 5)
    assert run("dlq", "replay", "--all").out.strip() == "5 of 10 put back"
    assert set(_back(here).values()) == {1}


def test_letters_of_a_topic_made_anew_are_not_taken_for_those_before(here: Settings, real_broker: RealBroker) -> None:
    """What counts is where the record was, not where its letter lies."""
    _originals(here, 8)
    _bury(here, 4)
    assert run("dlq", "replay", "--all").out.strip() == "4 of 4 put back"
    name = here.topic(DEAD_LETTERS)
    real_broker.admin.delete_topics([name])[name].result(30)
    deadline = time.monotonic() + 30
    while True:
        try:
            real_broker.create_topic(name, 1, {"retention.ms": "-1"})
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    _bury(here, 4, first=4)
    assert run("dlq", "replay", "--all").out.strip() == "4 of 4 put back"
    assert len(_back(here)) == 8


def test_what_cannot_go_back_does_not_keep_the_others(here: Settings) -> None:
    """One is larger than the topic takes: it is told at the end, with exit code 1."""
    _originals(here, 20)
    _bury(here, 10)
    _bury(here, 1, first=10, value=b"x" * 500_000)
    _bury(here, 9, first=11)
    ended = run("dlq", "replay", "--all")
    assert ended.code == 1
    assert ended.out.strip() == "19 of 20 put back"
    assert "0/10: not stored: " in ended.err
    assert len(_back(here)) == 19


def test_json_tells_of_each_letter(here: Settings) -> None:
    """One object a line, and nothing else on stdout."""
    _originals(here, 2)
    _bury(here, 2)
    ended = run("dlq", "replay", "0", "7", "--json")
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [(one["id"], one["done"]) for one in found] == [("0/0", "put"), ("0/7", "refused")]
    assert found[0]["target"] == {"topic": here.topic(USAGE), "partition": 0}
    assert (ended.code, "no such dead letter" in ended.err) == (1, True)


def test_behind_an_open_transaction_nothing_is_put_back(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides whether a letter went back before; the others go."""
    monkeypatch.setattr("streams.shell.dead_letter_replay._TRANSACTION_MS", 2_000)
    _originals(here, 8)
    _bury(here, 8)
    other = Producer({"bootstrap.servers": here.bootstrap_servers, "transactional.id": here.topic("upstream")})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(here.topic(USAGE), b"x", b"x", 1)
    other.flush(10)
    ended = run("dlq", "replay", "--all")
    assert (ended.code, ended.out.strip()) == (1, "6 of 8 put back")
    assert "open on" in ended.err
    other.commit_transaction(30)
    assert run("dlq", "replay", "--all").out.strip() == "2 of 8 put back"
    assert set(_back(here).values()) == {1}


def test_a_worker_applies_what_was_put_back_and_is_not_taken_for_stuck(
    real_broker: RealBroker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind it lies the marker of a transaction, which is no record that waits."""
    cluster = on_real(real_broker, prefix, tmp_path)
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", cluster.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    event = usage(0, at=int(time.time() * 1000))
    produce(cluster.bootstrap, prefix + USAGE, event.value or b"", key=b"somebody-else")
    mended = tmp_path / "mended.json"
    with cluster.worker(stall_timeout="5s") as worker:
        worker.until(
            lambda: worker.metric("backontrack_dead_letters_total", reason="key_mismatch") == 1, "the dead letter"
        )
        worker.until(lambda: "0 dead" not in run("dlq", "list").out, "the dead letter on its topic")
        mended.write_text(json.dumps(json.loads(run("dlq", "show", "0", "--json").out)["record"]))
        assert run("dlq", "replay", "0", "--file", str(mended)).out.strip() == "1 of 1 put back"
        worker.until(lambda: worker.metric("backontrack_events_total", outcome="applied", topic=USAGE) == 1, "applied")
        worker.until(lambda: worker.metric("backontrack_consumer_lag_records") == 0, "no lag is left")
        ends = time.monotonic() + 15
        while time.monotonic() < ends:
            assert worker.probe("/livez")[0] == 200
            time.sleep(0.5)
        assert worker.stop() == 0
