"""Compares what lies on the brokers with the ledger and the model.

LOST      input that was never applied, a decision or a letter that is not on its topic
ALIEN     something that nothing in the log explains
WRONG     the same (id, seq) with other bytes, headers, key, partition or time
DUP       copies by (id, seq); those beyond what a new owner had to send again are UNEXPLAINED
STATE     a stored state that differs from the model's, or one that is missing
DLQ       the dead letters are not exactly the poison
OFFSETS   an offset was committed beyond what the stored state held
HEALTH    the newest row of an account is not the model's
API       what the read API answers of accounts and episodes is not what the model's records say
LEDGER    the input log is not exactly what was acknowledged
HOLLOW    the load decided nothing, so it proves nothing
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streams import topics
from streams.domain.partitioner import partition_of
from streams.settings import Settings
from tests.faults.expected import Expected
from tests.faults.generator import NOWHERE, Ledger, digest
from tests.faults.logs import Logs
from tests.faults.model import Model
from tests.faults.read_api import Answers, should
from tests.support.stored import Stored

DECISIONS = (topics.INTERVENTIONS, topics.OUTCOMES, topics.SUPPRESSED)
KINDS = (
    "LOST",
    "ALIEN",
    "WRONG",
    "UNEXPLAINED",
    "ORDER",
    "STATE",
    "DLQ",
    "OFFSETS",
    "HEALTH",
    "API",
    "LEDGER",
    "HOLLOW",
)
_KEPT = 200
"""Findings of a kind that are kept in words; all are counted."""
_ERRORS = "__streams.errors."
_LETTER_HEADERS = "backontrack."


@dataclass
class Verdict:
    """What a verification found. `found` counts by kind, `words` tells the first of each."""

    found: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    duplicates: int = 0
    """Copies of decisions and letters beyond the first, explained or not."""
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True when nothing is wrong."""
        return not self.found.total()

    def damage(self, kind: str, text: str) -> None:
        """Notes a finding."""
        self.found[kind] += 1
        if self.found[kind] <= _KEPT:
            self.words.append(f"{kind}: {text}")

    def row(self) -> dict[str, int]:
        """The figures of a report."""
        return {kind: self.found[kind] for kind in KINDS} | {"DUP": self.duplicates}


def verify(
    logs: Logs,
    ledger: Ledger | None,
    *,
    complete: bool = True,
    dup_bound: int | None = None,
    hollow_ok: bool = False,
    told: Callable[[int], None] = lambda _records: None,
    scorer: Any = None,
) -> Verdict:
    """Compares everything.

    Args:
        logs: What lies on the brokers.
        ledger: What was acknowledged; None when that is not known.
        complete: All input must be applied, stored and answered: the workers have caught up and stopped in order.
        dup_bound: Most copies that are allowed, beside that each must be explained.
        hollow_ok: A load without decisions is no mistake.
        told: Is told of records folded.
        scorer: Scores raw text as the workers do.
    """
    verdict, resent = Verdict(), 0
    if ledger is not None:
        ledger = _placed(verdict, logs, ledger)
        resent = _ledger(verdict, logs, ledger)
    expected = Model(logs, verdict.damage, told, scorer).run(complete=complete)
    sent = _decisions(verdict, logs, expected, complete=complete)
    _letters(verdict, logs, expected, sent, complete=complete)
    if ledger is not None:
        _poison(verdict, expected, ledger)
    _copies(verdict, expected, sent, dup_bound)
    _offsets(verdict, logs, expected)
    if complete:
        _health(verdict, logs, expected)
    if logs.answers is not None:
        _api(verdict, logs.answers, should(expected, Settings()))
    decided = Counter(topic for topic, _ in expected.outputs)
    if not hollow_ok and not decided.total():
        verdict.damage("HOLLOW", "no decision in the whole run")
    verdict.figures = {
        "records": sum(map(len, logs.inputs.values())),
        "states": expected.compared,
        "owners": expected.owners,
        "stale": expected.stale,
        "overwritten": expected.overwritten,
        "at_risk": expected.at_risk,
        "ordered": expected.ordered,
        "letters": len(expected.poison),
        **{topic: decided[topic] for topic in DECISIONS},
        "health_rows": len(logs.outputs.get(topics.HEALTH, ())),
        "samples": len(logs.samples),
        "resent": resent,
    }
    return verdict


