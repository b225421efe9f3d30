"""Many frames on all cores: figures and findings."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from streams.shell import avro_writer
from tests.fuzz.mutate import frames
from tests.fuzz.target import Finding, Target

CHUNK = 25_000
"""Frames of one seed; each chunk begins with an empty partition."""


@dataclass
class Report:
    """Figures over all frames so far."""

    frames: int = 0
    seconds: float = 0.0
    """CPU seconds of codec, check and fold together."""
    slowest: float = 0.0
    slowest_timers: float = 0.0
    largest: int = 0
    grown: int = 0
    """Bytes by which the memory of a process grew after its first chunk, the most of any."""
    verdicts: Counter[str] = field(default_factory=Counter)
    outputs: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Takes in the figures of a chunk."""
        self.frames += other.frames
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.slowest_timers = max(self.slowest_timers, other.slowest_timers)
        self.largest = max(self.largest, other.largest)
        self.grown = max(self.grown, other.grown)
        self.verdicts += other.verdicts
        self.outputs += other.outputs
        self.findings += other.findings[:100]

    def lines(self) -> list[str]:
        """The report for people."""
        told = ", ".join(f"{name} {count:,}" for name, count in self.verdicts.most_common())
        wrote = ", ".join(f"{name} {count:,}" for name, count in self.outputs.most_common())
        rate = self.frames / self.seconds if self.seconds else 0.0
        lines = [
            f"frames       {self.frames:,} ({rate:,.0f} a second of CPU through codec, check and fold)",
            f"verdicts     {told}",
            f"outputs      {wrote}",
            f"slowest      {self.slowest * 1000:.1f} ms CPU",
            f"timers       {self.slowest_timers * 1000:.0f} ms CPU, of all accounts at once",
            f"largest      {self.largest:,} bytes of state",
            f"memory       {self.grown / 2**20:+.1f} MB after the first chunk",
            f"findings     {len(self.findings)}",
        ]
        for kind, count in Counter(finding.what for finding in self.findings).items():
            lines.append(f"  {count} x {kind}")
        shown = [
            f"  {one.what}: {one.frame.how}: {one.detail}\n    {str(one.frame)[:500]}" for one in self.findings[:10]
        ]
        return lines + shown


_first_rss = 0


def chunk(seed: int, count: int = CHUNK) -> Report:
    """One seed's frames through the worker's path, in this process."""
    global _first_rss  # noqa: PLW0603  of the process, over its chunks
    target = Target()
    for frame in itertools.islice(frames(seed), count):
        target.take(frame)
    target.store()
    made = Report(
        target.done,
        target.seconds,
        target.slowest,
        target.slowest_timers,
        target.largest,
        0,
        target.verdicts,
        target.outputs,
        target.findings,
    )
    del target
    # Bounded caches of encoded numbers and names: they fill up slowly, and would look like growth.
    avro_writer._LONG.clear()
    avro_writer._STRING.clear()
    gc.collect()
    rss = psutil.Process().memory_info().rss
    _first_rss = _first_rss or rss
    made.grown = rss - _first_rss
    return made


def run(count: int, seed: int, advance: Callable[[int], object], processes: int | None = None) -> Report:
    """`count` frames from `seed` on, in chunks over the cores; `advance` is told how many are done."""
    seeds = [seed * 1_000_000 + number for number in range(max(1, count // CHUNK))]
    size = min(CHUNK, count)
    total = Report()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes or os.cpu_count(), initializer=os.nice, initargs=(5,)) as pool:
        for report in pool.imap_unordered(_chunk, [(one, size) for one in seeds]):
            total.add(report)
            advance(report.frames)
    return total


def _chunk(job: tuple[int, int]) -> Report:
    return chunk(*job)


def traced_growth(seed: int, count: int = 10_000) -> Iterator[int]:
    """Bytes that Python holds after each of several rounds of the same frames through one target."""
    target = Target()
    tracemalloc.start()
    try:
        for _ in range(4):
            for frame in itertools.islice(frames(seed), count):
                target.take(frame)
            target.store()
            target.begin()
            target.findings.clear()  # under this watch everything is slow
            gc.collect()
            yield tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def stopwatch() -> Callable[[], float]:
    """Seconds since it was made."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
