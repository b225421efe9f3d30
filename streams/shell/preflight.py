"""What must be true before a worker starts, and what to do when it is not."""

from __future__ import annotations

import threading

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from faust.types import TP

from streams import topics
from streams.settings import Settings
from streams.shell.acls import WORKER, Denied, recovery
from streams.shell.admin import Admin, BrokerUnreachable, Difference
from streams.shell.connection import librdkafka
from streams.shell.failure import Cure, Unrecoverable, cure
from streams.shell.holds import BROKER, DENIED, PATIENCE_S, Holds
from streams.shell.watermarks import watermarks

log = structlog.stdlib.get_logger(__name__)

_ANSWER_S = 15.0
_AGAIN_S = 1.0
_PART = "start"


def preflight(settings: Settings) -> int:
    """Checks broker, topics, partition counts, retention and rights; returns the number of partitions.

    Raises Unrecoverable with what to do. Other differences are logged.
    """
    try:
        return _check(settings)
    except (BrokerUnreachable, Denied) as error:
        raise Unrecoverable(str(error)) from error
    except KafkaException as error:
        raise Unrecoverable(f"the topics cannot be checked: {error.args[0].str()}") from error


def patient_preflight(settings: Settings, holds: Holds, cancelled: threading.Event) -> int | None:
    """Like `preflight`, but waits for brokers that are away and for rights that are missing.

    Blocking, for a thread of its own; None when it was cancelled. Raises Unrecoverable when the topics do not fit.
    """
    reason = f"no answer yet from {settings.bootstrap_servers} (BACKONTRACK_BOOTSTRAP_SERVERS)"
    waiting = threading.Timer(PATIENCE_S, _wait, (holds, BROKER, reason))
    waiting.start()
    try:
        while not cancelled.is_set():
            try:
                return _check(settings)
            except BrokerUnreachable as error:
                _wait(holds, BROKER, str(error))
            except Denied as error:
                _wait(holds, DENIED, str(error))
            except KafkaException as error:
                found = error.args[0]
                if cure(found) is Cure.RIGHT:
                    _wait(holds, DENIED, f"the topics cannot be checked: {found.str()}")
                elif cure(found) is Cure.NONE:
                    raise Unrecoverable(f"the topics cannot be checked: {found.str()}") from error
                else:
                    _wait(holds, BROKER, f"the topics cannot be checked: {found.str()}")
            cancelled.wait(_AGAIN_S)
        return None
    finally:
        waiting.cancel()
        waiting.join()
        holds.off(BROKER, _PART)
        holds.off(DENIED, _PART)


def _wait(holds: Holds, name: str, reason: str) -> None:
    holds.off(BROKER if name == DENIED else DENIED, _PART)
    holds.on(name, reason, _PART)


def _check(settings: Settings) -> int:
    admin = Admin(settings, WORKER)
    # All at once, before the work shows them one by one.
    if missing := admin.missing_rights():
        raise Denied(missing, WORKER)
    differences = admin.check()
    fatal = [difference for difference in differences if _prevents(settings, difference)]
    if fatal:
        raise Unrecoverable("the topics do not fit:\n" + "\n".join(f"  {difference}" for difference in fatal))
    for difference in differences:
        log.warning("topic differs", difference=str(difference))
    changelog = topics.changelog(settings.app_id)
    return admin.partitions([changelog])[changelog][0]


def ends(settings: Settings, partitions: int) -> dict[TP, int]:
    """Where the logs of the input topics end now. Raises Unrecoverable."""
    consumer = Consumer({**librdkafka(settings), "group.id": recovery(settings), "log_level": 0})
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