def _placed(verdict: Verdict, logs: Logs, ledger: Ledger) -> Ledger:
    """Acknowledgements without a place get that of an equal record that no other one names."""
    lines = [line for line in ledger.lines if line.offset != NOWHERE]
    if len(lines) == len(ledger.lines):
        return ledger
    taken = {line[:3] for line in lines}
    free: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for topic, records in logs.inputs.items():
        for record in records:
            if (topic, record.partition, record.offset) not in taken:
                mark = digest(record.key, record.value)
                free[topic, record.partition, record.time, mark].append(record.offset)
    for line in ledger.lines:
        if line.offset == NOWHERE:
            places = free[line.topic, line.partition, line.time, line.digest]
            if places:
                lines.append(line._replace(offset=places.pop(0)))
            else:
                where = f"{line.topic}/{line.partition}, record of {line.time}"
                verdict.damage("LEDGER", f"{where}: acknowledged without a place, and not in the log")
    return Ledger(lines, ledger.unacknowledged)


def _ledger(verdict: Verdict, logs: Logs, ledger: Ledger) -> int:
    """The input log holds what was acknowledged, and nothing else but what a worker itself writes there.

    Returns how many records are there once more: a broker that is killed may forget which numbers a producer has used.
    """
    sent = {(line.topic, line.partition, line.time, line.digest) for line in ledger.lines}
    wanted = {(line.topic, line.partition, line.offset): line for line in ledger.lines}
    if len(wanted) != len(ledger.lines):
        verdict.damage("LEDGER", f"{len(ledger.lines) - len(wanted)} acknowledgements name a place that is taken")
    unknown = resent = 0
    for topic, records in logs.inputs.items():
        for record in records:
            place = (topic, record.partition, record.offset)
            line, mark = wanted.pop(place, None), digest(record.key, record.value)
            if line is None and (topic, record.partition, record.time, mark) in sent:
                resent += 1
            elif line is None:
                unknown += topic != topics.CONTROL
            elif line.digest != mark or line.time != record.time:
                verdict.damage("LEDGER", f"{_at(*place)}: another record than the one that was acknowledged")
    if unknown > ledger.unacknowledged:
        verdict.damage("LEDGER", f"{unknown} records in the log, of which {ledger.unacknowledged} may be: never sent")
    for place in wanted:
        verdict.damage("LEDGER", f"{_at(*place)}: acknowledged, and not in the log")
    return resent


def _decisions(verdict: Verdict, logs: Logs, expected: Expected, *, complete: bool) -> Counter[tuple[str, str]]:
    sent: Counter[tuple[str, str]] = Counter()
    for topic in DECISIONS:
        for record in logs.outputs.get(topic, ()):
            ce_id = (record.header("ce_id") or b"").decode(errors="replace")
            name = (topic, ce_id)
            sent[name] += 1
            decided = expected.outputs.get(name)
            where = f"{_at(topic, record.partition, record.offset)} {ce_id}"
            if decided is None:
                verdict.damage("ALIEN", f"{where}: no stored state has decided it")
                continue
            wrong = [
                what
                for what, differs in (
                    ("value", record.value != decided.value),
                    ("key", record.key != decided.account.encode()),
                    ("partition", record.partition != decided.partition),
                    ("headers", dict(record.headers) != decided.headers),
                    ("time", record.time != decided.at),
                )
                if differs
            ]
            if wrong:
                verdict.damage("WRONG", f"{where}: another {', '.join(wrong)} than was decided")
    if complete:
        for name in expected.outputs.keys() - sent.keys():
            verdict.damage("LOST", f"{name[0]} {name[1]}: decided and stored, and not on its topic")
    return sent


def _letters(
    verdict: Verdict, logs: Logs, expected: Expected, sent: Counter[tuple[str, str]], *, complete: bool
) -> None:
    originals = {
        (topic, record.partition, record.offset): record for topic, records in logs.inputs.items() for record in records
    }
    seen: set[tuple[str, int, int]] = set()
    for record in logs.outputs.get(topics.DEAD_LETTERS, ()):
        parts = [(record.header(_ERRORS + part) or b"").decode() for part in ("topic", "partition", "offset")]
        where = f"{_at(topics.DEAD_LETTERS, record.partition, record.offset)} about {'/'.join(parts)}"
        sent[topics.DEAD_LETTERS, "/".join(parts)] += 1
        if not (parts[1].isdigit() and parts[2].isdigit()):
            verdict.damage("DLQ", f"{where}: does not say where it comes from")
            continue
        place = (parts[0].removeprefix(logs.prefix), int(parts[1]), int(parts[2]))
        original = originals.get(place)
        if place not in expected.poison or original is None:
            verdict.damage("DLQ", f"{where}: a record that can be read, or that there is not")
            continue
        seen.add(place)
        if (record.key, record.value) != (original.key, original.value) or _own(original) != _foreign(record):
            verdict.damage("DLQ", f"{where}: not the original key, value and headers")
    if complete:
        for place in expected.poison.keys() - seen:
            verdict.damage("DLQ", f"{_at(*place)}: {expected.poison[place]}, and no dead letter is about it")


