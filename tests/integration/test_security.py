"""TLS, users and certificates on a real broker, and that no secret leaves by any way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from streams import topics
from streams.cli.main import COMMANDS
from streams.settings import Settings
from streams.shell import acls
from streams.shell.acls import Right
from streams.shell.admin import Admin, BrokerUnreachable
from streams.shell.codec import Codec
from streams.shell.failure import Unrecoverable
from streams.shell.holds import DENIED, Holds
from streams.shell.outgoing import Outgoing
from streams.shell.preflight import preflight
from streams.shell.producer import Sender
from tests.support.secure_kafka import Pair, SecureBroker
from tests.support.worker import WorkerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

PARTITIONS = 2
WORKER = "User:worker"
SCRAM_SECRET = "c4n4ry-scram-pa55"  # noqa: S105  made up
CLEAR_SECRET = "c4n4ry-clear-pa55"  # noqa: S105  made up
KEY_SECRET = "c4n4ry-key-pa55"  # noqa: S105  made up
WRONG_SECRET = "c4n4ry-wr0ng-pa55"  # noqa: S105  made up
REGISTRY_SECRET = "c4n4ry-reg1stry-pa55"  # noqa: S105  made up
SECRETS = (SCRAM_SECRET, CLEAR_SECRET, KEY_SECRET, WRONG_SECRET, REGISTRY_SECRET)

Options = dict[str, str]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    directory = tmp_path_factory.mktemp("secure")
    with SecureBroker(directory, clear_users={"worker": CLEAR_SECRET}) as running:
        running.set_user("worker", SCRAM_SECRET)
        yield running


@pytest.fixture(scope="module")
def pair(broker: SecureBroker, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return broker.pair("worker", tmp_path_factory.mktemp("client"), password=KEY_SECRET)


@pytest.fixture
def names(broker: SecureBroker, prefix: str) -> Iterator[Options]:
    """Topics of an application, with the rights that a worker needs."""
    made = {"topic_prefix": prefix, "app_id": f"{prefix}app"}
    Admin(Settings(bootstrap_servers=broker.bootstrap, partitions=PARTITIONS, **made)).create()
    broker.allow(WORKER, acls.rights(Settings(**made), acls.WORKER))
    yield made
    broker.deny_all(WORKER)


def scram(broker: SecureBroker, mechanism: str = "SCRAM-SHA-512", secret: str = SCRAM_SECRET) -> Options:
    return {
        "bootstrap_servers": broker.scram,
        "security_protocol": "sasl_ssl",
        "sasl_mechanism": mechanism,
        "sasl_username": "worker",
        "sasl_password": secret,
        "ssl_ca_file": str(broker.ca_file),
    }


def mutual(broker: SecureBroker, pair: Pair, secret: str = KEY_SECRET) -> Options:
    return {
        "bootstrap_servers": broker.mutual,
        "security_protocol": "ssl",
        "ssl_ca_file": str(broker.ca_file),
        "ssl_certificate_file": str(pair.certificate),
        "ssl_key_file": str(pair.key),
        "ssl_key_password": secret,
    }


def clear(broker: SecureBroker, secret: str = CLEAR_SECRET) -> Options:
    return {
        "bootstrap_servers": broker.clear,
        "security_protocol": "sasl_plaintext",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "worker",
        "sasl_password": secret,
    }


def plain_over_tls(broker: SecureBroker, secret: str = CLEAR_SECRET) -> Options:
    return {
        **clear(broker, secret),
        "bootstrap_servers": broker.plain_over_tls,
        "security_protocol": "sasl_ssl",
        "ssl_ca_file": str(broker.ca_file),
    }


Way = Callable[[SecureBroker, Pair], Options]
WAYS: dict[str, Way] = {
    "SCRAM-SHA-512 over TLS": lambda broker, _: scram(broker),
    "SCRAM-SHA-256 over TLS": lambda broker, _: scram(broker, "SCRAM-SHA-256"),
    "PLAIN over TLS": lambda broker, _: plain_over_tls(broker),
    "mutual TLS": mutual,
    "PLAIN without TLS on this machine": lambda broker, _: clear(broker),
}


def send(broker: SecureBroker, options: Options, count: int = 20) -> None:
    """Events that a worker folds, and one that nobody can read."""
    settings = Settings(**options)
    codec = Codec(settings)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": "murmur2_random"})
    now = int(time.time() * 1000)
    for number in range(count):
        event = {
            "event_id": f"e{number}",
            "account_id": f"a{number}",
            "occurred_at": now,
            "source": "t",
            "metric": "active_users",
            "value": 1.0,
            "unit": "users",
        }
        name = settings.topic(topics.USAGE)
        producer.produce(name, codec.encode(topics.USAGE, event), f"a{number}".encode(), timestamp=now)
    producer.produce(settings.topic(topics.USAGE), b"no frame", b"a0", timestamp=now)
    assert producer.flush(30) == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_runs_by_every_way_in_with_exactly_the_printed_rights(
    broker: SecureBroker, pair: Pair, names: Options, tmp_path: Path, way: str
) -> None:
    """It folds, writes health and a dead letter, and commits; the broker refuses nothing."""
    send(broker, names)
    with WorkerProcess(
        tmp_path / "worker.log", "--until-caught-up", **names, **WAYS[way](broker, pair), checkpoint_interval="300ms"
    ) as worker:
        assert worker.wait(120) == 0, worker.output
    assert "denied" not in worker.output
    health = Settings(**names).topic(topics.HEALTH)
    letters = Settings(**names).topic(topics.DEAD_LETTERS)
    assert "partitions taken over" in worker.output
    for topic in (health, letters):
        assert _records(broker, topic) > 0, topic


def _records(broker: SecureBroker, topic: str) -> int:
    from streams.shell.log_reader import LogReader  # noqa: PLC0415  beside its use

    reader = LogReader(Settings(bootstrap_servers=broker.bootstrap))
    try:
        count = Admin(Settings(bootstrap_servers=broker.bootstrap)).partitions([topic])[topic][0]
        return sum(reader.bounds(topic, number)[1] for number in range(count))
    finally:
        reader.close()


def test_every_printed_right_is_made_use_of(broker: SecureBroker, names: Options, tmp_path: Path) -> None:
    """By the broker's own log of what it allowed: the list holds nothing that a worker could do without."""
    send(broker, names)
    with WorkerProcess(
        tmp_path / "worker.log", **names, **scram(broker), clock="wall", checkpoint_interval="300ms"
    ) as worker:
        worker.until(lambda: _records(broker, Settings(**names).topic(topics.DEAD_LETTERS)) > 0, "a letter", 90)
        worker.until(lambda: _records(broker, Settings(**names).topic(topics.CONTROL)) > 0, "ticks", 90)
        assert worker.stop() == 0, worker.output
    needed = set(acls.rights(Settings(**names), acls.WORKER))
    mine = names["topic_prefix"]
    used = {right for right in broker.used(WORKER) if right.name.startswith(mine)}
    # Decisions are written the same way as health; this history leads to none.
    rare = {
        Right("topic", f"{mine}{name}", "Write") for name in (topics.INTERVENTIONS, topics.OUTCOMES, topics.SUPPRESSED)
    }
    assert needed - used <= rare
    implied = {right for right in used - needed if right.operation == "Describe"}
    assert used - needed == implied


