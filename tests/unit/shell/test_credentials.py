"""What is refused before a client is made, and what the messages do not say."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
import trustme

from streams.settings import Settings, SettingsError
from streams.shell import credentials
from streams.shell.connection import faust_credentials, librdkafka
from streams.shell.registry_access import registry_access

CANARY = "c4n4ry-s3cret"
REMOTE = "kafka.example:9092"


def _refusal(**changed: object) -> str:
    with pytest.raises(SettingsError) as refused:
        librdkafka(Settings(**changed))
    assert CANARY not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "servers", ["127.0.0.1:9092", "localhost:9092", "LOCALHOST:9092", "[::1]:9092", "127.1.2.3:1,localhost:2"]
)
def test_plain_text_stays_on_this_machine(servers: str) -> None:
    """Loopback needs no word."""
    assert librdkafka(Settings(bootstrap_servers=servers)) == {"bootstrap.servers": servers}


@pytest.mark.parametrize(
    "servers",
    [
        REMOTE,
        "10.0.0.1:9092",
        "localhost.example:9092",
        "127.0.0.1:9092,kafka:9092",
        "PLAINTEXT://kafka:9092",
        "[::2]:1",
    ],
)
def test_plain_text_to_another_machine_is_refused_with_what_to_do(servers: str) -> None:
    """One such server is enough."""
    said = _refusal(bootstrap_servers=servers)
    assert "BACKONTRACK_SECURITY_PROTOCOL" in said
    assert "BACKONTRACK_ALLOW_PLAINTEXT=true" in said


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_passwords_without_tls_to_another_machine_are_refused(mechanism: str) -> None:
    """SCRAM hides the password, and still not the records."""
    said = _refusal(
        bootstrap_servers=REMOTE,
        security_protocol="sasl_plaintext",
        sasl_mechanism=mechanism,
        sasl_username="worker",
        sasl_password=CANARY,
    )
    assert "BACKONTRACK_ALLOW_PLAINTEXT=true" in said


def test_an_explicit_setting_allows_plain_text() -> None:
    """For a network that may see it all."""
    made = librdkafka(Settings(bootstrap_servers=REMOTE, allow_plaintext=True))
    assert made == {"bootstrap.servers": REMOTE}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"security_protocol": "sasl_ssl"}, "needs BACKONTRACK_SASL_USERNAME and BACKONTRACK_SASL_PASSWORD_FILE"),
        ({"security_protocol": "sasl_ssl", "sasl_username": "a"}, "BACKONTRACK_SASL_PASSWORD_FILE"),
        ({"sasl_password": CANARY}, "BACKONTRACK_SECURITY_PROTOCOL=plaintext would not use it"),
        ({"security_protocol": "ssl", "sasl_username": "a"}, "BACKONTRACK_SECURITY_PROTOCOL=ssl would not use it"),
        ({"ssl_ca_file": "ca.pem"}, "BACKONTRACK_SSL_CA_FILE is given"),
        ({"security_protocol": "ssl", "ssl_key_file": "k"}, "belong together"),
        ({"security_protocol": "ssl", "ssl_ca_file": "/not/there"}, "/not/there: cannot be read: No such file"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changed: dict[str, object], said: str) -> None:
    """Nothing that was set for security is silently without effect."""
    assert said in _refusal(**changed)


def _sasl(**changed: object) -> Settings:
    return Settings(**{"security_protocol": "sasl_ssl", "sasl_username": "worker", **changed})


def test_a_password_comes_from_its_file_without_the_end_of_the_line(tmp_path: Path) -> None:
    """Spaces are part of it, the newline of an editor is not."""
    path = tmp_path / "password"
    path.write_text(f" {CANARY} \r\n", encoding="utf-8")
    assert librdkafka(_sasl(sasl_password_file=path))["sasl.password"] == f" {CANARY} "


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff" + CANARY.encode(), "is not UTF-8 text")]
)
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """With its name and without its content."""
    path = tmp_path / "password"
    path.write_bytes(content)
    refused = _refusal(security_protocol="sasl_ssl", sasl_username="worker", sasl_password_file=path)
    assert f"BACKONTRACK_SASL_PASSWORD_FILE: {path}: {said}" in refused


def test_a_password_is_given_once(tmp_path: Path) -> None:
    """Of two, the wrong one could be the one in use."""
    path = tmp_path / "password"
    path.write_text(CANARY, encoding="utf-8")
    said = _refusal(security_protocol="sasl_ssl", sasl_username="worker", sasl_password=CANARY, sasl_password_file=path)
    assert "are both set" in said


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def _files(made: trustme.LeafCert, directory: Path) -> dict[str, object]:
    made.cert_chain_pems[0].write_to_path(directory / "client.pem")
    made.private_key_pem.write_to_path(directory / "client.key")
    return {
        "security_protocol": "ssl",
        "ssl_certificate_file": directory / "client.pem",
        "ssl_key_file": directory / "client.key",
    }


def test_both_clients_check_certificate_and_host_name(tmp_path: Path, authority: trustme.CA) -> None:
    """Whatever the settings are: there is none to switch it off."""
    made = Settings(**_files(authority.issue_cert("worker"), tmp_path))
    ours = librdkafka(made)
    assert ours["ssl.endpoint.identification.algorithm"] == "https"
    assert ours["enable.ssl.certificate.verification"] is True
    theirs = faust_credentials(made)
    assert theirs is not None
    context: ssl.SSLContext = theirs.context  # type: ignore[attr-defined]  # of SSLCredentials
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    """Before a broker would tell it less clearly."""
    files = _files(authority.issue_cert("worker"), tmp_path)
    authority.issue_cert("other").private_key_pem.write_to_path(tmp_path / "client.key")
    assert "cannot be used with BACKONTRACK_SSL_KEY_FILE" in _refusal(**files)


def test_a_key_with_a_password_never_asks_on_the_terminal(tmp_path: Path, authority: trustme.CA) -> None:
    """A worker has none; the wrong password is as bad as none."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  for this test

    files = _files(authority.issue_cert("worker"), tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "client.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(CANARY.encode()),
    )
    (tmp_path / "client.key").write_bytes(locked)
    assert "cannot be used" in _refusal(**files)
    assert "cannot be used" in _refusal(**files, ssl_key_password="x" + CANARY)
    (tmp_path / "key-password").write_text(CANARY, encoding="utf-8")
    made = librdkafka(Settings(**files, ssl_key_password_file=tmp_path / "key-password"))
    assert made["ssl.key.password"] == CANARY


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    """With the name of the file."""
    (tmp_path / "ca.pem").write_text(CANARY, encoding="utf-8")
    assert "BACKONTRACK_SSL_CA_FILE" in _refusal(security_protocol="ssl", ssl_ca_file=tmp_path / "ca.pem")


