"""A real Apache Kafka that lets nobody in unasked: TLS, users, certificates and access rights.

Certificates are made when it starts, by an authority that nobody else trusts.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from streams.shell.acls import Right
from tests.support.kafka import Properties, RealBroker, free_port_pair

_ANSWER_S = 30.0
_MECHANISMS = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}


_LOG_RIGHTS = """\
logger.rights.name=kafka.authorizer.logger
logger.rights.level=debug
"""
_ALLOWED = re.compile(r"Principal = (\S+) is Allowed operation = (\S+) from .* on resource = (\w+):LITERAL:(\S+) ")


class Pair(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class SecureBroker(RealBroker):
    """One node with four listeners; whoever comes by `bootstrap` may do everything, for the test's own use.

    Args:
        directory: As for `RealBroker`.
        clear_users: Passwords of the users of the listener `clear`; they cannot be changed while it runs.
        reauthenticate_ms: Connections of users end after this time unless they log in again; 0 lets them live on.
        heap_mb: As for `RealBroker`.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        clear_users: Mapping[str, str] | None = None,
        reauthenticate_ms: int = 0,
        heap_mb: int = 384,
    ) -> None:
        super().__init__(directory, heap_mb=heap_mb)
        first, second = free_port_pair(), free_port_pair()
        self.scram = f"127.0.0.1:{first}"
        """SASL_SSL: SCRAM users over TLS."""
        self.mutual = f"127.0.0.1:{first + 1}"
        """SSL: client certificates; the common name is the user."""
        self.clear = f"127.0.0.1:{second}"
        """SASL_PLAINTEXT: users of PLAIN, without TLS."""
        self.plain_over_tls = f"127.0.0.1:{second + 1}"
        """SASL_SSL: users of PLAIN over TLS."""
        self._clear_users = dict(clear_users or {})
        self._reauthenticate_ms = reauthenticate_ms
        self.authority = trustme.CA()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca_file = self.directory / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)
        self._trusted = self.directory / "clients.pem"
        self.trust(self.authority)
        self._keystore = self.directory / "broker.pem"
        made = self.authority.issue_cert("127.0.0.1", common_name="broker")
        chain = b"".join(part.bytes() for part in made.cert_chain_pems)
        self._keystore.write_bytes(_pkcs8(made.private_key_pem.bytes()) + chain)

    def pair(
        self,
        user: str,
        directory: Path,
        *,
        authority: trustme.CA | None = None,
        password: str | None = None,
        expires: dt.datetime | None = None,
    ) -> Pair:
        """A new certificate for a user, in `directory`; the one that was there is replaced."""
        made = (authority or self.authority).issue_cert(f"{user}.test", common_name=user, not_after=expires)
        directory.mkdir(parents=True, exist_ok=True)
        pair = Pair(directory / "client.pem", directory / "client.key")
        _replace(pair.certificate, b"".join(part.bytes() for part in made.cert_chain_pems))
        _replace(pair.key, _pkcs8(made.private_key_pem.bytes(), password))
        return pair

    def trust(self, authority: trustme.CA) -> None:
        """Client certificates have to be of this authority from the next start on."""
        authority.cert_pem.write_to_path(self._trusted)

    def used(self, principal: str) -> set[Right]:
        """The rights that somebody made use of since the start, by the broker's own log."""
        found = set()
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := _ALLOWED.search(line):
                who, operation, kind, name = match.groups()
                if who == principal:
                    words = "".join(word.capitalize() for word in operation.split("_"))
                    found.add(Right(kind.lower(), name, words))  # type: ignore[arg-type]  # as the broker says it
        return found

    def set_user(self, user: str, password: str, mechanisms: Iterable[str] = tuple(_MECHANISMS)) -> None:
        """A SCRAM user with this password from now on."""
        for mechanism in mechanisms:
            info = ScramCredentialInfo(_MECHANISMS[mechanism], 4096)
            change = UserScramCredentialUpsertion(user, info, password.encode())
            self.admin.alter_user_scram_credentials([change])[user].result(_ANSWER_S)

    def allow(self, principal: str, rights: Iterable[Right]) -> None:
        """Gives rights, and returns when they are in force."""
        wanted = {_binding(principal, right) for right in rights}
        for answer in self.admin.create_acls(list(wanted)).values():
            answer.result(_ANSWER_S)
        self._until(lambda: wanted <= self._rights_of(principal))

    def deny(self, principal: str, rights: Iterable[Right]) -> None:
        """Takes rights away, and returns when they are gone."""
        rights = list(rights)
        filters = [
            AclBindingFilter(*_pattern(right), principal, "*", _operation(right), AclPermissionType.ALLOW)
            for right in rights
        ]
        for answer in self.admin.delete_acls(filters).values():
            answer.result(_ANSWER_S)
        gone = {_binding(principal, right) for right in rights}
        self._until(lambda: not gone & self._rights_of(principal))

    def deny_all(self, principal: str) -> None:
        """Takes every right of somebody away, and returns when they are gone."""
        for answer in self.admin.delete_acls([_everything(principal)]).values():
            answer.result(_ANSWER_S)
        self._until(lambda: not self._rights_of(principal))

    def _rights_of(self, principal: str) -> set[AclBinding]:
        return set(self.admin.describe_acls(_everything(principal)).result(_ANSWER_S))

    def _until(self, condition: Callable[[], bool]) -> None:
        # The controller says yes before the authorizer has heard of it.
        deadline = time.monotonic() + _ANSWER_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the rights are not as they were set")
            time.sleep(0.05)

    def _settings(self) -> Path:
        made = super()._settings()
        with (self.directory / "log4j2.properties").open("a", encoding="utf-8") as logging:
            logging.write(_LOG_RIGHTS)
        return made

    def _properties(self) -> Properties:
        lines = super()._properties()
        listeners = {"SCRAM": self.scram, "MUTUAL": self.mutual, "CLEAR": self.clear, "PLAINTLS": self.plain_over_tls}
        protocols = {"SCRAM": "SASL_SSL", "MUTUAL": "SSL", "CLEAR": "SASL_PLAINTEXT", "PLAINTLS": "SASL_SSL"}
        more = "".join(f",{name}://{place}" for name, place in listeners.items())
        lines["listeners"] += more
        lines["advertised.listeners"] += more
        lines["listener.security.protocol.map"] += "".join(f",{name}:{how}" for name, how in protocols.items())
        lines |= {
            "inter.broker.listener.name": "PLAINTEXT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._trusted),
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.clear.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.plaintls.sasl.enabled.mechanisms": "PLAIN",
            "connections.max.reauth.ms": str(self._reauthenticate_ms),
        }
        for mechanism in ("256", "512"):
            lines[f"listener.name.scram.scram-sha-{mechanism}.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
        users = " ".join(f'user_{name}="{secret}"' for name, secret in self._clear_users.items())
        for listener in ("clear", "plaintls"):
            lines[f"listener.name.{listener}.plain.sasl.jaas.config"] = (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
            )
        return lines


def _binding(principal: str, right: Right) -> AclBinding:
    return AclBinding(*_pattern(right), principal, "*", _operation(right), AclPermissionType.ALLOW)


def _everything(principal: str) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, principal, None, AclOperation.ANY, AclPermissionType.ANY
    )


def _operation(right: Right) -> AclOperation:
    return AclOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", right.operation).upper()]


def _pattern(right: Right) -> tuple[ResourceType, str, ResourcePatternType]:
    kinds = {
        "topic": ResourceType.TOPIC,
        "group": ResourceType.GROUP,
        "transactional-id": ResourceType.TRANSACTIONAL_ID,
    }
    return kinds[right.kind], right.name, ResourcePatternType.LITERAL


def _pkcs8(key: bytes, password: str | None = None) -> bytes:
    """A private key in the form that Java reads; with a password when one is given."""
    loaded = serialization.load_pem_private_key(key, None)
    how: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    )
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def _replace(path: Path, content: bytes) -> None:
    """As a secret is replaced: at once, by a rename."""
    new = path.with_suffix(f"{path.suffix}.new")
    new.write_bytes(content)
    new.replace(path)
