"""How every client of the product reaches the brokers: the one home of addresses and credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.settings import Settings
from streams.shell import credentials

if TYPE_CHECKING:
    # Faust takes a second, which commands that do not need it should not.
    from faust.types.auth import CredentialsT


def librdkafka(settings: Settings) -> dict[str, Any]:
    """What every confluent-kafka client is configured with, in librdkafka's names.

    A client that lives long is also given to `rotation.keep_fresh`. Raises SettingsError when the settings of security
    do not fit together, or a file cannot be used.
    """
    credentials.check(settings)
    made: dict[str, Any] = {"bootstrap.servers": settings.bootstrap_servers}
    protocol = settings.security_protocol
    if protocol == "plaintext":
        return made
    made["security.protocol"] = protocol
    if protocol.startswith("sasl"):
        made |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username,
            "sasl.password": credentials.password(settings, "sasl_password"),
        }
    if protocol.endswith("ssl"):
        # Its messages name setting and file; those of the client do not.
        credentials.tls_context(settings)
        made |= {
            "ssl.endpoint.identification.algorithm": "https",
            "enable.ssl.certificate.verification": True,
            # Without a file: where this system keeps its certificates.
            "ssl.ca.location": str(settings.ssl_ca_file or "probe"),
        }
        if settings.ssl_certificate_file:
            made |= {
                "ssl.certificate.location": str(settings.ssl_certificate_file),
                "ssl.key.location": str(settings.ssl_key_file),
            }
            if secret := credentials.password(settings, "ssl_key_password"):
                made["ssl.key.password"] = secret
    return made


def producing(settings: Settings) -> dict[str, Any]:
    """What every producer is configured with. Keys choose partitions by murmur2, as all Kafka clients for Java do."""
    return {
        **librdkafka(settings),
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
    }


ONE_IN_FLIGHT = {"max.in.flight.requests.per.connection": 1}
"""For a producer that does not wait for its first record in each partition.

Brokers up to 4.3 may take a batch for a new partition whose forerunner they refused (KAFKA-15591); the client
acknowledges both.
"""


def faust_credentials(settings: Settings) -> CredentialsT | None:
    """What Faust's consumer is given; None for plain text. Raises SettingsError like `librdkafka`."""
    import faust  # noqa: PLC0415  as above

    credentials.check(settings)
    protocol = settings.security_protocol
    context = credentials.tls_context(settings) if protocol.endswith("ssl") else None
    if protocol.startswith("sasl"):
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=credentials.password(settings, "sasl_password"),
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context=context)
