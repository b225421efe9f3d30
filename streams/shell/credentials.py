"""Passwords and certificates as they are now, and whether they may be used the way the settings say.

No message here holds a secret: messages name settings and files.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from streams.settings import PREFIX, Settings, SettingsError

_LARGEST_SECRET = 65_536
"""Bytes of the largest file that is taken for a password."""
_HTTPS = "https"


def password(settings: Settings, name: str) -> str:
    """The password of a setting such as `sasl_password`, or what its file holds now, without the line's end.

    Raises SettingsError when both are given, or the file cannot be read or is empty.
    """
    given: SecretStr = getattr(settings, name)
    path: Path | None = getattr(settings, f"{name}_file")
    if path is None:
        return given.get_secret_value()
    if given.get_secret_value():
        raise SettingsError(f"{_variable(name)} and {_variable(name)}_FILE are both set: leave one out")
    try:
        data = path.read_bytes()[:_LARGEST_SECRET]
        found = data.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{_variable(name)}_FILE: {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{_variable(name)}_FILE: {path}: is not UTF-8 text") from None
    if not found:
        raise SettingsError(f"{_variable(name)}_FILE: {path}: is empty")
    return found


def check(settings: Settings) -> None:
    """Refuses settings of security that do not fit together, or would show to the network what they must not.

    Raises SettingsError with what to do.
    """
    protocol = settings.security_protocol
    sasl, tls = protocol.startswith("sasl"), protocol.endswith("ssl")
    if not tls and not settings.allow_plaintext:
        refuse_remote(settings, servers(settings))
    secret = settings.sasl_password.get_secret_value() or settings.sasl_password_file
    if sasl and not (settings.sasl_username and secret):
        raise SettingsError(
            f"{_variable('security_protocol')}={protocol} needs {_variable('sasl_username')} and "
            f"{_variable('sasl_password_file')} (or {_variable('sasl_password')})"
        )
    if not sasl and (settings.sasl_username or secret):
        raise SettingsError(
            f"a SASL user or password is given, but {_variable('security_protocol')}={protocol} would not use it: "
            "set it to sasl_ssl, or leave them out"
        )
    given = [name for name in ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file") if getattr(settings, name)]
    if given and not tls:
        raise SettingsError(
            f"{_variable(given[0])} is given, but {_variable('security_protocol')}={protocol} does not use TLS: set it "
            "to ssl or sasl_ssl, or leave the file out"
        )
    if bool(settings.ssl_certificate_file) != bool(settings.ssl_key_file):
        raise SettingsError(f"{_variable('ssl_certificate_file')} and {_variable('ssl_key_file')} belong together")


def servers(settings: Settings) -> list[str]:
    """Hosts of the bootstrap servers."""
    return [host_of(server) for server in settings.bootstrap_servers.split(",") if server.strip()]


def host_of(server: str) -> str:
    """The host of `host:port`, `[address]:port` or `protocol://host:port`."""
    text = server.strip()
    try:
        return urlsplit(text if "://" in text else f"//{text}").hostname or text
    except ValueError:
        return text


def refuse_remote(settings: Settings, hosts: list[str]) -> None:
    """Raises SettingsError when one of the hosts is another machine and is to be spoken to without TLS."""
    if settings.security_protocol.endswith("ssl") or settings.allow_plaintext:
        return
    remote = [host for host in hosts if not is_loopback(host)]
    if remote:
        raise SettingsError(
            f"the broker {remote[0]} is not on this machine, and "
            f"{_variable('security_protocol')}={settings.security_protocol} would show everything to the network. Set "
            f"it to sasl_ssl or ssl; on a network that may see it all, set {_variable('allow_plaintext')}=true"
        )


def is_loopback(host: str) -> bool:
    """True for this machine itself. Names other than localhost are not looked up: what they mean can change."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def tls_context(settings: Settings) -> ssl.SSLContext:
    """What TLS connections to brokers are made with, from the files as they are now; host names are checked.

    Raises SettingsError when a file cannot be used.
    """
    context = _trusting(settings.ssl_ca_file, "ssl_ca_file")
    certificate, key = settings.ssl_certificate_file, settings.ssl_key_file
    if certificate is not None and key is not None:
        _readable(certificate, "ssl_certificate_file")
        _readable(key, "ssl_key_file")
        secret = password(settings, "ssl_key_password")
        try:
            # Without a function, a key that has a password would be asked for on the terminal.
            context.load_cert_chain(certificate, key, lambda: secret)
        except (ssl.SSLError, ValueError, OSError) as error:
            reason = getattr(error, "reason", None) or "wrong password, or no PEM"
            raise SettingsError(
                f"{_variable('ssl_certificate_file')}: {certificate} cannot be used with {_variable('ssl_key_file')}: "
                f"{key}: {reason}"
            ) from None
    return context


def registry_context(settings: Settings) -> ssl.SSLContext:
    """What TLS connections to the schema registry are made with. Raises SettingsError."""
    return _trusting(settings.schema_registry_ca_file, "schema_registry_ca_file")


def registry_user(settings: Settings) -> tuple[str, str] | None:
    """User and password for the schema registry as they are now, None without. Raises SettingsError."""
    url = urlsplit(settings.schema_registry)
    secret = password(settings, "schema_registry_password")
    if url.username or url.password:
        if secret or settings.schema_registry_username:
            raise SettingsError(
                f"{_variable('schema_registry')} holds a user, and {_variable('schema_registry_username')} or its "
                "password is set as well: leave one out"
            )
        found = unquote(url.username or ""), unquote(url.password or "")
    elif settings.schema_registry_username:
        found = settings.schema_registry_username, secret
    elif secret:
        raise SettingsError(f"{_variable('schema_registry_password')} needs {_variable('schema_registry_username')}")
    else:
        return None
    if url.scheme != _HTTPS and not settings.allow_plaintext and not is_loopback(url.hostname or ""):
        raise SettingsError(
            f"{_variable('schema_registry')} is not https, so the network would see the password for {url.hostname}. "
            f"Use https; on a network that may see it, set {_variable('allow_plaintext')}=true"
        )
    return found


def files(settings: Settings) -> list[Path]:
    """Files whose content is used for connections to brokers."""
    named = (
        settings.sasl_password_file,
        settings.ssl_ca_file,
        settings.ssl_certificate_file,
        settings.ssl_key_file,
        settings.ssl_key_password_file,
    )
    return [path for path in named if path is not None]


def _trusting(path: Path | None, name: str) -> ssl.SSLContext:
    if path is not None:
        _readable(path, name)
    try:
        # Checks the certificate and the host name, always.
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=path)
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"{_variable(name)}: {path}: {getattr(error, 'reason', None) or 'no PEM'}") from None


def _readable(path: Path, name: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{_variable(name)}: {path}: cannot be read: {error.strerror}") from None


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"
