"""A hundred thousand mutated frames between good records; and a deploy that damages everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import psutil

from streams import topics
from tests.faults.case import Case, CaseFailed, Mix, Row, Sent, Tier
from tests.fuzz.mutate import poison
from tests.support.stored import read_topic

FLOOD = 100_000
SMALL_FLOOD = 3_000
_LARGE = 4_096
_LARGE_ONES = 100
"""Frames above `_LARGE` bytes that are let through: enough to meet them, few enough for the disk."""
MEMORY_MB = 50.0
CPU_MS = 100.0
LEAST_LETTERS, WINDOW = 100, 1_000


def flood(case: Case) -> None:
    """Every frame becomes a dead letter, at a bounded cost, while the load goes on."""
    embedded = case.tier is Tier.EMBEDDED
    frames = SMALL_FLOOD if embedded else FLOOD
    load = case.load(rate=30 if embedded else 50, accounts=60, mix=Mix(responses=False)).start()
    worker = case.worker("w1", max_dead_letter_ratio="1")
    case.progress()
    case.recovered(120 * case.patience, "warm_s")
    # A little of it first, so that what the first dead letter costs once is not counted.
    load.send(_poisoned(case.seed, 500))
    load.flush()
    case.recovered(120 * case.patience, "warm_s")
    process = psutil.Process(worker.process.pid)
    before, cpu = process.memory_info().rss, process.cpu_times()
    case.fault(f"{frames} mutated frames")
    began = time.monotonic()
    sent = 0
    records = _poisoned(case.seed + 1_000, frames)
    while chunk := list(islice(records, 2_000)):
        sent += load.send(chunk)
        case.worst("memory_mb", (process.memory_info().rss - before) / 1e6)
    load.flush()

    def done() -> bool:
        case.worst("memory_mb", (process.memory_info().rss - before) / 1e6)
        return case.lag() < 200

    case.wait(done, "the flood is through", 900 * case.patience)
    after = process.cpu_times()
    took = time.monotonic() - began
    case.figure("frames", sent)
    case.figure("frames_per_s", sent / took)
    case.figure("cpu_ms_each", (after.user + after.system - cpu.user - cpu.system) * 1000 / sent)
    case.recovered(120)
    case.finish(dup_bound=0)


def limit(case: Case) -> None:
    """From one moment on, all records of a topic are damaged: the partitions wait, also after restarts."""
    load = case.load(rate=100, accounts=60, mix=Mix(responses=False)).start()
    worker = case.worker("w1")
    case.progress()
    case.recovered(120 * case.patience, "warm_s")
    load.stop()
    case.wait(lambda: case.lag() == 0, "all good records are applied")
    first = case.ends(case.topic(topics.USAGE))
    case.fault("everything on one topic is damaged")
    damaged = [frame for frame in islice(load.history.take(40_000), 40_000) if frame.topic == topics.USAGE][:8_000]
    load.send(record._replace(value=b"{}" + (record.value or b"")[2:], poison="wrong_magic") for record in damaged)
    load.flush()
    ends = case.ends(case.topic(topics.USAGE))
    held = {partition for partition in ends if ends[partition] - first[partition] > WINDOW}
    case.wait(lambda: all(f"usage-events/{number}" in worker.output for number in held), "every partition waits", 120)
    for turn in range(3):
        letters = _settled(case)
        _check_limit(letters, first)
        status, text = worker.probe("/readyz")
        if status != 503 or "dead_letter_ratio" not in text or worker.probe("/livez")[0] != 200:
            raise CaseFailed(f"held, but not live and not ready with the reason: {status} {text}")
        case.fault("restart with the same settings")
        if worker.stop(60) != 0:
            raise CaseFailed("a worker that waits does not stop in order")
        worker = case.restart(worker)
        case.wait(
            lambda at=worker: all(f"usage-events/{number}" in at.output for number in held),  # type: ignore[misc]
            "every partition waits again",
            120,
        )
        again = _settled(case)
        case.figure(f"letters_after_restart_{turn}", sum(again.values()) - sum(letters.values()))
        if again != letters:
            raise CaseFailed(f"a restart gave a new allowance: {letters} became {again}")
    case.fault("the limit is raised")
    worker.stop(60)
    case.worker("w2", max_dead_letter_ratio="1")
    case.finish(dup_bound=0)


def _poisoned(seed: int, count: int) -> Iterator[Sent]:
    """Frames that must become dead letters, their record times close together."""
    large = made = 0
    for frame in poison(seed, in_time=True, step=2):
        if len(frame.value or b"") > _LARGE:
            large += 1
            if large > _LARGE_ONES:
                continue
        yield Sent(frame.topic, frame.key, frame.value, frame.time, frame.verdict)
        made += 1
        if made == count:
            return


def _settled(case: Case) -> dict[int, int]:
    """Letters by partition of origin, once their number does not change any more."""
    before: dict[int, int] = {}
    for _ in range(20):
        time.sleep(3)
        found = dict.fromkeys(range(case.partitions), 0)
        for letter in read_topic(case.bootstrap, case.topic(topics.DEAD_LETTERS)):
            found[int(dict(letter.headers)["__streams.errors.partition"] or 0)] += 1
        if found == before:
            return found
        before = found
    raise CaseFailed(f"letters are written on and on: {before}")


def _check_limit(letters: dict[int, int], first: dict[int, int]) -> None:
    for partition, found in letters.items():
        most = max(LEAST_LETTERS, min(WINDOW, first[partition] + found) // 2)
        if found > most:
            raise CaseFailed(f"partition {partition}: {found} letters, at most {most} are allowed")


ROWS = [
    Row(
        number=21,
        title="poison records",
        alone=True,
        tier=(Tier.EMBEDDED, Tier.ONE),
        run=flood,
        limits={"memory_mb": MEMORY_MB, "cpu_ms_each": CPU_MS},
    ),
    Row(number=21, title="everything is poison", alone=True, tier=Tier.ONE, run=limit),
]
