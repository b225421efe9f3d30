"""A run as it would lie on the brokers, made without any: two owners of each partition, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams import topics
from streams.domain.outputs import OutboxRecord
from streams.domain.partition import PartitionState
from streams.domain.validate import EARLIEST, LATEST, check
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.policy.model import Policy
from streams.sentiment.vader import VaderScorer
from streams.settings import Settings
from streams.shell.changelog import EPOCH, PARTITION_KEY
from streams.shell.codec import Codec
from streams.shell.envelope import headers, health_headers
from streams.shell.frames import BadRecord
from streams.shell.state_codec import decode_account, decode_partition, encode_account, encode_partition
from streams.shell.trace import HEADER, Trace
from tests.faults.generator import History, Ledger, Line, Mix, Sent, digest
from tests.faults.logs import Logs, Sample
from tests.support.stored import Stored

PARTITIONS = 2
APP = "recorded"
PREFIX = "recorded-"
_EVERY = 40
_ERRORS = "__streams.errors."


@dataclass
class Recorded:
    """Logs and the ledger that belongs to them."""

    logs: Logs
    ledger: Ledger = field(default_factory=Ledger)


class _Owner:
    """What a worker would write for one partition, in order."""

    def __init__(self, run: Recorded, partition: int, epoch: int) -> None:
        self.run, self.partition, self.epoch = run, partition, epoch
        self.trace = Trace()
        self.codec = Codec(Settings())
        newest = {r.key: r.value for r in run.logs.changelog if r.partition == partition}
        stored = newest.pop(PARTITION_KEY, None)
        state = decode_partition(stored) if stored else PartitionState(partition, policy=default_policy().text)
        accounts = {a.account_id: a for a in map(decode_account, filter(None, newest.values()))}
        self.fold = PartitionFold(state, accounts, self._load(state.policy), self._load, VaderScorer())
        self.waiting = {a.account_id for a in accounts.values() if a.outbox}
        self.fold.health_changed |= self.waiting
        self._change(PARTITION_KEY, encode_partition(state), traced=False)

    @staticmethod
    def _load(text: str) -> Policy:
        return load_policy(text, "recorded")

    def apply(self, topic: str, record: Stored) -> None:
        """Applies one record as the table does."""
        fold = self.fold
        if record.offset <= fold.state.applied.get(topic, -1):
            return
        self.trace.applied(topics.RANKS[topic], record.offset)
        try:
            event = self.codec.decode(topic, record.value)
            reason = check(topic, record.key, event, record.time, fold.policy.time)
        except BadRecord as error:
            reason = error.reason
        if reason is None:
            fold.apply(topic, record.offset, record.time, event)
        else:
            at = record.time if EARLIEST <= record.time < LATEST else fold.state.stream_time
            fold.skip(topic, record.offset, at)
            place = (PREFIX + topic, str(record.partition), str(record.offset))
            found = {
                _ERRORS + name: value.encode()
                for name, value in zip(("topic", "partition", "offset"), place, strict=True)
            }
            fold.state.outbox.append(OutboxRecord(topics.DEAD_LETTERS, record.key, record.value, found, at))
        for output in fold.outputs:
            value = self.codec.encode(output.topic, output.record)
            row = OutboxRecord(output.topic, output.account_id.encode(), value, headers(output, APP), output.at)
            fold.accounts[output.account_id].outbox.append(row)
            self.waiting.add(output.account_id)
        fold.outputs = []

    def emit(self, *, send: bool = True) -> None:
        """States with outboxes, then the outboxes; without `send` it dies between the two."""
        for name in sorted(self.waiting):
            self._change(name.encode(), encode_account(self.fold.accounts[name]))
        if not send:
            return
        for name in sorted(self.waiting):
            account = self.fold.accounts[name]
            for record in account.outbox:
                self._output(record)
            account.outbox.clear()
            self.fold.dirty.add(name)
        self.waiting.clear()

    def checkpoint(self) -> None:
        """Emits, then stores everything and commits."""
        self.emit()
        fold, logs = self.fold, self.run.logs
        for name in sorted(fold.health_changed):
            row = fold.health_row(name)
            made = health_headers(row, APP)
            value = self.codec.encode(topics.HEALTH, row)
            self._append(logs.outputs[topics.HEALTH], name.encode(), value, made, row["as_of"])
        for name in sorted(fold.dirty | fold.health_changed):
            self._change(name.encode(), encode_account(fold.accounts[name]))
        fold.dirty.clear()
        fold.health_changed.clear()
        self._change(PARTITION_KEY, encode_partition(fold.state))
        for record in fold.state.outbox:
            self._output(record)
        if fold.state.outbox:
            fold.state.outbox.clear()
            self._change(PARTITION_KEY, encode_partition(fold.state))
        for topic, offset in fold.state.applied.items():
            logs.committed[topic, self.partition] = offset + 1
        ends = {p: sum(r.partition == p for r in logs.changelog) for p in range(PARTITIONS)}
        logs.samples.append(Sample(float(len(logs.samples)), dict(logs.committed), ends))

    def _output(self, record: OutboxRecord) -> None:
        self._append(
            self.run.logs.outputs[record.topic], record.key, record.value, dict(record.all_headers()), record.at
        )

    def _change(self, key: bytes, value: bytes, *, traced: bool = True) -> None:
        made: dict[str, bytes | None] = {EPOCH: b"%d" % self.epoch}
        if traced:
            tell = self.trace.repeated if key == PARTITION_KEY else self.trace.header
            made[HEADER] = tell(self.trace.count)
        self._append(self.run.logs.changelog, key, value, made, 0)
        if key == PARTITION_KEY:
            self.trace.confirm()

    def _append(
        self,
        log: list[Stored],
        key: bytes | None,
        value: bytes | None,
        made: dict[str, bytes | None] | dict[str, bytes],
        at: int,
    ) -> None:
        offset = sum(record.partition == self.partition for record in log)
        log.append(Stored(self.partition, offset, key, value, tuple(made.items()), at))


def record_run(seed: int = 1, days: int = 42) -> Recorded:
    """The first owner dies with outputs that are stored and not sent; the second finishes in order."""
    run = Recorded(Logs(PARTITIONS, PREFIX, APP))
    history = History(seed, 8, Mix(poison=0.02, duplicates=0.05), PARTITIONS)
    for name in topics.RANKS:
        run.logs.inputs[name] = []
    for name in (*topics.OUTPUTS, topics.DEAD_LETTERS):
        run.logs.outputs[name] = []
    order: list[list[tuple[str, Stored]]] = [[] for _ in range(PARTITIONS)]
    ends: dict[tuple[str, int], int] = {}
    for sent in history.days(days):
        _store(run, sent, order, ends)
    for partition in range(PARTITIONS):
        owner = _Owner(run, partition, 1)
        half = len(order[partition]) // 2
        for number, (topic, record) in enumerate(order[partition]):
            owner.apply(topic, record)
            if number > half and owner.waiting:
                owner.emit(send=False)
                break
            if number % _EVERY == 0:
                owner.checkpoint()
        owner = _Owner(run, partition, 2)
        for number, (topic, record) in enumerate(order[partition]):
            owner.apply(topic, record)
            if number % _EVERY == 0:
                owner.checkpoint()
        owner.checkpoint()
    return run


def _store(run: Recorded, sent: Sent, order: list[list[tuple[str, Stored]]], ends: dict[tuple[str, int], int]) -> None:
    from streams.domain.partitioner import partition_of  # noqa: PLC0415

    partition = partition_of(sent.key or b"", PARTITIONS)
    offset = ends.get((sent.topic, partition), 0)
    ends[sent.topic, partition] = offset + 1
    stored = Stored(partition, offset, sent.key, sent.value, (), sent.time)
    run.logs.inputs[sent.topic].append(stored)
    order[partition].append((sent.topic, stored))
    line = Line(sent.topic, partition, offset, sent.time, digest(sent.key, sent.value), sent.poison)
    run.ledger.lines.append(line)
