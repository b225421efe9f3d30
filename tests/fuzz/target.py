"""What a frame goes through in the worker: codec, check, fold, and the encoding of what came of it.

Anything but an event or a BadRecord is a finding; so is a verdict or a value that the reference does not share, a
frame that takes over 100 ms of CPU, a state that cannot be stored, and a number in an output that is none.
"""

from __future__ import annotations

import math
import traceback
from collections import Counter
from time import thread_time
from typing import Any, NamedTuple

from streams import topics
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.validate import EARLIEST, LATEST, check
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.sentiment.vader import VaderScorer
from streams.settings import Settings
from streams.shell.codec import Codec
from streams.shell.envelope import headers, health_headers
from streams.shell.frames import BadRecord
from streams.shell.state_codec import decode_account, decode_partition, encode_account, encode_partition
from tests.fuzz.mutate import Frame
from tests.fuzz.reference import FIT, Refused, read

SLOW_S = 0.1
LARGEST_STATE = 1_000_000
"""Bytes: what a changelog record may hold with the brokers' default limit."""
_UNREADABLE = frozenset({"truncated", "undecodable", "trailing_bytes"})
_FRESH = 50_000


class Finding(NamedTuple):
    """Something that must not happen."""

    what: str
    frame: Frame
    detail: str


class _TimedFold(PartitionFold):
    """Tells the CPU seconds that went into timers."""

    timers = 0.0

    def _advance(self, time: int, origin: Origin) -> None:
        began = thread_time()
        super()._advance(time, origin)
        self.timers += thread_time() - began


class Target:
    """Takes frames one by one, as one partition of a worker would."""

    def __init__(self, policy_text: str | None = None) -> None:
        self._codec = Codec(Settings())
        self._policy = load_policy(policy_text, "fuzz") if policy_text else default_policy()
        self._scorer = VaderScorer()
        self.findings: list[Finding] = []
        self.verdicts: Counter[str] = Counter()
        self.outputs: Counter[str] = Counter()
        self.slowest = 0.0
        """CPU seconds of the slowest frame."""
        self.largest = 0
        """Bytes of the largest state of an account."""
        self.done = 0
        self.seconds = 0.0
        """CPU seconds of all frames."""
        self.slowest_timers = 0.0
        """CPU seconds of the timers of all accounts that were due at one frame, the most of any.

        They are due when time passes a moment, such as the end of a week, whatever the record is that moves it there.
        """
        self.begin()

    def begin(self) -> None:
        """Forgets the partition."""
        state = PartitionState(0, policy=self._policy.text)
        self.fold = _TimedFold(state, {}, self._policy, lambda text: load_policy(text, "record"), self._scorer)
        self._offsets: Counter[str] = Counter()

    def take(self, frame: Frame) -> None:
        """Reads, checks and folds one frame, and notes what is wrong."""
        self.done += 1
        self.fold.timers = 0.0
        began = thread_time()
        try:
            got, event = self._apply(frame)
        except Exception:  # noqa: BLE001  whatever it is, it is a finding
            self.findings.append(Finding("crash", frame, traceback.format_exc(limit=-6)))
            self.begin()
            return
        took = thread_time() - began
        self.seconds += took
        self.slowest_timers = max(self.slowest_timers, self.fold.timers)
        took -= self.fold.timers
        self.slowest = max(self.slowest, took)
        if took > SLOW_S:
            self.findings.append(Finding("slow", frame, f"{took * 1000:.0f} ms"))
        self.verdicts[got] += 1
        self._compare(frame, got, event)
        if self.done % 1_000 == 0:
            self.store()
        if self.done % _FRESH == 0:
            self.begin()

    def _apply(self, frame: Frame) -> tuple[str, Any]:
        fold = self.fold
        offset = self._offsets[frame.topic]
        self._offsets[frame.topic] += 1
        event: Any = None
        try:
            event = self._codec.decode(frame.topic, frame.value)
            reason = check(frame.topic, frame.key, event, frame.time, fold.policy.time)
        except BadRecord as bad:
            reason = bad.reason
        if reason is None:
            fold.apply(frame.topic, offset, frame.time, event)
        else:
            sane = EARLIEST <= frame.time < LATEST
            fold.skip(frame.topic, offset, frame.time if sane else fold.state.stream_time)
        for output in fold.outputs:
            self._written(output.topic, output.record, frame)
            headers(output, "fuzz")
        fold.outputs.clear()
        return reason or FIT, event

    def _written(self, topic: str, record: Any, frame: Frame) -> None:
        self.outputs[topic] += 1
        again = self._codec.decode(topic, self._codec.encode(topic, record))
        if wrong := _not_finite(again):
            self.findings.append(Finding("not finite", frame, f"{topic}: {wrong}"))

    def _compare(self, frame: Frame, got: str, event: Any) -> None:
        if (got == FIT) != frame.fit:
            self.findings.append(Finding("verdict", frame, f"{got}, expected {frame.verdict}"))
        if event is not None:
            try:
                expected = read(frame.topic, frame.value)
            except Refused as refused:
                self.findings.append(Finding("value", frame, f"read, though {refused.reason}"))
                return
            # Text for comparing, in which NaN is like NaN.
            if repr(expected) != repr({name: event[name] for name in expected}):
                self.findings.append(Finding("value", frame, f"{event} instead of {expected}"))

    def store(self) -> None:
        """Encodes all states that have changed, as a checkpoint does, and reads them back."""
        fold = self.fold
        nobody = Frame("", None, 0, None, "", "checkpoint")
        try:
            for account_id in fold.dirty:
                account = fold.accounts[account_id]
                value = encode_account(account)
                self.largest = max(self.largest, len(value))
                if len(value) > LARGEST_STATE:
                    self.findings.append(Finding("large", nobody, f"{account_id}: {len(value)} bytes"))
                if encode_account(decode_account(value)) != value:
                    self.findings.append(Finding("round trip", nobody, account_id))
            for account_id in fold.health_changed:
                row = fold.health_row(account_id)
                health_headers(row, "fuzz")
                self._written(topics.HEALTH, row, nobody)
            value = encode_partition(fold.state)
            self.largest = max(self.largest, len(value))
            if len(value) > LARGEST_STATE or encode_partition(decode_partition(value)) != value:
                self.findings.append(Finding("partition", nobody, f"{len(value)} bytes"))
        except Exception:  # noqa: BLE001  as above
            self.findings.append(Finding("crash", nobody, traceback.format_exc(limit=-6)))
            self.begin()
        fold.dirty.clear()
        fold.health_changed.clear()


def _not_finite(value: Any, path: str = "") -> str:
    if isinstance(value, float):
        return "" if math.isfinite(value) else path
    if isinstance(value, dict):
        return next((found for name, part in value.items() if (found := _not_finite(part, f"{path}.{name}"))), "")
    if isinstance(value, list):
        return next((found for part in value if (found := _not_finite(part, path))), "")
    return ""
