"""Board, explain and watch read the output topics through a broker, as any consumer may."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from streams import topics
from streams.cli.main import application, main
from streams.domain.time import DAY
from streams.settings import Settings
from streams.views import consume
from streams.views.consume import OutputReader, OutputsUnavailable, read_to_end
from streams.views.summary import summarise
from streams.views.view import View
from tests.support.board import running_board, wait_for
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import RealBroker
from tests.support.sample_outputs import START, health, outcome, samples, step, write

RECORDS = samples(accounts=20, days=40)


def settings_of(broker: EmbeddedBroker, prefix: str) -> Settings:
    """Settings of a test, its topics made."""
    settings = Settings(bootstrap_servers=broker.bootstrap, topic_prefix=prefix, app_id=f"{prefix}app", board_port=0)
    broker.touch(*(settings.topic(name) for name in topics.OUTPUTS))
    return settings


@pytest.fixture(scope="module")
def filled(embedded: EmbeddedBroker) -> Settings:
    """Output topics with sample records in them."""
    settings = settings_of(embedded, "board-filled-")
    write(settings, RECORDS)
    return settings


@pytest.fixture
def environment(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for commands."""
    monkeypatch.setenv("BACKONTRACK_BOOTSTRAP_SERVERS", filled.bootstrap_servers)
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", filled.topic_prefix)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), captured.out, captured.err


def test_reading_to_the_end_gives_what_the_records_say(filled: Settings) -> None:
    expected = View()
    for topic, account_id, record in RECORDS:
        expected.apply(topic, account_id, record)
    view = read_to_end(filled)
    assert summarise(view).record() == summarise(expected).record()
    assert view.records == expected.records
    assert {a: v.history for a, v in view.accounts.items()} == {a: v.history for a, v in expected.accounts.items()}


def test_reading_one_account_takes_its_records_and_the_stream_time_of_all(filled: Settings) -> None:
    everything = read_to_end(filled)
    alone = read_to_end(filled, account_id="acct-0001")
    assert set(alone.accounts) == {"acct-0001"}
    assert alone.stream_time == everything.stream_time
    assert alone.accounts["acct-0001"].health == everything.accounts["acct-0001"].health


def test_an_unreadable_record_is_counted_and_its_neighbours_are_read(embedded: EmbeddedBroker, prefix: str) -> None:
    settings = settings_of(embedded, prefix)
    write(settings, [(topics.HEALTH, "a", health("a", START, 80.0))])
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2", "log_level": 0})
    producer.produce(settings.topic(topics.HEALTH), b"\x00garbage", key=b"a")
    producer.flush(10)
    write(settings, [(topics.HEALTH, "a", health("a", START + DAY, 70.0))])
    view = View()
    with OutputReader(settings) as reader:
        while not reader.caught_up:
            for record in reader.poll(0.5):
                view.apply(record.topic, record.account_id, record.record)
        assert reader.unreadable == 1
    assert [point.score for point in view.accounts["a"].history] == [80.0, 70.0]


def test_missing_topics_are_named_with_what_to_do(embedded: EmbeddedBroker, prefix: str) -> None:
    settings = Settings(bootstrap_servers=embedded.bootstrap, topic_prefix=prefix)
    with pytest.raises(OutputsUnavailable, match=rf"{prefix}account-health.*topics create"):
        read_to_end(settings)


