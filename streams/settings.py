"""Every setting, once: type, default, meaning. Environment `BACKONTRACK_<NAME>` or a YAML file (`--config`)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.domain.time import parse_duration
from streams.policy import yaml_limits

PREFIX = "BACKONTRACK_"
# Read by tests, benches and the Kafka harness, not by the product.
_USER_INFO = re.compile(r"//\S*@")
_TAG = re.compile(r"[!&*]\S+")
_QUOTED = re.compile(r"(?<=')[^']{2,}(?=')")
_FOREIGN = (
    "BACKONTRACK_DATA",
    "BACKONTRACK_KAFKA_LIBS",
    "BACKONTRACK_REGISTRY_HOME",
    "BACKONTRACK_CONFIG",
    "BACKONTRACK_FAILPOINT",
    "BACKONTRACK_TRACE",
    "BACKONTRACK_WRONG_CLOCK",
)


def _milliseconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[int, BeforeValidator(_milliseconds)]
"""Milliseconds, written with a unit: 50ms, 30s, 15m, 36h, 3d."""


class SettingsError(Exception):
    """A setting is wrong; the message names it, the reason and what to do."""


class Settings(BaseSettings):
    """Settings of every command."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)
    bootstrap_servers: str = Field(
        "127.0.0.1:9092", description="Kafka bootstrap servers, host:port, separated by commas"
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="How the brokers are spoken to; ssl = TLS, sasl = with user and password"
    )
    allow_plaintext: bool = Field(
        default=False, description="Speak to brokers on other machines without TLS, and send passwords like that"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the password is proven to the brokers"
    )
    sasl_username: str = Field("", description="User, with sasl_ssl and sasl_plaintext")
    sasl_password: SecretStr = Field(SecretStr(""), description="Password of it")
    sasl_password_file: Path | None = Field(
        None, description="File that holds the password; read again when it changes, without a restart"
    )
    ssl_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the brokers' are signed with; those of the system when empty"
    )
    ssl_certificate_file: Path | None = Field(
        None, description="Certificate of this client (PEM), for mutual TLS; read again when it changes"
    )
    ssl_key_file: Path | None = Field(None, description="Private key of it (PEM)")
    ssl_key_password: SecretStr = Field(SecretStr(""), description="Password of the private key, when it has one")
    ssl_key_password_file: Path | None = Field(None, description="File that holds this password")
    app_id: str = Field(
        "backontrack", pattern=r"^[A-Za-z0-9._-]+$", description="Consumer group, and prefix of internal topics"
    )
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]*$", description="Put before every topic name")
    clock: Literal["wall", "events"] = Field(
        "wall",
        description="wall: quiet partitions get ticks; events: only records move time (imports, tests, simulated time)",
    )
    policy: Path | None = Field(None, description="Policy file (YAML); the shipped one when empty")
    sentiment_model: Path | None = Field(
        None,
        description="Model that scores raw text (`backontrack sentiment train`), the same for all workers; "
        "the lexicon when empty",
    )
    metrics_host: str = Field("127.0.0.1", description="Address on which /livez, /readyz and /metrics are served")
    metrics_port: int = Field(9108, ge=0, le=65535, description="Port of it; 0 chooses a free one")
    board_host: str = Field("127.0.0.1", description="Address on which the board is served")
    board_port: int = Field(8080, ge=0, le=65535, description="Port of the board; 0 chooses a free one")
    partitions: int = Field(
        8, ge=1, le=10_000, description="Partitions of the account topics, for `topics create` and `backtest`"
    )
    replication_factor: int = Field(1, ge=1, le=32, description="Replicas of created topics; 3 in production")
    schema_registry: str = Field(
        "", description="URL of a schema registry, for reading and writing the Confluent frame"
    )
    schema_registry_username: str = Field("", description="User of the registry")
    schema_registry_password: SecretStr = Field(SecretStr(""), description="Password of it")
    schema_registry_password_file: Path | None = Field(
        None, description="File that holds this password; read again when it changes"
    )
    schema_registry_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the registry's is signed with; those of the system when empty"
    )
    framing: Literal["single-object", "confluent"] = Field(
        "single-object", description="Frame of written records; both are always readable"
    )
    emit_interval: Duration = Field(
        50, ge=1, description="Longest wait of a decided output before it is stored and sent"
    )
    checkpoint_interval: Duration = Field(
        5_000, ge=10, description="Time between checkpoints; over a backlog it grows to 4 times what one takes"
    )
    checkpoint_max_dirty: int = Field(200_000, ge=1, description="Changed accounts that force a checkpoint")
    session_timeout: Duration = Field(10_000, ge=1_000, description="Kafka group session timeout")
    group_instance_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Static member of the group, one name a worker: a quick restart moves no partition",
    )
    standby_replicas: int = Field(
        0, ge=0, le=8, description="Workers that keep a warm copy of each partition, for a fast fail-over"
    )
    rebalance_timeout: Duration = Field(
        10_000, ge=100, description="Longest time that giving partitions back waits for their last checkpoint"
    )
    delivery_timeout: Duration = Field(
        30_000, ge=1_000, description="Longest wait for an answer of the brokers before they count as away"
    )
    stall_timeout: Duration = Field(
        60_000,
        ge=1_000,
        description="Without progress for this long, brokers answering, the worker exits to be restarted",
    )
    max_dead_letter_ratio: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of a topic's newest 1,000 records in a partition that may become dead letters, 100 always "
        "may; beyond it the partition waits; 1 = no limit",
    )
    max_record_bytes: int = Field(
        1_048_576, ge=1_024, description="Larger record values are dead-lettered without being decoded"
    )
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, JSON elsewhere")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged"
    )

    def topic(self, name: str) -> str:
        """Name on the broker of a logical topic."""
        return self.topic_prefix + name