def _own(record: Stored) -> list[tuple[str, bytes | None]]:
    return list(record.headers)


def _foreign(letter: Stored) -> list[tuple[str, bytes | None]]:
    return [header for header in letter.headers if not header[0].startswith((_ERRORS, _LETTER_HEADERS))]


def _poison(verdict: Verdict, expected: Expected, ledger: Ledger) -> None:
    """What the model takes for poison is what the generator has spoilt."""
    spoilt = ledger.poison()
    for place in expected.poison.keys() - spoilt.keys():
        verdict.damage("DLQ", f"{_at(*place)}: {expected.poison[place]}, but it was sent in order")
    applied = {
        (partition, topic): offset
        for partition, states in expected.partition_states.items()
        for _, held in states
        for topic, offset in held.items()
    }
    for place in spoilt.keys() - expected.poison.keys():
        if place[2] <= applied.get((place[1], place[0]), -1):
            verdict.damage("DLQ", f"{_at(*place)}: spoilt ({spoilt[place]}), and taken for a good record")


def _copies(verdict: Verdict, expected: Expected, sent: Counter[tuple[str, str]], dup_bound: int | None) -> None:
    verdict.duplicates = sum(times - 1 for times in sent.values())
    for name, times in sent.items():
        explained = expected.resendable[name]
        if times > 1 + explained:
            verdict.damage(
                "UNEXPLAINED", f"{name[0]} {name[1]}: sent {times} times, found waiting by {explained} new owners"
            )
    if dup_bound is not None and verdict.duplicates > dup_bound:
        verdict.damage("UNEXPLAINED", f"{verdict.duplicates} copies, at most {dup_bound} are allowed")


def _offsets(verdict: Verdict, logs: Logs, expected: Expected) -> None:
    """At no sampled moment was an offset committed beyond what was stored by then."""
    ends = dict.fromkeys(range(logs.partitions), 1 << 62)
    moments = [(sample.at, sample.committed, sample.ends) for sample in logs.samples]
    moments.append((float("inf"), logs.committed, ends))
    told: set[tuple[str, int]] = set()
    # Samples are in order, so each partition's states are walked once.
    places = dict.fromkeys(range(logs.partitions), 0)
    held: dict[int, dict[str, int]] = {partition: {} for partition in range(logs.partitions)}
    for at, committed, upto in moments:
        for partition in range(logs.partitions):
            states = expected.partition_states.get(partition, [])
            while places[partition] < len(states) and states[places[partition]][0] < upto.get(partition, 0):
                held[partition] = states[places[partition]][1]
                places[partition] += 1
        for (topic, partition), offset in committed.items():
            stored = held[partition].get(topic, -1) + 1
            if offset > stored and (topic, partition) not in told:
                told.add((topic, partition))
                verdict.damage(
                    "OFFSETS", f"{topic}/{partition}: {offset} committed at {at:.1f} s, the stored state holds {stored}"
                )


def _api(verdict: Verdict, answers: Answers, wanted: Answers) -> None:
    if answers.totals != wanted.totals or answers.unreadable:
        verdict.damage(
            "API",
            f"{answers.totals[0]} accounts, {answers.totals[1]} episodes, {answers.unreadable} unread records; "
            f"the model has {wanted.totals[0]} and {wanted.totals[1]}",
        )
    for name, rows, mine in (
        ("account_id", answers.accounts, wanted.accounts),
        ("intervention_id", answers.episodes, wanted.episodes),
    ):
        for row, own in zip(rows, mine, strict=False):
            if row != own:
                changed = sorted(field for field in row.keys() | own.keys() if row.get(field) != own.get(field))
                verdict.damage("API", f"{row[name]}: {', '.join(changed)} are not the model's for {own[name]}")


def _health(verdict: Verdict, logs: Logs, expected: Expected) -> None:
    newest: dict[str, Stored] = {}
    for record in logs.outputs.get(topics.HEALTH, ()):
        name = (record.key or b"").decode(errors="replace")
        newest[name] = record
        if record.partition != partition_of(record.key or b"", logs.partitions):
            verdict.damage("HEALTH", f"{name}: a row in partition {record.partition}, which is not the account's")
    for name in newest.keys() | expected.health.keys():
        row, mine = newest.get(name), expected.health.get(name)
        if row is None:
            verdict.damage("HEALTH", f"{name}: has no row")
        elif mine is None:
            verdict.damage("HEALTH", f"{name}: has a row, and should have none")
        elif row.value != mine:
            verdict.damage(
                "HEALTH",
                f"{name}: the newest row (offset {row.offset} of partition {row.partition}) is not the model's",
            )


def _at(topic: str, partition: int, offset: int) -> str:
    return f"{topic}/{partition}@{offset}"