def test_whoever_waits_for_the_end_is_told_when_nothing_comes(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutputReader(filled) as reader:
        reader.insist()
        monkeypatch.setattr(consume, "_SILENCE_SECONDS", -1.0)
        with pytest.raises(OutputsUnavailable, match="nothing came from Kafka"):
            reader.insist()


@pytest.fixture
def board(filled: Settings) -> Iterator[str]:
    """The address of a board over the filled topics, once it has read them."""
    with running_board(filled) as server:
        wait_for(lambda: httpx.get(f"{server.url}readyz").status_code == 200, "catching up")
        yield server.url


def test_board_answers_what_lies_in_the_topics(board: str) -> None:
    expected = View()
    for topic, account_id, record in RECORDS:
        expected.apply(topic, account_id, record)
    figures = httpx.get(f"{board}api/overview").json()["figures"]
    assert figures["episodes"] == len(expected.episodes)
    assert figures["back_on_track_share"] == summarise(expected).back_on_track_share
    account = httpx.get(f"{board}api/accounts/acct-0001").json()
    assert account["health"] == expected.accounts["acct-0001"].health
    assert len(account["episodes_full"]) == len(expected.accounts["acct-0001"].episodes)


def test_board_follows_new_records_and_commits_nothing(embedded: EmbeddedBroker, prefix: str) -> None:
    settings = settings_of(embedded, prefix)
    opened = step("a", "opened", 0, START, START)
    with running_board(settings) as server:
        wait_for(lambda: httpx.get(f"{server.url}readyz").status_code == 200, "catching up")
        assert httpx.get(f"{server.url}api/overview").json()["figures"]["open"] == 0
        write(settings, [(topics.INTERVENTIONS, "a", opened)])
        wait_for(lambda: httpx.get(f"{server.url}api/overview").json()["figures"]["open"] == 1, "the new episode")
        write(settings, [(topics.OUTCOMES, "a", outcome(opened, "confirmed", 1, START + DAY))] * 2)
        wait_for(lambda: httpx.get(f"{server.url}api/overview").json()["figures"]["open"] == 0, "its end")
        wait_for(lambda: httpx.get(f"{server.url}api/overview").json()["duplicates"] == 1, "the copy")


def test_board_without_a_broker_serves_says_why_and_is_not_ready() -> None:
    with running_board(Settings(bootstrap_servers="127.0.0.1:1", board_port=0)) as server:
        assert httpx.get(server.url).status_code == 200
        wait_for(
            lambda: "no answer from Kafka" in str(httpx.get(f"{server.url}readyz").json()["trouble"]), "the reason", 40
        )
        assert httpx.get(f"{server.url}readyz").status_code == 503


def test_board_waits_for_topics_that_come_later(embedded: EmbeddedBroker, prefix: str) -> None:
    settings = Settings(bootstrap_servers=embedded.bootstrap, topic_prefix=prefix, board_port=0)
    with running_board(settings) as server:
        wait_for(lambda: "missing topics" in str(httpx.get(f"{server.url}readyz").json()["trouble"]), "the reason")
        settings_of(embedded, prefix)
        wait_for(lambda: httpx.get(f"{server.url}readyz").status_code == 200, "the topics")


@pytest.mark.usefixtures("environment")
def test_two_boards_on_one_port_are_refused_with_what_to_do(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(capsys, "board", "--port", board.rstrip("/").rpartition(":")[2])
    assert code == 1
    assert "--port" in errors


@pytest.mark.usefixtures("environment")
def test_explain_tells_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capsys, "explain", "acct-0004")
    assert code == 0
    for part in ("Health is", "By area:", "Prescribed (", "Success means:", "well again"):
        assert part in output


@pytest.mark.usefixtures("environment")
def test_explain_as_json_has_records_and_story(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capsys, "explain", "acct-0004", "--json")
    told = json.loads(output)
    assert code == 0
    assert told["account_id"] == "acct-0004"
    episode = told["episodes_full"][0]
    code, output, _ = run(capsys, "explain", "acct-0004", "--json", "--episode", episode["intervention_id"])
    assert json.loads(output)["records"] == episode["records"]


@pytest.mark.usefixtures("environment")
def test_explain_of_an_unknown_account_or_episode_fails_clearly(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, errors = run(capsys, "explain", "nobody")
    assert (code, output) == (1, "")
    assert "nothing is known of account 'nobody'" in errors
    code, _, errors = run(capsys, "explain", "acct-0004", "--episode", "none")
    assert code == 1
    assert "has no episode 'none'" in errors


@pytest.mark.usefixtures("environment")
def test_watch_in_plain_lines_tells_every_record_and_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capsys, "watch", "--plain", "--from-start", "--until-caught-up")
    lines = output.splitlines()
    assert code == 0
    assert len(lines) == sum(topic != topics.HEALTH for topic, _, _ in RECORDS) + 1
    assert lines[-1].startswith("-- 20 accounts, ")
    assert sum("  opened: " in line for line in lines) == sum(r.get("state") == "opened" for _, _, r in RECORDS)


def test_commands_have_help_with_examples() -> None:
    for command in ("board", "watch", "explain"):
        result = CliRunner().invoke(application(), [command, "--help"])
        assert result.exit_code == 0
        assert f"backontrack {command}" in result.output


async def test_stopping_a_board_ends_it_while_it_still_waits_for_a_broker() -> None:
    from streams.board.server import BoardServer  # noqa: PLC0415  only here

    board = BoardServer(Settings(bootstrap_servers="127.0.0.1:1", board_port=0))
    await board.start()
    await asyncio.wait_for(board.stop(), 15)


@pytest.mark.parametrize("command", ["watch", "board"])
def test_ctrl_c_ends_a_command_cleanly(filled: Settings, command: str) -> None:
    environment = os.environ | {
        "BACKONTRACK_BOOTSTRAP_SERVERS": filled.bootstrap_servers,
        "BACKONTRACK_TOPIC_PREFIX": filled.topic_prefix,
        "BACKONTRACK_BOARD_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline(), "it has started"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.kafka
def test_a_real_compacted_topic_is_read_to_its_end(real_broker: RealBroker, prefix: str) -> None:
    settings = Settings(bootstrap_servers=real_broker.bootstrap, topic_prefix=prefix, app_id=f"{prefix}app")
    for name in topics.OUTPUTS:
        policy = "compact" if topics.BY_NAME[name].compacted else "delete"
        config = {"cleanup.policy": policy, "retention.ms": "-1"}
        real_broker.create_topic(settings.topic(name), partitions=4, config=config)
    write(settings, RECORDS)
    view, expected = read_to_end(settings), View()
    for topic, account_id, record in RECORDS:
        expected.apply(topic, account_id, record)
    assert {a: v.health for a, v in view.accounts.items()} == {a: v.health for a, v in expected.accounts.items()}
    # The broker may have compacted it already: sample records are old enough to be in segments of the past.
    taken = view.records.pop(topics.HEALTH)
    assert len(expected.accounts) <= taken <= expected.records.pop(topics.HEALTH)
    assert view.records == expected.records
    groups = real_broker.admin.list_consumer_groups().result(10).valid
    assert all(not group.group_id.startswith(prefix) for group in groups), "nothing was committed"
