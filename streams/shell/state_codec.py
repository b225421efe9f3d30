"""Account and partition states to the bytes of the changelog and back.

The dataclasses in `domain/` are the schema. What an older or newer release stored is read through Avro's resolution: a
field that is missing takes its default, one that is unknown is dropped. For that, every version that was ever released
stands in `schemas/account-state/` and `schemas/partition-state/`; and what a newer release wrote is read by the schema
that it put on the changelog (`learn`).

    python -m streams.shell.state_codec --write    rewrites the newest version from the classes (before its release)
    python -m streams.shell.state_codec --new      starts the next version (after it)
"""

from __future__ import annotations

import json
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Generic, TypeVar

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import SchemaParseException, UnknownType

from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.shell import schemas
from streams.shell.avro_writer import writer
from streams.shell.dataclass_avro import from_record, schema_of
from streams.shell.failure import Unrecoverable
from streams.shell.frames import MARKER, SINGLE_OBJECT_SIZE, single_object_header
from streams.shell.schema_safety import SchemaRefused, refuse
from streams.shell.strict import strict

ACCOUNT, PARTITION = schemas.STATES

T = TypeVar("T")
_UNFIT = (SchemaRefused, SchemaParseException, UnknownType, ValueError, TypeError, LookupError, RecursionError)


class UnreadableState(Unrecoverable):
    """A changelog record that this release cannot read. Starting without it would lose state, so the worker stops."""


class StateCodec(Generic[T]):
    """Encodes one kind of state.

    Args:
        cls: Its dataclass.
        name: Folder of its schema versions.
        older: Other schemas in which stored state is readable, as JSON.
    """

    def __init__(self, cls: type[T], name: str, older: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.source = schema_of(cls)
        self.fingerprint = schemas.crc_of(self.source)
        """Of the schema that is written, as it stands in the header."""
        self._parsed = parse_schema(json.loads(json.dumps(self.source)))
        self._strict = strict(self._parsed)
        self._write = writer(cls)  # type: ignore[arg-type]  # a class is hashable
        self._from = from_record(cls)  # type: ignore[arg-type]  # a class is hashable
        self._header = single_object_header(self.fingerprint)
        self._writers: dict[bytes, Any] = {}
        for other in older:
            self.learn(other)

    def learn(self, source: Any) -> None:
        """Makes states readable that were written with this schema (JSON). Raises UnreadableState when it is unfit."""
        try:
            refuse(source)
            header = single_object_header(schemas.crc_of(source))
            if header != self._header and header not in self._writers:
                self._writers[header] = parse_schema(source)
        except _UNFIT as error:
            raise UnreadableState(f"{self.name}: a schema on the changelog is refused: {error}. {_ADVICE}") from error

    def encode(self, state: T) -> bytes:
        """The state in single-object encoding."""
        return self._header + self._write(state)

    def decode(self, value: bytes) -> T:
        """The state in a changelog record. Raises UnreadableState."""
        header = value[:SINGLE_OBJECT_SIZE]
        writer = None if header == self._header else self._writer(header)
        buffer = BytesIO(value)
        buffer.seek(SINGLE_OBJECT_SIZE)
        try:
            if writer is None:
                record = schemaless_reader(buffer, self._strict, None)
            else:
                record = schemaless_reader(buffer, writer, self._parsed)
            state: T = self._from(record)
        except Exception as error:
            raise UnreadableState(f"{self.name}: {type(error).__name__}: {error}. {_ADVICE}") from error
        if buffer.tell() != len(value):
            raise UnreadableState(f"{self.name}: {len(value) - buffer.tell()} bytes follow the record. {_ADVICE}")
        return state

    def _writer(self, header: bytes) -> Any:
        writer = self._writers.get(header)
        if writer is not None:
            return writer
        if not header.startswith(MARKER):
            raise UnreadableState(f"{self.name}: begins with {header[:2].hex(' ')}, not C3 01. {_ADVICE}")
        raise UnreadableState(
            f"{self.name}: neither schemas/{self.name} nor the changelog has a schema with the fingerprint "
            f"{header[2:].hex()}: it was written by another release. Start that release or a newer one, or replay the "
            "input under another BACKONTRACK_APP_ID."
        )


_ADVICE = (
    "The changelog record is damaged or not ours. Check BACKONTRACK_APP_ID and BACKONTRACK_TOPIC_PREFIX, or replay the "
    "input under another BACKONTRACK_APP_ID."
)


def _stored(name: str) -> tuple[Any, ...]:
    try:
        return tuple(version.source for version in schemas.versions(name))
    except FileNotFoundError:
        return ()


@cache
def account_codec() -> StateCodec[AccountState]:
    """The codec of account states."""
    return StateCodec(AccountState, ACCOUNT, _stored(ACCOUNT))


@cache
def partition_codec() -> StateCodec[PartitionState]:
    """The codec of partition states."""
    return StateCodec(PartitionState, PARTITION, _stored(PARTITION))


def encode_account(state: AccountState) -> bytes:
    """Changelog value of an account state."""
    return account_codec().encode(state)


def decode_account(value: bytes) -> AccountState:
    """Account state of a changelog value. Raises UnreadableState."""
    return account_codec().decode(value)


def encode_partition(state: PartitionState) -> bytes:
    """Changelog value of a partition state."""
    return partition_codec().encode(state)


def decode_partition(value: bytes) -> PartitionState:
    """Partition state of a changelog value. Raises UnreadableState."""
    return partition_codec().decode(value)


def written_schemas() -> dict[bytes, bytes]:
    """The schemas of the states that this release writes: JSON by fingerprint."""
    return {codec.fingerprint: json.dumps(codec.source, separators=(",", ":")).encode() for codec in _codecs()}


def learn(fingerprint: str, value: bytes) -> None:
    """Takes up a schema that stands on a changelog; `fingerprint` is in hex digits. Raises UnreadableState."""
    try:
        source = json.loads(value)
        name, found = source["name"], schemas.crc_of(source).hex()
    except Exception as error:
        raise UnreadableState(
            f"the schema {fingerprint} on the changelog cannot be read: {error}. {_ADVICE}"
        ) from error
    if found != fingerprint:
        raise UnreadableState(f"the schema {fingerprint} on the changelog has the fingerprint {found}. {_ADVICE}")
    for codec in _codecs():
        if codec.source["name"] == name:
            codec.learn(source)


def _codecs() -> tuple[StateCodec[Any], ...]:
    return account_codec(), partition_codec()


def files() -> dict[Path, str]:
    """The newest schema file of each kind of state, and what must stand in it."""
    made: dict[Path, str] = {}
    for codec in _codecs():
        folder = schemas.directory() / codec.name
        number = max((int(path.stem[1:]) for path in folder.glob("v*.avsc")), default=1)
        made[folder / f"v{number}.avsc"] = json.dumps(codec.source, indent=2) + "\n"
    return made


def main(arguments: list[str]) -> int:
    """Writes the schema files; without `--write` or `--new` tells whether they are up to date."""
    stale = [
        (path, text) for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for found, text in stale:
        path = found
        if "--new" in arguments:
            path = found.with_name(f"v{int(found.stem[1:]) + 1}.avsc")
        if "--write" in arguments or "--new" in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")  # noqa: T201  a command
        else:
            print(f"{path} differs from the classes")  # noqa: T201  a command
    return 1 if stale and not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
