"""Bytes to domain events and back.

Reading one flat event costs about what fastavro alone costs: schemas are parsed once, the frame is looked up as the
bytes it is, and logical types stay integers. Everything else (older schemas, the registry, what is wrong with a
record) is off that path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException, UnknownType

from streams.settings import Settings, SettingsError
from streams.shell import schemas, varints
from streams.shell.frames import (
    CONFLUENT_SIZE,
    MAGIC,
    MARKER,
    SINGLE_OBJECT_SIZE,
    BadRecord,
    confluent_header,
    confluent_id,
    single_object_header,
)
from streams.shell.registry import NotRegistered, SchemaSource, registry_of
from streams.shell.schema_safety import SchemaRefused
from streams.shell.strict import strict
from streams.topics import BY_NAME, DEAD_LETTERS

Event = dict[str, Any]
# What parsing raises, depending on what is wrong; others decide what stands in a registry.
_NO_SCHEMA = (SchemaParseException, UnknownType, ValueError, TypeError, LookupError, AttributeError, RecursionError)
Decoder = Callable[[bytes | None], Event]


class Codec:
    """Reads both frames always; writes the one that the settings name.

    Args:
        settings: Framing, registry, size limit and topic prefix.
        registry: Replaces the one that the settings name.
    """

    def __init__(self, settings: Settings, registry: SchemaSource | None = None) -> None:
        self._settings = settings
        self._own = registry_of(settings) if registry is None else None
        self._registry = registry or self._own
        if settings.framing == "confluent" and self._registry is None:
            raise SettingsError(
                "BACKONTRACK_FRAMING = confluent needs BACKONTRACK_SCHEMA_REGISTRY: the frame carries its ids"
            )
        self._decoders: dict[str, Decoder] = {}
        self._headers: dict[str, bytes] = {}

    def decode(self, topic: str, value: bytes | None) -> Event:
        """The event in a record value of a logical topic, complete with defaults.

        Raises BadRecord when the value cannot be read, and RegistryUnavailable when that cannot be known now.
        """
        return self.decoder(topic)(value)

    def decoder(self, topic: str) -> Decoder:
        """`decode` for one topic, for loops."""
        decoder = self._decoders.get(topic)
        if decoder is None:
            decoder = self._decoders[topic] = self._bind(topic)
        return decoder

    def encode(self, topic: str, record: Mapping[str, Any]) -> bytes:
        """The framed value of a record. Fields with defaults may be missing; unknown fields raise ValueError."""
        header = self._headers.get(topic)
        if header is None:
            header = self._headers[topic] = self._header(topic)
        buffer = BytesIO()
        buffer.write(header)
        schemaless_writer(buffer, schemas.newest(topic).parsed, record, strict_allow_default=True)
        return buffer.getvalue()

    def close(self) -> None:
        """Closes the connection to the registry that the settings name."""
        if self._own is not None:
            self._own.close()

    def _header(self, topic: str) -> bytes:
        newest = schemas.newest(topic)
        if self._settings.framing == "single-object" or self._registry is None:
            return single_object_header(newest.crc)
        subject = f"{self._settings.topic(topic)}-value"
        try:
            return confluent_header(self._registry.id_of(subject, newest.source))
        except NotRegistered as error:
            raise SettingsError(f"{error}. Register schemas/{topic}/v{newest.version}.avsc first.") from error

    def _bind(self, topic: str) -> Decoder:
        if topic not in BY_NAME or topic == DEAD_LETTERS:
            raise ValueError(f"{topic} holds no Avro records")
        newest = schemas.newest(topic)
        limit = self._settings.max_record_bytes
        parsed, suspicious = newest.parsed, varints.suspicious
        # From the header as it stands in the value to the schema for reading; only the newest schema is here.
        current: dict[bytes, Any] = {single_object_header(newest.crc): strict(newest.parsed)}
        size = SINGLE_OBJECT_SIZE
        slow = self._bind_slow(topic, newest)

        def decode(value: bytes | None) -> Event:
            if value is not None and len(value) <= limit:
                schema = current.get(value[:size])
                if schema is not None:
                    buffer = BytesIO(value)
                    buffer.seek(size)
                    try:
                        event: Event = schemaless_reader(buffer, schema, None)  # type: ignore[assignment]  # a record
                        if suspicious(value):
                            varints.check(parsed, value, size)
                    except Exception as error:
                        raise _unreadable(error) from error
                    if buffer.tell() == len(value):
                        return event
                    raise _trailing(len(value) - buffer.tell())
            return slow(value)

        return decode

    def _bind_slow(self, topic: str, newest: schemas.Schema) -> Decoder:
        """Reads whatever was not written with the newest schema in single-object encoding, or says what is wrong."""
        limit = self._settings.max_record_bytes
        readers = {
            single_object_header(version.crc): _reader(version.parsed, version.crc, newest)
            for version in schemas.versions(topic)
        }

        def decode(value: bytes | None) -> Event:
            if not value:
                raise BadRecord("empty", "the value is null" if value is None else "the value is empty")
            if len(value) > limit:
                raise BadRecord("too_large", f"{len(value)} bytes, at most {limit} are read")
            size = SINGLE_OBJECT_SIZE if value[:2] == MARKER else CONFLUENT_SIZE
            if size == CONFLUENT_SIZE and value[:1] != MAGIC:
                if MARKER.startswith(value):
                    raise BadRecord("truncated", f"{len(value)} bytes are no whole header")
                raise BadRecord("wrong_magic", f"begins with {value[:2].hex(' ')}, neither C3 01 nor 00")
            header = value[:size]
            if len(header) < size:
                raise BadRecord("truncated", f"{len(header)} bytes are no whole header")
            reader = readers.get(header)
            if reader is None:
                if size == SINGLE_OBJECT_SIZE:
                    raise BadRecord("unknown_schema", f"no version of {topic} has the fingerprint {header[2:].hex()}")
                reader = readers[header] = self._registered(topic, confluent_id(header), newest)
            return reader(value, size)

        return decode

    def _registered(self, topic: str, schema_id: int, newest: schemas.Schema) -> Callable[[bytes, int], Event]:
        if self._registry is None:
            raise BadRecord("unknown_schema", f"schema id {schema_id}, and BACKONTRACK_SCHEMA_REGISTRY is not set")
        try:
            source = self._registry.schema(schema_id)
            found = schemas.schema(topic, 0, source)
        except NotRegistered as error:
            raise BadRecord("unknown_schema", str(error)) from error
        except SchemaRefused as error:
            raise BadRecord("unknown_schema", f"schema id {schema_id} is refused: {error}") from error
        except _NO_SCHEMA as error:
            problem = f"{type(error).__name__}: {error}"
            raise BadRecord("unknown_schema", f"schema id {schema_id} is no Avro schema: {problem}") from error
        return _reader(found.parsed, found.crc, newest)


def _reader(parsed: Any, crc: bytes, newest: schemas.Schema) -> Callable[[bytes, int], Event]:
    """Reads data of one writer's schema as the newest schema; the header's size is an argument."""
    writer = strict(parsed)
    same = crc == newest.crc

    def read(value: bytes, size: int) -> Event:
        buffer = BytesIO(value)
        buffer.seek(size)
        try:
            event: Any = schemaless_reader(buffer, writer, None)
            if varints.suspicious(value):
                varints.check(parsed, value, size)
            left = len(value) - buffer.tell()
            if not left and not same:
                # What was just read as it was written is now read as the newest schema; old records are rare enough.
                buffer.seek(size)
                event = schemaless_reader(buffer, parsed, newest.parsed)
        except Exception as error:
            raise _unreadable(error) from error
        if left:
            raise _trailing(left)
        result: Event = event
        return result

    return read


def _unreadable(error: Exception) -> BadRecord:
    if isinstance(error, EOFError):
        return BadRecord("truncated", "the value ends before the record does")
    return BadRecord("undecodable", f"{type(error).__name__}: {error}")


def _trailing(count: int) -> BadRecord:
    return BadRecord("trailing_bytes", f"{count} bytes follow the record")