def test_a_registry_is_given_its_user_from_settings_file_or_address(tmp_path: Path) -> None:
    """One of them."""
    path = tmp_path / "password"
    path.write_text(CANARY, encoding="utf-8")
    apart = Settings(
        schema_registry="https://registry.test",
        schema_registry_username="worker",
        schema_registry_password_file=path,
    )
    assert credentials.registry_user(apart) == ("worker", CANARY)
    inside = Settings(schema_registry="https://w%40rker:p%2Fw@registry.test")
    assert credentials.registry_user(inside) == ("w@rker", "p/w")
    assert credentials.registry_user(Settings(schema_registry="http://registry.test")) is None
    assert "auth" not in registry_access(Settings(schema_registry="http://registry.test"))


def test_a_password_for_a_registry_on_another_machine_needs_https() -> None:
    """Plain text needs the same word as for brokers."""
    with pytest.raises(SettingsError, match="ALLOW_PLAINTEXT") as refused:
        credentials.registry_user(Settings(schema_registry=f"http://me:{CANARY}@registry.test"))
    assert CANARY not in str(refused.value)
    allowed = Settings(schema_registry=f"http://me:{CANARY}@registry.test", allow_plaintext=True)
    assert credentials.registry_user(allowed) == ("me", CANARY)
    near = Settings(schema_registry=f"http://me:{CANARY}@127.0.0.1:8081")
    assert credentials.registry_user(near) == ("me", CANARY)


def test_a_certificate_that_is_over_can_still_be_loaded(tmp_path: Path, authority: trustme.CA) -> None:
    """Whether it counts is for the brokers to say; a worker that runs must not end because a date has passed."""
    over = authority.issue_cert("worker", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert librdkafka(Settings(**_files(over, tmp_path)))["security.protocol"] == "ssl"