# libyaml where the wheel has it: ten times faster, and the same language.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHOWN = 100


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Settings from `overrides` (command line), the environment, then the file, then defaults.

    Raises SettingsError for a misspelt or wrong setting, wherever it stands.
    """
    known = set(Settings.model_fields)
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in _FOREIGN and variable[len(PREFIX) :].lower() not in known:
            name = variable[len(PREFIX) :].lower()
            msg = f"{variable}: there is no such setting. {_nearest(name, known, lambda near: PREFIX + near.upper())}"
            raise SettingsError(msg)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    path = config or (Path(os.environ["BACKONTRACK_CONFIG"]) if os.environ.get("BACKONTRACK_CONFIG") else None)
    if path is not None:
        values, lines = _read_file(path, known)
    in_environment = {variable.upper() for variable in os.environ}
    values = {k: v for k, v in values.items() if f"{PREFIX}{k.upper()}" not in in_environment}
    given = {k: v for k, v in overrides.items() if v is not None}
    from_file = {name: f"{path}: line {lines[name]}: {name}" for name in values if name not in given}
    values.update(given)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_wrong(e, from_file) for e in error.errors())) from None


def read_text(path: Path) -> str:
    """The text of a file that the user named. Raises SettingsError with the reason."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}: line {line}: is not UTF-8 text") from None


def _wrong(error: Any, from_file: dict[str, str]) -> str:
    """One line: the setting as it was written, its value, and pydantic's reason."""
    name = ".".join(str(part) for part in error["loc"])
    where = from_file.get(name, f"{PREFIX}{name.upper()}")
    value = "***" if is_secret(name) else without_password(repr(error["input"]))
    return f"{where} = {value}: {error['msg'].removeprefix('Value error, ')}"


def is_secret(name: str) -> bool:
    """True for a setting whose value is never shown."""
    return Settings.model_fields[name].annotation is SecretStr


def without_password(text: str) -> str:
    """A text without the user and the password of the URLs in it."""
    return _USER_INFO.sub("//***@", text)


def _read_file(path: Path, known: set[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """The settings in a file, and the line of each."""
    text = read_text(path)
    try:
        yaml_limits.check(text, _LOADER)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml_limits.TooMuch as error:
        # A tag may be a password that was meant to be quoted.
        raise SettingsError(f"{path}: line {error.line}: {_TAG.sub('...', error.reason)}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        # What it quotes may be a password that was meant to be quoted.
        problem = _QUOTED.sub("...", getattr(error, "problem", None) or "no YAML")
        raise SettingsError(f"{path}: line {line}: YAML: {problem}") from None
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        msg = f"{path}: line 1: must be `setting: value` lines"
        raise SettingsError(msg)
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name = key.value[:_SHOWN] if isinstance(key, yaml.ScalarNode) else "a key that is no name"
        line = key.start_mark.line + 1
        if name not in known:
            msg = f"{path}: line {line}: {name}: there is no such setting. {_nearest(name, known)}"
            raise SettingsError(msg)
        if name in lines:
            raise SettingsError(f"{path}: line {line}: {name}: stands twice, first on line {lines[name]}")
        lines[name] = line
    try:
        values: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506  a safe one
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SettingsError(f"{path}: line {line}: YAML: a value that cannot be read; put it in quotes") from None
    return values, lines


def _nearest(name: str, known: set[str], spelt: Callable[[str], str] = str) -> str:
    import difflib  # noqa: PLC0415  only needed for the error message

    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {spelt(near[0])}?" if near else "See `backontrack settings` for all of them."
