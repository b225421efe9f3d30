"""What the workers should have stored and written, computed again from the logs alone, without Faust.

The input topics say what was sent. The changelog, of which nothing is compacted, says which owner applied what in which
order (its `trace` headers) and what it stored when. Every owner's records are folded again from what lay there when it
took over, and every state that it stored is compared, byte for byte, with the model's at the same count.

Two things depend on when the brokers answered and not on the log: how much of an outbox is left in a stored state, and
which state was stored last before a death. So an outbox must be the end of what was decided, and the next owner's fold
begins with what is stored.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import OutboxRecord, Output
from streams.domain.partition import PartitionState
from streams.domain.validate import EARLIEST, LATEST, check
from streams.partition import PartitionFold
from streams.policy.load import load_policy
from streams.policy.model import Policy
from streams.settings import Settings
from streams.shell.changelog import PARTITION_KEY
from streams.shell.codec import Codec
from streams.shell.envelope import headers, health_headers
from streams.shell.frames import BadRecord
from streams.shell.state_codec import (
    UnreadableState,
    decode_account,
    decode_partition,
    encode_account,
    encode_partition,
)
from tests.faults.differences import differences
from tests.faults.expected import Decided, Expected, name_of
from tests.faults.lineage import RESERVED, Change, Damage, Epoch, Lineage
from tests.faults.logs import Logs
from tests.faults.order import merged
from tests.support.stored import Stored

_NAMES = {rank: name for name, rank in topics.RANKS.items()}


class Model:
    """Folds the logs of an application again.

    Args:
        logs: What lies on the brokers.
        damage: Is told of every difference.
        told: Is told of records folded, for a progress bar.
        scorer: Scores raw text as the workers do.
    """

    def __init__(
        self,
        logs: Logs,
        damage: Damage,
        told: Callable[[int], None] = lambda _records: None,
        scorer: Any = None,
    ) -> None:
        if scorer is None:
            from streams.sentiment.vader import VaderScorer  # noqa: PLC0415  loads its lexicon

            scorer = VaderScorer()
        self._logs = logs
        self._damage = damage
        self._told = told
        self._scorer = scorer
        self._codec = Codec(Settings())
        self._decoders = {name: self._codec.decoder(name) for name in topics.RANKS}
        self._policies: dict[str, Policy] = {}
        self._orders: dict[int, list[tuple[int, int]]] = {}
        self.expected = Expected()

    def run(self, *, complete: bool = True) -> Expected:
        """Folds everything; with `complete`, all input must have been applied and stored."""
        inputs: dict[int, dict[str, dict[int, Stored]]] = defaultdict(lambda: defaultdict(dict))
        for topic, records in self._logs.inputs.items():
            for record in records:
                inputs[record.partition][topic][record.offset] = record
        changes: dict[int, list[Stored]] = defaultdict(list)
        for record in self._logs.changelog:
            changes[record.partition].append(record)
        for partition in range(self._logs.partitions):
            self._partition(partition, inputs[partition], changes[partition], complete=complete)
        return self.expected

    def _partition(
        self, partition: int, inputs: Mapping[str, Mapping[int, Stored]], changes: list[Stored], *, complete: bool
    ) -> None:
        lineage = Lineage(partition, self._damage).read(changes)
        epochs, newest, expected = lineage.epochs, lineage.newest, self.expected
        expected.partition_states[partition] = lineage.partition_states
        expected.owners += len(epochs)
        expected.stale += lineage.stale
        expected.overwritten += lineage.overwritten
        flagged: set[str] = set()
        last: _Fold | None = None
        for number in sorted(epochs):
            last = _Fold(self, partition, epochs[number], inputs)
            last.run()
            flagged |= last.flagged
        if last is not None:
            self._rows(partition, newest, flagged)
            if complete:
                self._complete(partition, inputs, newest, last)
        elif complete and any(inputs.values()):
            self._damage(
                "LOST", f"partition {partition}: {sum(map(len, inputs.values()))} records, and nobody owned it"
            )

    def _rows(self, partition: int, newest: Mapping[bytes, bytes], flagged: set[str]) -> None:
        stored = newest.get(PARTITION_KEY)
        if stored is None:
            return
        state = decode_partition(stored)
        accounts = {
            key.decode(): decode_account(value) for key, value in newest.items() if not key.startswith(RESERVED)
        }
        fold = PartitionFold(state, accounts, self.policy(state.policy), self.policy, self._scorer)
        for name in accounts:
            if name in flagged:
                row = fold.health_row(name)
                health_headers(row, self._logs.app_id)
                self.expected.health[name] = self._codec.encode(topics.HEALTH, row)
        del partition

    def _complete(
        self, partition: int, inputs: Mapping[str, Mapping[int, Stored]], newest: Mapping[bytes, bytes], last: _Fold
    ) -> None:
        """All that was sent is applied, and all that was applied is stored."""
        stored = newest.get(PARTITION_KEY)
        applied = decode_partition(stored).applied if stored is not None else {}
        for topic, records in inputs.items():
            end = max((offset for offset, record in records.items() if not self._own_tick(topic, record)), default=-1)
            if applied.get(topic, -1) < end:
                self._damage(
                    "LOST", f"{topic}/{partition}: applied up to {applied.get(topic, -1)}, the log ends at {end}"
                )
        last.compare_final(newest)

    def _own_tick(self, topic: str, record: Stored) -> bool:
        """What a worker itself has put into the log may stay unread when all have stopped."""
        if topic != topics.CONTROL:
            return False
        try:
            return bool(self.decode(topic, record.value)["source"] == self._logs.app_id)
        except BadRecord:
            return False

    def policy(self, text: str) -> Policy:
        """The policy of a text, parsed once."""
        found = self._policies.get(text)
        if found is None:
            found = self._policies[text] = load_policy(text, "policy in the log")
        return found

    def order(self, partition: int, inputs: Mapping[str, Mapping[int, Stored]]) -> list[tuple[int, int]]:
        """The merge of what lay in a partition before any worker started, as ranks and offsets."""
        found = self._orders.get(partition)
        if found is None:
            marks = {topic: end for (topic, number), end in self._logs.marks.items() if number == partition}
            found = self._orders[partition] = merged(inputs, marks)
        return found

    @property
    def app_id(self) -> str:
        """The application."""
        return self._logs.app_id

    @property
    def damage(self) -> Damage:
        """Is told of differences."""
        return self._damage

    @property
    def told(self) -> Callable[[int], None]:
        """Is told of progress."""
        return self._told

    @property
    def codec(self) -> Codec:
        """Encodes outputs."""
        return self._codec

    @property
    def scorer(self) -> Any:
        """Scores raw text."""
        return self._scorer

    def decode(self, topic: str, value: bytes | None) -> dict[str, Any]:
        """An event of a logical topic. Raises BadRecord."""
        return self._decoders[topic](value)


class _Fold:
    """One owner's time with a partition, folded again."""

    def __init__(self, model: Model, partition: int, epoch: Epoch, inputs: Mapping[str, Mapping[int, Stored]]) -> None:
        self._model = model
        self._partition = partition
        self._epoch = epoch
        self._inputs = inputs
        stored = epoch.base.get(PARTITION_KEY)
        state = decode_partition(stored) if stored is not None else PartitionState(partition)
        accounts: dict[str, AccountState] = {}
        for key, value in epoch.base.items():
            if not key.startswith(RESERVED):
                account = decode_account(value)
                accounts[account.account_id] = account
        self.fold = PartitionFold(state, accounts, model.policy(state.policy), model.policy, model.scorer)
        self.outboxes: dict[str, list[OutboxRecord]] = {
            name: list(account.outbox) for name, account in accounts.items() if account.outbox
        }
        self.flagged = set(self.outboxes)
        """Accounts that are owed a health row."""
        self._decided: Counter[str] = Counter()
        for records in (*self.outboxes.values(), state.outbox):
            for record in records:
                model.expected.resendable[name_of(record)] += 1

    def run(self) -> None:
        """Applies in the owner's order, and compares what it stored on the way."""
        self._check_order()
        done, entries, stored_at = 0, self._epoch.entries, 0
        for change in sorted(self._epoch.changes, key=lambda change: (change.count, change.record.offset)):
            if change.count > len(entries):
                self._damage(
                    "STATE",
                    f"{self._where(change)}: taken after {change.count} records, of which {len(entries)} are told",
                )
                continue
            self._apply(entries[done : change.count])
            done = change.count
            self._compare(change)
            if change.record.key == PARTITION_KEY and change.live:
                stored_at = done
        self._apply(entries[done:])
        self._model.expected.at_risk += len(entries) - stored_at
        for name in self._late():
            self._model.expected.resendable[name] += 1

    def _late(self) -> set[tuple[str, str]]:
        """Outputs that this owner first stored after a newer one had taken over, which decides them as well.

        What it sent before it learnt that is a copy, to the byte.
        """
        held: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
        for change in self._epoch.changes:
            if change.record.key is not None and not change.record.key.startswith(RESERVED):
                waiting = decode_account(change.record.value or b"").outbox
                held[change.live].update(name_of(record) for record in waiting)
        found = {
            name_of(record)
            for key, value in self._epoch.base.items()
            if not key.startswith(RESERVED)
            for record in decode_account(value).outbox
        }
        return held[False] - held[True] - found

    def _check_order(self) -> None:
        """Records that were there before any worker are applied in the order of the merge."""
        applied = self.fold.state.applied
        expected = [
            (rank, offset)
            for rank, offset in self._model.order(self._partition, self._inputs)
            if offset > applied.get(_NAMES[rank], -1)
        ]
        known = set(expected)
        mine = [entry for entry in self._epoch.entries if entry in known]
        for place, (entry, wanted) in enumerate(zip(mine, expected, strict=False)):
            if entry != wanted:
                self._damage(
                    "ORDER",
                    f"partition {self._partition}, owner {self._epoch.number}: applied {_NAMES[entry[0]]}@{entry[1]} "
                    f"as number {place} of the log, where {_NAMES[wanted[0]]}@{wanted[1]} belongs",
                )
                return
        self._model.expected.ordered += len(mine)

    def compare_final(self, newest: Mapping[bytes, bytes]) -> None:
        """What is stored at the end is all that there is."""
        state = self.fold.state
        stored = newest.get(PARTITION_KEY)
        if stored is None or _plain_partition(stored) != _plain_partition(encode_partition(state)):
            self._damage("STATE", f"partition {self._partition}: its last stored state is not its last state")
        for name, account in self.fold.accounts.items():
            value = newest.get(name.encode())
            if value is None:
                self._damage("STATE", f"partition {self._partition}: account {name} is not stored")
            elif not self._same_account(account, value):
                self._damage("STATE", f"partition {self._partition}: the last stored state of {name} is not its last")
        for key in newest:
            if not key.startswith(RESERVED) and key.decode() not in self.fold.accounts:
                self._damage("STATE", f"partition {self._partition}: {key!r} is stored and unknown to the model")

    def _apply(self, entries: Iterable[tuple[int, int]]) -> None:
        fold, model = self.fold, self._model
        state = fold.state
        number = 0
        for rank, offset in entries:
            number += 1
            topic = _NAMES[rank]
            before = state.applied.get(topic, -1)
            if offset <= before:
                continue  # looked at again, after the registry could not be asked
            if offset != before + 1:
                self._damage(
                    "LOST", f"{topic}/{self._partition}: records {before + 1} to {offset - 1} were passed over"
                )
            record = self._inputs.get(topic, {}).get(offset)
            if record is None:
                self._damage("ALIEN", f"{topic}/{self._partition}@{offset}: applied, and not in the log")
                continue
            try:
                event = model.decode(topic, record.value)
                reason = check(topic, record.key, event, record.time, fold.policy.time)
            except BadRecord as error:
                reason = error.reason
            if reason is None:
                fold.apply(topic, offset, record.time, event)
            else:
                at = record.time if EARLIEST <= record.time < LATEST else state.stream_time
                fold.skip(topic, offset, at)
                model.expected.poison[topic, self._partition, offset] = reason
            if fold.outputs:
                self._keep(fold.outputs)
                fold.outputs = []
            if fold.health_changed:
                self.flagged |= fold.health_changed
                fold.health_changed.clear()
        model.told(number)

    def _keep(self, outputs: list[Output]) -> None:
        for output in outputs:
            record = OutboxRecord(
                output.topic,
                output.account_id.encode(),
                self._model.codec.encode(output.topic, output.record),
                headers(output, self._model.app_id),
                output.at,
            )
            self.outboxes.setdefault(output.account_id, []).append(record)

    def _compare(self, change: Change) -> None:
        record = change.record
        value = record.value or b""
        self._model.expected.compared += 1
        try:
            if record.key == PARTITION_KEY:
                mine = encode_partition(self.fold.state)
                if _plain_partition(value) != _plain_partition(mine):
                    self._differs(change, decode_partition(value), self.fold.state)
                return
            name = (record.key or b"").decode()
            account = self.fold.accounts.get(name)
            if account is None:
                self._damage("STATE", f"{self._where(change)}: an account that no record is about")
            elif not self._same_account(account, value):
                self._differs(change, decode_account(value), account)
            elif change.live:
                self._decide(name)
        except UnreadableState as error:
            self._damage("STATE", f"{self._where(change)}: {error}")

    def _same_account(self, account: AccountState, value: bytes) -> bool:
        """The same bytes, when the stored outbox is the end of what was decided."""
        stored = decode_account(value)
        decided = self.outboxes.get(account.account_id, [])
        left = len(stored.outbox)
        if left > len(decided) or stored.outbox != decided[len(decided) - left :]:
            return False
        kept, account.outbox = account.outbox, stored.outbox
        try:
            mine = encode_account(account)
        finally:
            account.outbox = kept
        # Another release stores the same state in other bytes.
        return mine == value or encode_account(stored) == mine

    def _decide(self, name: str) -> None:
        """All of an account up to here is stored, so it must arrive."""
        decided = self.outboxes.get(name)
        if not decided:
            return
        expected = self._model.expected.outputs
        for record in decided[self._decided[name] :]:
            made = Decided(self._partition, name, record.value or b"", record.headers, record.at)
            before = expected.setdefault(name_of(record), made)
            if before != made:
                self._damage("WRONG", f"{name_of(record)}: decided twice, differently")
        self._decided[name] = len(decided)

    def _differs(self, change: Change, stored: Any, mine: Any) -> None:
        parts = "; ".join(differences(stored, mine)) or "only its outbox"
        self._damage("STATE", f"{self._where(change)}: differs from the model (stored, model): {parts}")

    def _where(self, change: Change) -> str:
        key = (change.record.key or b"").decode(errors="replace").replace("\x00", "")
        return (
            f"changelog/{self._partition}@{change.record.offset} {key} of owner {self._epoch.number} "
            f"after {change.count} records"
        )

    def _damage(self, kind: str, text: str) -> None:
        self._model.damage(kind, text)


def _plain_partition(value: bytes) -> bytes:
    state = decode_partition(value)
    state.outbox = []
    return encode_partition(state)