@pytest.mark.parametrize("kind", ["topic", "group"])
def test_without_one_of_the_rights_a_worker_does_not_start_and_names_it(
    broker: SecureBroker, names: Options, kind: str
) -> None:
    """Each of them, with its operation and its resource."""
    settings = Settings(**names, **scram(broker))
    assert preflight(settings) == PARTITIONS
    checked = 0
    for right in acls.rights(settings, acls.WORKER):
        if right.kind != kind:
            continue
        broker.deny(WORKER, [right])
        _until(lambda: _refused(settings, str(right)))  # noqa: B023  called at once
        broker.allow(WORKER, [right])
        checked += 1
    _until(lambda: preflight(settings) == PARTITIONS)
    assert checked == {"topic": 30, "group": 2}[kind]


def _refused(settings: Settings, right: str) -> bool:
    """True when the start is refused with this right; a right that was just given may be missing a moment longer."""
    try:
        preflight(settings)
    except Unrecoverable as error:
        return right in str(error) and "backontrack acls" in str(error)
    return False


def _until(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(Unrecoverable):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


async def test_writing_waits_for_a_right_even_when_the_client_has_failed_for_good(
    broker: SecureBroker, prefix: str
) -> None:
    """Without any right to write, an idempotent producer gets no number, which it never forgets."""
    topic = f"{prefix}written"
    broker.create_topic(topic, 1)
    sender = Sender(Settings(**scram(broker), app_id=f"{prefix}app"), holds := Holds())
    try:
        waiting = asyncio.create_task(
            sender.deliver([Outgoing(topic, b"k", f"{number}".encode(), 0) for number in range(200)])
        )
        async with asyncio.timeout(60):
            while DENIED not in holds.reasons:
                await asyncio.sleep(0.05)
                assert not waiting.done()
        await asyncio.sleep(4)
        broker.allow(WORKER, [Right("topic", topic, "Write")])
        await asyncio.wait_for(waiting, 60)
    finally:
        sender.close()
        broker.deny_all(WORKER)
    assert holds.reasons == {}
    assert _records(broker, topic) == 200


@pytest.mark.parametrize("way", ["SCRAM", "mutual TLS"])
def test_a_broker_under_another_name_is_not_spoken_to(broker: SecureBroker, pair: Pair, way: str) -> None:
    """Its certificate is in order, but says 127.0.0.1 only."""
    options = scram(broker) if way == "SCRAM" else mutual(broker, pair)
    port = options["bootstrap_servers"].rpartition(":")[2]
    with pytest.raises(BrokerUnreachable, match="certificate") as refused:
        Admin(Settings(**{**options, "bootstrap_servers": f"localhost:{port}"})).partitions()
    assert all(secret not in str(refused.value) for secret in SECRETS)


def test_a_broker_of_another_authority_is_not_spoken_to(broker: SecureBroker) -> None:
    """Those that this system trusts are not enough."""
    options = {**scram(broker)}
    del options["ssl_ca_file"]
    with pytest.raises(BrokerUnreachable, match="certificate"):
        Admin(Settings(**options)).partitions()


@pytest.mark.parametrize("way", ["scram", "clear", "plain over tls"])
def test_a_wrong_password_is_told_as_such(broker: SecureBroker, way: str) -> None:
    """Not as a broker that is away, and without the password."""
    make = {"scram": lambda: scram(broker, secret=WRONG_SECRET), "clear": lambda: clear(broker, WRONG_SECRET)}
    options = make.get(way, lambda: plain_over_tls(broker, WRONG_SECRET))()
    with pytest.raises(BrokerUnreachable, match=r"(?i)authentication failed") as refused:
        Admin(Settings(**options)).partitions()
    assert WRONG_SECRET not in str(refused.value)


def test_a_running_worker_opens_one_port_on_loopback_and_loads_no_pickle(
    broker: SecureBroker, names: Options, tmp_path: Path
) -> None:
    """The probes; Faust's own web server stays off."""
    with WorkerProcess(tmp_path / "worker.log", **names, **scram(broker)) as worker:
        worker.until_logged("partitions taken over", 120)
        process = psutil.Process(worker.process.pid)
        listening = [
            connection.laddr
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        said = re.search(r'"probes": "http://127\.0\.0\.1:(\d+)"', worker.output)
        assert said is not None
        assert [(place.ip, place.port) for place in listening] == [("127.0.0.1", int(said[1]))]
        assert "multiprocessing" not in " ".join(process.cmdline())
        assert worker.stop() == 0


@pytest.mark.parametrize(
    "command", [["explain", "a1"], ["watch", "--plain", "--until-caught-up"]], ids=["explain", "watch"]
)
def test_reader_without_the_right_to_read_a_topic_is_told_which(
    broker: SecureBroker, names: Options, command: list[str]
) -> None:
    settings = Settings(**names)
    health = settings.topic(topics.HEALTH)
    broker.deny_all(WORKER)
    broker.allow(WORKER, [right for right in acls.rights(settings, acls.BOARD) if right.name != health])
    broker.allow(WORKER, [Right("topic", health, "Describe")])
    options = {f"BACKONTRACK_{name.upper()}": value for name, value in {**names, **scram(broker)}.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *command],
        env={**os.environ, **options},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 1
    assert f"topic {health} cannot be read" in ended.stderr
    assert "backontrack acls --for board" in ended.stderr


def _commands(directory: Path) -> list[list[str]]:
    history = directory / "usage.csv"
    history.write_text("account_id,time,metric,value\na1,2024-01-01T00:00:00Z,active_users,3\n", encoding="utf-8")
    return [
        ["settings"],
        ["settings", "--json"],
        ["topics", "check"],
        ["topics", "check", "--json"],
        ["topics", "create"],
        ["acls", "--principal", "User:worker"],
        ["acls", "--principal", "User:worker", "--json"],
        ["schemas", "check"],
        ["schemas", "show", topics.USAGE],
        ["import", "--usage", str(history)],
        ["generate", "--accounts", "10", "--days", "7"],
        ["worker", "--until-caught-up"],
        ["dlq", "list", "--json"],
        ["dlq", "show", "0"],
        ["dlq", "replay", "--all"],
        ["explain", "a1"],
        ["watch", "--plain", "--from-start", "--until-caught-up"],
        ["board", "--port", "0"],
        ["backtest", "--usage", str(history)],
        ["sentiment", "score", "Thank you."],
        ["dormancy", "fit", "--usage", str(history)],
        ["demo", "--accounts", "10", "--days", "7", "--seconds", "0", "--plain", "--no-board"],
    ]


def test_commands_that_are_searched_for_secrets_are_all_there_are(tmp_path: Path) -> None:
    assert {command[0] for command in _commands(tmp_path)} == {command.name for command in COMMANDS}


@pytest.mark.parametrize("right_or_wrong", ["right", "wrong"])
@pytest.mark.parametrize("way", ["scram", "clear", "mutual"])
def test_no_secret_leaves_by_any_command(
    broker: SecureBroker, pair: Pair, names: Options, tmp_path: Path, way: str, right_or_wrong: str
) -> None:
    """Outputs, logs at their most talkative, errors and arguments of processes, with right and with wrong secrets."""
    wrong = right_or_wrong == "wrong"
    options = {
        "scram": lambda: scram(broker, secret=WRONG_SECRET if wrong else SCRAM_SECRET),
        "clear": lambda: clear(broker, WRONG_SECRET if wrong else CLEAR_SECRET),
        "mutual": lambda: mutual(broker, pair, WRONG_SECRET if wrong else KEY_SECRET),
    }[way]()
    more = {
        "log_level": "debug",
        "log_format": "text" if way == "scram" else "json",
        "schema_registry": f"http://me:{REGISTRY_SECRET}@127.0.0.1:1",
        "partitions": str(PARTITIONS),
        "metrics_port": "0",
        "checkpoint_interval": "300ms",
    }
    environment = {**os.environ, **{f"BACKONTRACK_{k.upper()}": v for k, v in {**names, **options, **more}.items()}}
    said: list[str] = []
    for arguments in _commands(tmp_path):
        # A worker that waits for its brokers does not end by itself, and a board never does.
        patience = {"worker": 25, "board": 8}.get(arguments[0], 90)
        command = [sys.executable, "-X", "dev", "-m", "streams.cli.main", *arguments]
        try:
            ended = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=patience, check=False, cwd=tmp_path
            )
            said.append(f"{arguments}\n{ended.stdout}\n{ended.stderr}")
        except subprocess.TimeoutExpired as waited:
            said.append(f"{arguments}\n{_text(waited.stdout)}\n{_text(waited.stderr)}")
    whole = "\n".join(said)
    for secret in SECRETS:
        assert secret not in whole, _around(whole, secret)
        assert repr(secret.encode()) not in whole
    assert "worker" in whole


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _around(text: str, secret: str) -> str:
    at = text.index(secret)
    return text[max(0, at - 300) : at].replace(secret, "***") + "***"


def test_no_secret_leaves_by_a_running_worker(broker: SecureBroker, names: Options, tmp_path: Path) -> None:
    """Its probes and metrics, its log at its most talkative, its arguments and its title, through a stop as well."""
    options = clear(broker)
    send(broker, names)
    with WorkerProcess(
        tmp_path / "worker.log", **names, **options, log_level="debug", checkpoint_interval="300ms"
    ) as worker:
        worker.until_logged("partitions taken over", 120)
        worker.until(lambda: worker.probe("/readyz")[0] == 200, "ready", 60)
        process = psutil.Process(worker.process.pid)
        seen = [worker.probe(path)[1] for path in ("/livez", "/readyz", "/metrics", "/")]
        seen += [" ".join(process.cmdline()), process.name()]
        assert worker.stop() == 0
    whole = "\n".join([*seen, worker.output])
    assert CLEAR_SECRET not in whole, _around(whole, CLEAR_SECRET)
    assert '"level": "debug", "logger": "aiokafka' in whole, "the log was not at its most talkative"
