"""`backontrack dlq`: what was dead-lettered is found, understood and put back."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.domain.partitioner import partition_of
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.dead_letter_replay import REPLAYED
from streams.shell.dead_letters import dead_letter
from streams.shell.frames import BadRecord
from streams.shell.log_reader import LogReader
from streams.topics import DEAD_LETTERS, USAGE
from tests.support.cli import run
from tests.support.embedded import PARTITIONS, EmbeddedBroker

AT = 1_767_603_600_000
EVENT: dict[str, Any] = {
    "event_id": "u-1",
    "account_id": "acme",
    "occurred_at": AT,
    "metric": "logins",
    "value": 3.5,
    "unit": "",
    "source": "",
    "cohort": None,
    "traceparent": None,
}


@pytest.fixture
def here(embedded: EmbeddedBroker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics of this test alone, and the environment that names them."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", embedded.bootstrap)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", prefix)
    embedded.touch(prefix + USAGE, prefix + DEAD_LETTERS)
    return Settings(bootstrap_servers=embedded.bootstrap, topic_prefix=prefix)


HEADERS = (("trace", b"t-1"), ("hop", b"1"), ("hop", b"2"), ("empty", None))


def _bury(
    settings: Settings,
    key: bytes | None,
    value: bytes | None,
    reason: str,
    offset: int = 0,
    headers: tuple[tuple[str, bytes | None], ...] = HEADERS,
) -> None:
    """Writes a dead letter as a worker does."""
    record = SimpleNamespace(
        topic=settings.topic(USAGE),
        partition=partition_of(b"acme", PARTITIONS),
        offset=offset,
        key=key,
        value=value,
        headers=headers,
    )
    letter = dead_letter(record, BadRecord(reason, "as the test says"), AT)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "message.max.bytes": 2_000_000})
    whole: list[tuple[str, str | bytes | None]] = list(letter.all_headers())
    producer.produce(settings.topic(DEAD_LETTERS), letter.value, letter.key, 0, timestamp=AT, headers=whole)
    assert producer.flush(10) == 0


def _usage(settings: Settings) -> list[tuple[int | None, Any, Any, int, list[Any]]]:
    reader = LogReader(settings)
    found = [
        (m.partition(), m.key(), m.value(), m.timestamp()[1], m.headers() or [])
        for m in reader.read(settings.topic(USAGE), dict.fromkeys(range(PARTITIONS), 0))
    ]
    reader.close()
    return found


def test_an_empty_list_says_so(here: Settings) -> None:
    """And is no error."""
    del here
    ended = run("dlq", "list")
    assert (ended.code, ended.out.strip()) == (0, "0 dead letters")


def test_letters_are_listed_with_origin_and_reason(here: Settings) -> None:
    """Filtered when asked."""
    _bury(here, b"acme", b"xyz", "wrong_magic", 5)
    _bury(here, None, b"", "empty", 6)
    ended = run("dlq", "list")
    assert "wrong_magic" in ended.out
    assert "2 dead letters" in ended.out
    (found,) = [json.loads(line) for line in run("dlq", "list", "--reason", "empty", "--json").out.splitlines()]
    assert found["origin"] == {"topic": here.topic(USAGE), "partition": partition_of(b"acme", PARTITIONS), "offset": 6}
    assert (found["id"], found["time"], found["message"]) == ("0/1", "2026-01-05T09:00:00Z", "as the test says")


def test_a_letter_is_shown_with_its_bytes_and_why_it_cannot_be_read(here: Settings) -> None:
    """Hexadecimal for what is no record."""
    _bury(here, b"acme", b"not avro", "wrong_magic")
    out = run("dlq", "show", "0").out
    assert "6e 6f 74 20 61 76 72 6f" in out
    assert "cannot be read: begins with 6e 6f" in out


def test_a_letter_that_can_be_read_is_shown_as_a_record(here: Settings) -> None:
    """Such as one with a wrong key."""
    _bury(here, b"other", Codec(here).encode(USAGE, EVENT), "key_mismatch")
    assert json.loads(run("dlq", "show", "0/0", "--json").out)["record"] == EVENT
    assert '"metric": "logins"' in run("dlq", "show", "0").out


def test_replay_puts_the_original_back_once(here: Settings) -> None:
    """Bytes, key, headers, time and partition; without the headers of the error."""
    value = Codec(here).encode(USAGE, EVENT)
    _bury(here, b"acme", value, "unknown_schema")
    assert run("dlq", "replay", "0", "--dry-run").out.strip() == "1 of 1 would be put back"
    assert _usage(here) == []
    assert run("dlq", "replay", "0").out.strip() == "1 of 1 put back"
    # The original itself is not on the topic here, so the first record behind it stands at its own offset plus one.
    (record,) = _usage(here)
    origin = f"{here.topic(USAGE)}/{partition_of(b'acme', PARTITIONS)}/0"
    headers = [("trace", b"t-1"), ("hop", b"1"), ("hop", b"2"), ("empty", None), (REPLAYED, origin.encode())]
    assert record == (partition_of(b"acme", PARTITIONS), b"acme", value, AT, headers)


def test_a_record_of_1_mb_goes_back_too(here: Settings) -> None:
    """The header that it gains does not make it too large for the client."""
    value = b"\xab" * 1_000_000
    _bury(here, b"acme", value, "wrong_magic")
    assert run("dlq", "replay", "--all").out.strip() == "1 of 1 put back"
    ((_, _, found, _, _),) = _usage(here)
    assert found == value


def test_headers_that_are_no_text_do_not_reach_the_terminal(here: Settings) -> None:
    """They are shown as bytes."""
    _bury(here, b"acme", b"xyz", "wrong_magic", headers=(("colour", b"\x1b[31m"), ("raw", b"\xff")))
    out = run("dlq", "show", "0").out
    assert "\x1b" not in out
    assert r"colour: '\x1b[31m'" in out
    assert r"raw: '\xff'" in out


def test_a_second_replay_changes_nothing(here: Settings) -> None:
    """It finds the record that it put back before."""
    value = Codec(here).encode(USAGE, EVENT)
    producer = Producer({"bootstrap.servers": here.bootstrap_servers})
    producer.produce(here.topic(USAGE), b"damaged", b"acme", partition_of(b"acme", PARTITIONS))
    producer.flush(10)
    _bury(here, b"acme", value, "unknown_schema", 0)
    assert run("dlq", "replay", "--reason", "unknown_schema").out.strip() == "1 of 1 put back"
    again = run("dlq", "replay", "--all")
    assert again.out.strip() == "0 of 1 put back"
    assert "already" in again.err
    assert len(_usage(here)) == 2


def test_a_corrected_record_is_sent_in_its_place(here: Settings, tmp_path: Path) -> None:
    """With its account as the key."""
    _bury(here, None, b"rubbish", "null_key")
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps({**EVENT, "account_id": "brightside"}))
    assert run("dlq", "replay", "0", "--file", str(mended)).code == 0
    ((partition, key, value, _, _),) = _usage(here)
    assert (partition, key) == (partition_of(b"brightside", PARTITIONS), b"brightside")
    assert Codec(here).decode(USAGE, value)["account_id"] == "brightside"


def test_a_correction_that_does_not_fit_is_refused(here: Settings, tmp_path: Path) -> None:
    """Instead of becoming the next dead letter."""
    _bury(here, b"acme", b"rubbish", "wrong_magic")
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps({"account_id": "acme"}))
    ended = run("dlq", "replay", "0", "--file", str(mended))
    assert ended.code == 1
    assert "does not fit the schema" in ended.err
    assert _usage(here) == []


@pytest.mark.parametrize("arguments", [("replay",), ("replay", "0", "--all"), ("replay", "x"), ("show", "-1")])
def test_wrong_use_ends_with_2(here: Settings, arguments: tuple[str, ...]) -> None:
    """Which letters are meant must be said, and how they are called."""
    del here
    assert run("dlq", *arguments).code == 2


def test_an_unknown_letter_is_an_error(here: Settings) -> None:
    """With where to look."""
    del here
    ended = run("dlq", "show", "99")
    assert ended.code == 1
    assert "dlq list" in ended.err


def test_a_topic_that_is_not_there_is_not_taken_for_one_without_letters(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that no broker leads for a moment: somebody would think that all is well."""
    del here
    monkeypatch.setattr("streams.shell.dead_letter_log._TOPIC_S", 0.5)
    monkeypatch.setattr("streams.shell.admin.Admin.partitions", lambda *_: {})
    ended = run("dlq", "list")
    assert ended.code == 1
    assert "is not there, or no broker leads it" in ended.err
