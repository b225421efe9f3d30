"""What must be true before a worker starts, and what to do when it is not."""

from __future__ import annotations

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from faust.types import TP

from streams import topics
from streams.settings import Settings
from streams.shell.admin import Admin, BrokerUnreachable, Difference
from streams.shell.connection import librdkafka
from streams.shell.failure import Unrecoverable
from streams.shell.watermarks import watermarks

log = structlog.stdlib.get_logger(__name__)

_ANSWER_S = 15.0


def preflight(settings: Settings) -> int:
    """Checks broker, topics, partition counts and retention; returns the number of partitions.

    Raises Unrecoverable with what to do. Other differences are logged.
    """
    admin = Admin(settings)
    try:
        differences = admin.check()
        fatal = [difference for difference in differences if _prevents(settings, difference)]
        if fatal:
            raise Unrecoverable("the topics do not fit:\n" + "\n".join(f"  {difference}" for difference in fatal))
        for difference in differences:
            log.warning("topic differs", difference=str(difference))
        changelog = topics.changelog(settings.app_id)
        return admin.partitions([changelog])[changelog][0]
    except BrokerUnreachable as error:
        raise Unrecoverable(str(error)) from error
    except KafkaException as error:
        raise Unrecoverable(f"the topics cannot be checked: {error.args[0].str()}") from error


def ends(settings: Settings, partitions: int) -> dict[TP, int]:
    """Where the logs of the input topics end now. Raises Unrecoverable."""
    consumer = Consumer({**librdkafka(settings), "group.id": f"{settings.app_id}-recovery", "log_level": 0})
    try:
        return {
            TP(settings.topic(name), partition): watermarks(
                consumer, TopicPartition(settings.topic(name), partition), _ANSWER_S
            )[1]
            for name in topics.RANKS
            for partition in range(partitions)
        }
    except KafkaException as error:
        raise Unrecoverable(f"the ends of the input topics are not known: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _prevents(settings: Settings, difference: Difference) -> bool:
    if difference.what in {"topic", "partitions"}:
        return True
    inputs = {settings.topic(name) for name in topics.RANKS}
    if difference.what in {"retention.ms", "retention.bytes"}:
        # Imported history has old record times, which the broker's limit is held against.
        return settings.clock == "events" and difference.topic in inputs
    # The changelog without compaction would lose accounts that have been quiet for long.
    return difference.what == "cleanup.policy" and difference.topic not in inputs
