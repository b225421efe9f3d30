"""A verifier that does not find damage proves nothing: here every kind of it is planted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams import topics
from streams.domain.partition import PartitionState
from streams.policy.load import default_policy
from streams.settings import Settings
from streams.shell.changelog import CLAIM, EPOCH, PARTITION_KEY, SINCE
from streams.shell.state_codec import decode_account, encode_account, encode_partition
from streams.shell.trace import HEADER
from tests.faults.expected import Expected
from tests.faults.generator import NOWHERE, Ledger
from tests.faults.logs import Logs
from tests.faults.read_api import Answers, should
from tests.faults.verifier import Verdict, verify
from tests.support.stored import Stored
from tests.unit.faults.recorded import Recorded, record_run


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return record_run()


@pytest.fixture
def run(recorded: Recorded) -> Recorded:
    """A copy that a test may damage."""
    logs = recorded.logs
    copy = replace(
        logs,
        inputs={name: list(records) for name, records in logs.inputs.items()},
        outputs={name: list(records) for name, records in logs.outputs.items()},
        changelog=list(logs.changelog),
        committed=dict(logs.committed),
        samples=list(logs.samples),
    )
    return Recorded(copy, Ledger(list(recorded.ledger.lines)))


def _verify(run: Recorded, dup_bound: int | None = None) -> Verdict:
    return verify(run.logs, run.ledger, dup_bound=dup_bound)


def _account(record: Stored) -> bool:
    return record.key != PARTITION_KEY and record.header(HEADER) is not None


def _decisions(logs: Logs) -> list[Stored]:
    return logs.outputs[topics.INTERVENTIONS]


def test_undamaged_run_passes(run: Recorded) -> None:
    verdict = _verify(run)
    assert verdict.passed, verdict.words
    assert verdict.figures["interventions"] > 5
    assert verdict.figures["letters"] > 3
    assert verdict.figures["states"] > 50


def test_copies_that_a_new_owner_had_to_send_are_counted_and_explained(run: Recorded) -> None:
    # The first owner had stored these and died before sending: nobody knows whether it had sent them after all.
    expected = verify(run.logs, run.ledger)
    assert expected.duplicates == 0
    log = _decisions(run.logs)
    handed_over = [r for r in run.logs.changelog if r.header(EPOCH) == b"1" and _account(r)][-1]
    waiting = decode_account(handed_over.value or b"").outbox
    assert waiting
    name = waiting[0].headers["ce_id"]
    topic = run.logs.outputs[waiting[0].topic]
    topic.append(next(r for r in topic if r.header("ce_id") == name))
    verdict = _verify(run)
    assert verdict.duplicates == 1
    assert verdict.passed, verdict.words
    assert _verify(run, dup_bound=0).found["UNEXPLAINED"] == 1
    assert log


def test_copy_that_nothing_explains_is_found(run: Recorded) -> None:
    _decisions(run.logs).append(_decisions(run.logs)[0])
    verdict = _verify(run)
    assert verdict.found == {"UNEXPLAINED": 1}
    assert verdict.duplicates == 1


def test_lost_decision_is_found(run: Recorded) -> None:
    del _decisions(run.logs)[3]
    assert _verify(run).found == {"LOST": 1}


def test_alien_decision_is_found(run: Recorded) -> None:
    log = _decisions(run.logs)
    made = {**dict(log[0].headers), "ce_id": b"somebody-else:0"}
    log.append(log[0]._replace(headers=tuple(made.items())))
    assert _verify(run).found == {"ALIEN": 1}


@pytest.mark.parametrize("part", ["value", "key", "partition", "time"])
def test_altered_decision_is_found(run: Recorded, part: str) -> None:
    first = _decisions(run.logs)[0]
    altered = {
        "value": (first.value or b"")[:-1] + bytes([(first.value or b"")[-1] ^ 1]),
        "key": b"another",
        "partition": 1 - first.partition,
        "time": first.time + 1,
    }
    _decisions(run.logs)[0] = first._replace(**{part: altered[part]})
    assert _verify(run).found == {"WRONG": 1}


def test_altered_header_is_found(run: Recorded) -> None:
    first = _decisions(run.logs)[0]
    made = {**dict(first.headers), "ce_subject": b"another"}
    _decisions(run.logs)[0] = first._replace(headers=tuple(made.items()))
    assert _verify(run).found == {"WRONG": 1}


def test_altered_state_is_found(run: Recorded) -> None:
    def alter(value: bytes) -> bytes:
        account = decode_account(value)
        account.first_seen_at += 1
        return encode_account(account)

    place = max(number for number, record in enumerate(run.logs.changelog) if _account(record))
    run.logs.changelog[place] = run.logs.changelog[place]._replace(value=alter(run.logs.changelog[place].value or b""))
    assert _verify(run).found["STATE"] >= 1


def test_state_that_lost_a_waiting_output_is_found(run: Recorded) -> None:
    def empty(value: bytes) -> bytes:
        account = decode_account(value)
        account.outbox.clear()
        return encode_account(account)

    place = max(
        number
        for number, record in enumerate(run.logs.changelog)
        if _account(record) and record.header(EPOCH) == b"1" and decode_account(record.value or b"").outbox
    )
    waiting = decode_account(run.logs.changelog[place].value or b"").outbox
    run.logs.changelog[place] = run.logs.changelog[place]._replace(value=empty(run.logs.changelog[place].value or b""))
    topic = run.logs.outputs[waiting[0].topic]
    topic[:] = [r for r in topic if r.header("ce_id") != waiting[0].headers["ce_id"]]
    assert _verify(run).found["LOST"] >= 1


def test_account_that_was_never_stored_is_found(run: Recorded) -> None:
    name = next(r.key for r in reversed(run.logs.changelog) if _account(r))
    run.logs.changelog = [r for r in run.logs.changelog if r.key != name]
    assert _verify(run).found["STATE"] >= 1


def test_order_that_a_refused_record_told_is_known_from_the_state_of_its_partition(run: Recorded) -> None:
    """A state that the brokers refused is not sent again once there is a newer one; what it told is not lost."""
    log = run.logs.changelog
    told = [place for place, record in enumerate(log) if _account(record) and b":" in (record.header(HEADER) or b"")]
    assert told
    newest = {(record.partition, record.key): place for place, record in enumerate(log)}
    place = next(place for place in told if newest[log[place].partition, log[place].key] != place)
    del log[place]
    verdict = _verify(run)
    assert verdict.passed, verdict.words


def _entries(record: Stored) -> tuple[int, list[bytes]]:
    """Number of the first record that a state tells of, and what it tells."""
    _, first, order = (record.header(HEADER) or b"0|0|").split(b"|")
    return int(first), order.split(b",") if order else []


def _told(run: Recorded) -> tuple[int, bytes | None, dict[int, bytes]]:
    """Partition, owner and the order that this owner tells, by number."""
    partition, owner = next((r.partition, r.header(EPOCH)) for r in run.logs.changelog if _entries(r)[1])
    mine = [r for r in run.logs.changelog if (r.partition, r.header(EPOCH)) == (partition, owner)]
    return partition, owner, {n: entry for r in mine for n, entry in enumerate(_entries(r)[1], _entries(r)[0])}


def _retell(run: Recorded, partition: int, owner: bytes | None, changed: dict[int, bytes]) -> None:
    """Changes what the owner tells, wherever it tells it."""
    for place, record in enumerate(run.logs.changelog):
        first, entries = _entries(record)
        if entries and (record.partition, record.header(EPOCH)) == (partition, owner):
            order = b",".join(changed.get(number, entry) for number, entry in enumerate(entries, first))
            count = (record.header(HEADER) or b"").split(b"|")[0]
            run.logs.changelog[place] = _with(record, **{HEADER: b"%s|%d|%s" % (count, first, order)})


def test_record_that_was_passed_over_is_found(run: Recorded) -> None:
    partition, owner, told = _told(run)
    number = next(number for number in sorted(told) if number > 20 and told[number].startswith(b"2:"))
    _retell(run, partition, owner, {number: b"2:99999"})
    verdict = _verify(run)
    assert verdict.found["LOST"] >= 1


def test_input_that_was_never_applied_is_found(run: Recorded) -> None:
    usage = run.logs.inputs[topics.USAGE]
    last = max((r for r in usage if r.partition == 0), key=lambda r: r.offset)
    usage.append(last._replace(offset=last.offset + 1))
    line = next(li for li in run.ledger.lines if li[:3] == (topics.USAGE, 0, last.offset))
    run.ledger.lines.append(line._replace(offset=last.offset + 1))
    assert _verify(run).found == {"LOST": 1}


def test_wrong_answer_of_the_read_api_is_found(run: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Answers] = []

    def kept(expected: Expected, settings: Settings) -> Answers:
        found.append(should(expected, settings))
        return found[-1]

    monkeypatch.setattr("tests.faults.verifier.should", kept)
    run.logs.answers = Answers([], [], (0, 0))
    assert _verify(run).found == {"API": 1}
    right = found[0]
    assert right.accounts
    assert right.episodes
    run.logs.answers = right
    assert _verify(run).passed
    wrong = {**right.episodes[0], "state": "somewhere"}
    run.logs.answers = replace(right, episodes=[wrong, *right.episodes[1:]])
    assert _verify(run).found == {"API": 1}


def test_missing_dead_letter_is_found(run: Recorded) -> None:
    del run.logs.outputs[topics.DEAD_LETTERS][0]
    assert _verify(run).found == {"DLQ": 1}


def test_altered_dead_letter_is_found(run: Recorded) -> None:
    letters = run.logs.outputs[topics.DEAD_LETTERS]
    letters[0] = letters[0]._replace(value=b"something else")
    assert _verify(run).found == {"DLQ": 1}


def test_dead_letter_about_a_good_record_is_found(run: Recorded) -> None:
    letters = run.logs.outputs[topics.DEAD_LETTERS]
    poison = run.ledger.poison()
    good = next(li for li in run.ledger.lines if li[:3] not in poison)
    made = {
        **dict(letters[0].headers),
        "__streams.errors.topic": (run.logs.prefix + good.topic).encode(),
        "__streams.errors.partition": b"%d" % good.partition,
        "__streams.errors.offset": b"%d" % good.offset,
    }
    letters.append(letters[0]._replace(headers=tuple(made.items())))
    assert _verify(run).found == {"DLQ": 1}


def test_poison_taken_for_a_good_record_is_found(run: Recorded) -> None:
    poison = run.ledger.poison()
    place = next(number for number, line in enumerate(run.ledger.lines) if line[:3] not in poison)
    run.ledger.lines[place] = run.ledger.lines[place]._replace(poison="planted")
    assert _verify(run).found == {"DLQ": 1}


def test_offset_committed_beyond_the_state_is_found(run: Recorded) -> None:
    run.logs.committed[topics.USAGE, 0] += 1
    assert _verify(run).found == {"OFFSETS": 1}


def test_offset_committed_before_its_state_was_stored_is_found(run: Recorded) -> None:
    # At the moment of the sample the changelog still ended before the state that holds what is committed.
    sample = next(s for s in run.logs.samples if s.committed.get((topics.USAGE, 0), 0) > 5)
    early = sample._replace(ends={**sample.ends, 0: 2})
    run.logs.samples.insert(0, early)
    assert _verify(run).found["OFFSETS"] >= 1


def test_old_health_row_is_found(run: Recorded) -> None:
    rows = run.logs.outputs[topics.HEALTH]
    name = rows[-1].key
    first = next(row for row in rows if row.key == name)
    assert first.value != rows[-1].value
    rows.append(first._replace(offset=rows[-1].offset + 1))
    assert _verify(run).found == {"HEALTH": 1}


def test_missing_health_row_is_found(run: Recorded) -> None:
    rows = run.logs.outputs[topics.HEALTH]
    name = rows[-1].key
    rows[:] = [row for row in rows if row.key != name]
    assert _verify(run).found == {"HEALTH": 1}


def test_record_that_was_never_sent_is_found(run: Recorded) -> None:
    run.ledger.lines.pop(0)
    assert _verify(run).found["LEDGER"] == 1


def test_record_that_the_loads_own_producer_has_sent_twice_is_counted(run: Recorded) -> None:
    """A broker that was killed does not know what it has; that the worker takes it once is in the other figures."""
    records = run.logs.inputs[topics.USAGE]
    last = max((record for record in records if record.partition == 0), key=lambda record: record.offset)
    records.append(last._replace(offset=last.offset + 1))
    verdict = verify(run.logs, run.ledger, complete=False)
    assert verdict.found["LEDGER"] == 0
    assert verdict.figures["resent"] == 1


def test_acknowledged_record_that_is_gone_is_found(run: Recorded) -> None:
    line = run.ledger.lines[-1]
    run.ledger.lines.append(line._replace(offset=line.offset + 1_000))
    assert _verify(run).found == {"LEDGER": 1}


def test_acknowledgement_without_a_place_gets_that_of_its_record(run: Recorded) -> None:
    # Of good records and poison, some twice in the log.
    run.ledger.lines[::3] = [line._replace(offset=NOWHERE) for line in run.ledger.lines[::3]]
    verdict = _verify(run)
    assert verdict.passed, verdict.words


def test_record_that_was_acknowledged_without_a_place_and_is_gone_is_found(run: Recorded) -> None:
    run.ledger.lines.append(run.ledger.lines[-1]._replace(offset=NOWHERE))
    verdict = _verify(run)
    assert verdict.found == {"LEDGER": 1}
    assert "not in the log" in verdict.words[0]


def test_altered_input_is_found(run: Recorded) -> None:
    line = run.ledger.lines[0]
    run.ledger.lines[0] = line._replace(time=line.time + 1)
    assert _verify(run).found == {"LEDGER": 1}


def test_load_that_decides_nothing_proves_nothing(run: Recorded) -> None:
    empty = Recorded(Logs(run.logs.partitions, run.logs.prefix, run.logs.app_id))
    assert verify(empty.logs, empty.ledger).found == {"HOLLOW": 1}


def test_partition_that_nobody_owned_is_found(run: Recorded) -> None:
    run.logs.changelog = [record for record in run.logs.changelog if record.partition != 1]
    assert _verify(run).found["LOST"] == 1


def test_state_of_a_former_owner_is_ignored_and_counted(run: Recorded) -> None:
    # A worker that does not know yet that it has lost the partition stores what it has stored before.
    late = [r for r in run.logs.changelog if r.partition == 0 and r.header(EPOCH) == b"1" and _account(r)][-1]
    end = max(r.offset for r in run.logs.changelog if r.partition == 0)
    count = (late.header(HEADER) or b"").partition(b"|")[0]
    made = {**dict(late.headers), HEADER: count + b"|0|"}
    run.logs.changelog.append(late._replace(offset=end + 1, headers=tuple(made.items())))
    verdict = _verify(run)
    assert verdict.passed, verdict.words
    assert (verdict.figures["stale"], verdict.figures["overwritten"]) == (1, 1)


def _with(record: Stored, **headers: bytes) -> Stored:
    return record._replace(headers=tuple({**dict(record.headers), **headers}.items()))


def _insert(run: Recorded, place: int, record: Stored) -> None:
    """Puts a record of the changelog before another of its partition, which moves on with all behind it."""
    log, partition, offset = run.logs.changelog, record.partition, run.logs.changelog[place].offset
    log[place:] = [r._replace(offset=r.offset + (r.partition == partition)) for r in log[place:]]
    log.insert(place, record._replace(offset=offset))
    run.logs.samples = [
        sample._replace(ends={**sample.ends, partition: sample.ends[partition] + (sample.ends[partition] > offset)})
        for sample in run.logs.samples
    ]


def _tie(run: Recorded, owner: bytes) -> int:
    """The second owner's number is claimed twice; the states behind that are `owner`'s. Place of the second claim."""
    log = run.logs.changelog
    claim = next(n for n, r in enumerate(log) if r.partition == 0 and r.header(EPOCH) == b"2")
    for place in range(claim + 1, len(log)):
        if log[place].partition == 0:
            log[place] = _with(log[place], **{EPOCH: owner})
    log[claim] = _with(log[claim], **{CLAIM: b"second"})
    _insert(run, claim, _with(log[claim], **{CLAIM: b"first"}))
    return claim + 1


def test_tie_that_the_second_gives_up_for_a_larger_number_is_no_damage(run: Recorded) -> None:
    second = _tie(run, b"3")
    # The larger number is the second's, or a third one's: nobody writes under the first before it.
    log = run.logs.changelog
    _insert(run, second + 1, _with(log[second], **{EPOCH: b"3", CLAIM: b"third"}))
    verdict = _verify(run)
    assert verdict.passed, verdict.words


def test_first_of_a_tie_may_write(run: Recorded) -> None:
    _tie(run, b"2")
    verdict = _verify(run)
    assert verdict.passed, verdict.words


def test_account_that_the_second_of_a_tie_writes_is_found(run: Recorded) -> None:
    second = _tie(run, b"2")
    mine = [r for r in run.logs.changelog[second:] if r.partition == 0 and _account(r)]
    # What it would have stored of the same records, after the first has gone further.
    _insert(run, run.logs.changelog.index(mine[-1]), mine[0])
    assert any("two owners write under the same number" in word for word in _verify(run).words)


def test_partition_state_that_the_second_of_a_tie_writes_is_found(run: Recorded) -> None:
    second = _tie(run, b"2")
    log = run.logs.changelog
    place = max(n for n, r in enumerate(log) if r.partition == 0 and r.key == PARTITION_KEY)
    log[place] = _with(log[place], **{SINCE: b"%d" % log[second].offset})
    verdict = _verify(run)
    assert verdict.found == {"STATE": 1}
    assert "two owners write under the same number" in verdict.words[0]


def test_claim_with_a_state_that_was_never_stored_is_found(run: Recorded) -> None:
    place = next(n for n, r in enumerate(run.logs.changelog) if r.header(EPOCH) == b"2" and r.header(HEADER) is None)
    made = encode_partition(
        PartitionState(run.logs.changelog[place].partition, stream_time=1, policy=default_policy().text)
    )
    run.logs.changelog[place] = run.logs.changelog[place]._replace(value=made)
    assert _verify(run).found["STATE"] >= 1


def test_records_applied_out_of_the_order_of_the_log_are_found(run: Recorded) -> None:
    for topic, records in run.logs.inputs.items():
        for record in records:
            place = (topic, record.partition)
            run.logs.marks[place] = max(run.logs.marks.get(place, 0), record.offset + 1)
    verdict = _verify(run)
    assert verdict.passed, verdict.words
    assert verdict.figures["ordered"] > 100
    partition, owner, told = _told(run)
    swap = next(number for number in sorted(told)[1:] if told[number][:2] != told[number - 1][:2])
    _retell(run, partition, owner, {swap: told[swap - 1], swap - 1: told[swap]})
    assert _verify(run).found["ORDER"] == 1


def _arrive_late(run: Recorded) -> list[Stored]:
    """The first owner's last states reach the broker when the second one is done: it has decided the same itself."""
    mine = [record for record in run.logs.changelog if record.partition == 0]
    old = [place for place, record in enumerate(mine) if record.header(EPOCH) == b"1"]
    begin = max(place for place in old if mine[place].key == PARTITION_KEY) + 1
    late = mine[begin : old[-1] + 1]
    ordered = mine[:begin] + mine[old[-1] + 1 :] + late
    others = [record for record in run.logs.changelog if record.partition != 0]
    run.logs.changelog = others + [record._replace(offset=place) for place, record in enumerate(ordered)]
    run.logs.samples = []
    return late


def test_copy_that_a_late_owner_sent_is_explained(run: Recorded) -> None:
    late = _arrive_late(run)
    record = decode_account(late[-1].value or b"").outbox[0]
    topic = run.logs.outputs[record.topic]
    copy = next(r for r in topic if r.header("ce_id") == record.headers["ce_id"])
    topic.append(copy)
    verdict = _verify(run)
    assert (verdict.duplicates, verdict.found["UNEXPLAINED"]) == (1, 0)
    topic.append(copy)
    assert _verify(run).found["UNEXPLAINED"] == 1
