"""New passwords and certificates reach the clients that live."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

from streams.settings import Settings
from streams.shell import rotation
from streams.shell.rotation import Rotation, signature


class Client:
    """Of librdkafka, as far as it matters here."""

    def __init__(self, *, closed: bool = False) -> None:
        self.given: list[tuple[str, str]] = []
        self.closed = closed

    def set_sasl_credentials(self, username: str, password: str) -> None:
        if self.closed:
            raise RuntimeError("Consumer closed")
        self.given.append((username, password))


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("first", encoding="utf-8")
    return path


@pytest.fixture
def scram(password: Path) -> Settings:
    return Settings(security_protocol="sasl_plaintext", sasl_username="worker", sasl_password_file=password)


@pytest.fixture
def watched(scram: Settings, monkeypatch: pytest.MonkeyPatch) -> Rotation:
    monkeypatch.setattr(rotation, "LOOK_S", 3600.0)
    return Rotation(scram)


def test_a_new_password_reaches_every_client(watched: Rotation, password: Path) -> None:
    """Those of librdkafka by their call, aiokafka's where it is read at the next connection."""
    one, two = Client(), SimpleNamespace(_sasl_plain_password=None, _ssl_context=None)
    watched.add(one)
    watched.add(two)
    assert not watched.look()
    password.write_text("second!", encoding="utf-8")
    assert watched.look()
    assert one.given == [("worker", "second!")]
    assert two._sasl_plain_password == "second!"  # noqa: S105  made up
    watched.close()


def test_an_empty_file_changes_nothing(watched: Rotation, password: Path) -> None:
    """It is being written; the next look finds it whole."""
    client = Client()
    watched.add(client)
    password.write_text("", encoding="utf-8")
    assert not watched.look()
    assert client.given == []
    password.write_text("second!", encoding="utf-8")
    assert watched.look()
    assert client.given == [("worker", "second!")]
    watched.close()


def test_a_closed_client_is_forgotten(watched: Rotation, password: Path) -> None:
    """It does not keep the others from theirs."""
    gone, here = Client(closed=True), Client()
    watched.add(gone)
    watched.add(here)
    password.write_text("second!", encoding="utf-8")
    watched.look()
    assert here.given == [("worker", "second!")]
    assert watched._clients == [here]
    watched.close()


def test_a_secret_that_is_mounted_anew_is_seen(tmp_path: Path) -> None:
    """Kubernetes moves a symbolic link: the path and the size may stay as they are."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "password").write_text(name, encoding="utf-8")
    (tmp_path / "data").symlink_to(tmp_path / "one")
    made = Settings(
        security_protocol="sasl_plaintext", sasl_username="w", sasl_password_file=tmp_path / "data" / "password"
    )
    before = signature(made)
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").replace(tmp_path / "data")
    assert signature(made) != before


def test_half_of_a_new_pair_is_waited_out(tmp_path: Path) -> None:
    """Certificate and key are replaced one after the other."""
    authority = trustme.CA()
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    first, second = authority.issue_cert("worker"), authority.issue_cert("worker")
    first.cert_chain_pems[0].write_to_path(certificate)
    first.private_key_pem.write_to_path(key)
    made = Settings(security_protocol="ssl", ssl_certificate_file=certificate, ssl_key_file=key)
    watched = Rotation(made)
    client = SimpleNamespace(_sasl_plain_password=None, _ssl_context=None)
    watched.add(client)
    second.cert_chain_pems[0].write_to_path(certificate)
    assert not watched.look()
    assert client._ssl_context is None
    second.private_key_pem.write_to_path(key)
    assert watched.look()
    assert client._ssl_context is not None
    watched.close()


def test_without_files_nothing_is_watched() -> None:
    """No thread."""
    watched = Rotation(Settings())
    watched.add(Client())
    assert watched._thread is None
