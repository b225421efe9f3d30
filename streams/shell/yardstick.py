"""Where the logs end and how far the group has committed, asked of the brokers by a client of its own.

The fetcher cannot be asked: when it is stuck, what it knows of the ends is as old as what it fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition
from faust.types import TP

from streams import topics
from streams.settings import Settings
from streams.shell.connection import librdkafka
from streams.shell.failure import Cure, cure
from streams.shell.progress import Offsets
from streams.shell.rotation import Signature, signature
from streams.shell.watermarks import learn_leaders


class NoAnswerError(Exception):
    """The brokers did not say. `denied` when they refuse to."""

    def __init__(self, reason: str, *, denied: bool = False) -> None:
        super().__init__(reason)
        self.denied = denied


class Yardstick:
    """Asks the brokers; blocking, for a thread of its own.

    Args:
        settings: Group and address.
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, settings: Settings, timeout_s: float) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._client: tuple[Signature, Consumer] | None = None

    @property
    def _consumer(self) -> Consumer:
        # Not an AdminClient: asked for offsets when a broker comes back, it has been seen to abort the process
        # (librdkafka 2.16, `eonce->refcnt > 0`). Made anew with new credentials; it holds nothing that would be lost.
        now = signature(self._settings)
        if self._client is None or self._client[0] != now:
            if self._client is not None:
                self._client[1].close()
            config = {**librdkafka(self._settings), "group.id": self._settings.app_id, "log_level": 0}
            self._client = (now, Consumer(config))
        return self._client[1]

    def ask(self, places: Iterable[TP]) -> dict[TP, Offsets]:
        """Committed offset and end of each topic partition. Raises NoAnswerError.

        Without any, the coordinator of the group is asked all the same, so that a return says that it answers.
        """
        wanted = [TopicPartition(*place) for place in places]
        try:
            committed = self._committed(wanted or [TopicPartition(self._settings.topic(topics.CONTROL), 0)])
            try:
                return self._offsets(wanted, committed)
            except KafkaException:
                # The leader may be another one by now.
                learn_leaders(self._consumer, {place.topic for place in wanted}, self._timeout_s)
                return self._offsets(wanted, committed)
        except KafkaException as error:
            why = error.args[0]
            raise NoAnswerError(why.str(), denied=cure(why) is Cure.RIGHT) from error

    def _offsets(self, wanted: list[TopicPartition], committed: Mapping[TP, int]) -> dict[TP, Offsets]:
        ends = self._bounds(wanted, OFFSET_END)
        new = [place for place in wanted if committed.get(TP(place.topic, place.partition), -1) < 0]
        begins = {**committed, **self._bounds(new, OFFSET_BEGINNING)}
        return {place: Offsets(begins[place], end) for place, end in ends.items() if place in begins}

    def _committed(self, places: list[TopicPartition]) -> dict[TP, int]:
        return self._numbers(self._consumer.committed(places, timeout=self._timeout_s))

    def _bounds(self, places: list[TopicPartition], which: int) -> dict[TP, int]:
        if not places:
            return {}
        asked = [TopicPartition(place.topic, place.partition, which) for place in places]
        return self._numbers(self._consumer.offsets_for_times(asked, timeout=self._timeout_s))

    @staticmethod
    def _numbers(places: Iterable[TopicPartition]) -> dict[TP, int]:
        found: dict[TP, int] = {}
        for place in places:
            if place.error is not None:
                raise KafkaException(place.error)
            found[TP(place.topic, place.partition)] = place.offset
        return found
