"""Some partitions of a history folded under several policies at once, event by event as the files are read."""

from __future__ import annotations

import csv
import gc
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from streams import topics
from streams.backtest.episodes import EpisodeRow, EpisodeRows
from streams.backtest.history import Survey, events
from streams.detection.dormancy import probability_gone
from streams.domain.account import AccountState
from streams.domain.finding import Finding
from streams.domain.outputs import Output
from streams.domain.partitioner import partition_of
from streams.domain.series import DropEnd
from streams.domain.time import format_time
from streams.offline import OfflinePartition, fold_history
from streams.policy.model import Policy
from streams.sentiment.choose import choose_scorer
from streams.sentiment.scorer import Scorer
from streams.settings import Settings

NEGATIVE = -0.5
"""Sentiment at or below this is taken for a complaint: clearly negative, half way from neutral to the worst."""
LOSSES = frozenset({"churned", "cancel_intent", "contracted"})
"""Changes of an account that say that it leaves, wants to, or has become smaller."""
COMPLAINTS = frozenset({"ticket", "negative_text"})
"""What else may follow a drop: a new ticket, or words at or below `NEGATIVE`."""
_LINES = 4_000
_COLLECT_EVERY = 100_000


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be folded and what is wanted of it; the same for every process."""

    found: Survey
    partitions: int
    policies: tuple[Policy, ...]
    until: int | None
    directory: Path
    """Holds the parts of the files that are written, by policy and partition."""
    scores: bool
    records: bool
    settings: Settings

    def part(self, what: str, policy: int, partition: int) -> Path:
        """Where a part lies."""
        return self.directory / f"{what}-{policy}-{partition}"


@dataclass(slots=True)
class Harm:
    """Something that a detector should have warned of: a loss or a complaint. `at` in ms."""

    account_id: str
    kind: str
    at: int


@dataclass(slots=True)
class PolicyResult:
    """What one policy made of a partition, or of all of them."""

    episodes: list[EpisodeRow] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)

    def add(self, other: PolicyResult) -> None:
        """Puts another partition behind."""
        self.episodes += other.episodes
        self.events += other.events
        self.opened += other.opened
        self.outcomes += other.outcomes
        self.suppressed += other.suppressed


@dataclass(slots=True)
class Result:
    """What was learnt from some partitions, in the order of their numbers once added up."""

    policies: list[PolicyResult]
    spans: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """First event of each account, and when it left (None: it stayed); ms."""
    harms: list[Harm] = field(default_factory=list)
    end: int = 0
    """Last moment of the history, ms."""

    def add(self, other: Result) -> None:
        """Puts the partitions of another behind."""
        for mine, more in zip(self.policies, other.policies, strict=True):
            mine.add(more)
        self.spans |= other.spans
        self.harms += other.harms
        self.end = max(self.end, other.end)


def fold_partitions(job: Job, wanted: list[int], advance: Callable[[int], None]) -> dict[int, Result]:
    """Folds the partitions `wanted`; `advance` is told how many events were folded since it was last called.

    Raises HistoryError at a row that is none.
    """
    scorer = choose_scorer(job.settings.sentiment_model)
    lanes = {number: _Lane(job, number, scorer) for number in wanted}

    @cache
    def lane_of(account_id: str) -> _Lane | None:
        return lanes.get(partition_of(account_id.encode(), job.partitions))

    histories = events(job.found, lambda account_id: lane_of(account_id) is not None)
    with _seldom_collected():
        fold_history(histories, lanes.values(), lane_of, job.until, advance)
    return {number: lane.result() for number, lane in lanes.items()}


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Events and states hold no cycles: looking for them as often as usual costs a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Lane:
    """One partition under every policy."""

    def __init__(self, job: Job, number: int, scorer: Scorer) -> None:
        self._until = job.until
        self._folds = [_Fold(job, place, number, scorer) for place in range(len(job.policies))]
        self._harms: list[Harm] = []

    def apply(self, topic: str, time: int, event: Mapping[str, Any]) -> None:
        """One event, as it lies in the log."""
        tallies = self._folds[0].fold.tallies
        repeated = tallies[topic, "duplicate"]
        fit = [fold.apply(topic, time, event) for fold in self._folds]
        if topic not in _SILENT and fit[0] and tallies[topic, "duplicate"] == repeated:
            harm = self._harm(topic, event)
            if harm is not None:
                self._harms.append(Harm(event["account_id"], harm, time))

    def _harm(self, topic: str, event: Mapping[str, Any]) -> str | None:
        if topic == topics.SENTIMENT:
            account = self._folds[0].fold.accounts.get(event["account_id"])
            said = account.signals.utterances if account else []
            spoke = said and said[-1].event_id == event["event_id"] and said[-1].score <= NEGATIVE
            return "negative_text" if spoke else None
        if topic == topics.TICKETS:
            return "ticket" if event["change"] == "opened" else None
        return event["change"] if event["change"] in LOSSES else None

    def result(self) -> Result:
        """What was learnt; ends the lane."""
        accounts = self._folds[0].fold.accounts
        return Result(
            [fold.end(self._until) for fold in self._folds],
            {name: (account.first_seen_at, account.profile.churned_at) for name, account in accounts.items()},
            self._harms,
            self._folds[0].fold.state.stream_time,
        )


_SILENT = frozenset({topics.USAGE, topics.RESPONSES, topics.CONTROL})
"""Topics that hold no losses and no complaints."""


class _Fold:
    """One partition under one policy."""

    def __init__(self, job: Job, place: int, number: int, scorer: Scorer) -> None:
        policy = job.policies[place]
        self._partition = OfflinePartition(number, policy, scorer)
        self.fold = self._partition.fold
        self.fold.journal = self._journal
        self._scorer = scorer
        self._rows = EpisodeRows(policy.detection.forecast.horizon)
        self._result = PolicyResult(self._rows.rows)
        self._scores = _Part(job.part("scores", place, number)) if job.scores else None
        self._records = _Records(job, place, number) if job.records else None

    def apply(self, topic: str, time: int, event: Mapping[str, Any]) -> bool:
        """One event; what it led to is taken at once. False when a worker would dead-letter it."""
        fold = self.fold
        fit = self._partition.apply(topic, time, event)
        if fold.outputs:
            self._take(_ALWAYS)
        if self._scores is None or not fit:
            return fit
        if topic == topics.USAGE:
            account = fold.accounts[event["account_id"]]
            signal = account.signals.metrics.get(event["metric"])
            strength = signal.evidence if signal is not None else 0.0
            self._scores.add(f"{_cells(account.account_id)}{_moment(time)},{_cells(event['metric'])}{strength:.6f}\n")
        elif topic == topics.SENTIMENT:
            account = fold.accounts[event["account_id"]]
            score = self._sentiment(account, event)
            self._scores.add(f"{_cells(account.account_id)}{_moment(time)},sentiment,{score:.6f}\n")
        return fit

    def _sentiment(self, account: AccountState, event: Mapping[str, Any]) -> float:
        """As it was heard; words of others, and what came too late to be heard, as they would be."""
        said = account.signals.utterances
        if said and said[-1].event_id == event["event_id"]:
            return said[-1].score
        if event["score"] is not None:
            return float(event["score"])
        return self._scorer.score(event["text"]) if event["text"] else 0.0

    def end(self, until: int | None) -> PolicyResult:
        """Writes what is left; with `until` also how likely each account is gone."""
        seen = self._partition.ends
        self._result.events.update({topic: count for topic, count in seen.items() if count and topic != topics.CONTROL})
        if self._scores is not None:
            if until is not None:
                for account in self.fold.accounts.values():
                    gone = probability_gone(account, self.fold.state, until, self.fold.policy)
                    self._scores.add(f"{_cells(account.account_id)}{_moment(until)},dormancy,{gone:.6f}\n")
            self._scores.flush()
        if self._records is not None:
            self._records.flush()
        return self._result

    def _journal(self, account_id: str, entry: Finding | DropEnd) -> None:
        # Timers may fire many steps in one go: what was decided in earlier ones belongs before what is found now.
        if self.fold.outputs and isinstance(entry, Finding):
            self._take(entry.at)
        self._rows.journal(account_id, entry)

    def _take(self, before: int) -> None:
        """Takes the outputs of before a moment."""
        outputs = self.fold.outputs
        taken = 0
        for output in outputs:
            if output.at >= before:
                break
            self._decided(output)
            taken += 1
        del outputs[:taken]

    def _decided(self, output: Output) -> None:
        result, record = self._result, output.record
        if output.topic == topics.SUPPRESSED:
            result.suppressed[record["reason"]] += 1
        elif output.topic == topics.OUTCOMES:
            result.outcomes[record["outcome"]] += 1
        elif output.topic == topics.INTERVENTIONS and record["previous"] is None:
            result.opened[record["cause"]["kind"]] += 1
        self._rows.decided(output)
        if self._records is not None:
            self._records.add(output)


_ALWAYS = 1 << 62


class _Part:
    """Lines of a file that is put together later. It is only open while it is written to: there may be many."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Adds a line, with its end."""
        self._lines.append(line)
        if len(self._lines) >= _LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what was added."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.writelines(self._lines)
        self._lines.clear()


class _Records(_Part):
    """Output records, encoded as by a worker."""

    def __init__(self, job: Job, place: int, number: int) -> None:
        # Imported where they are wanted: they would slow down every start.
        from streams.shell.codec import Codec  # noqa: PLC0415
        from streams.shell.envelope import headers  # noqa: PLC0415

        super().__init__(job.part("records", place, number))
        self._codec, self._headers, self._app_id = Codec(job.settings), headers, job.settings.app_id

    def add(self, output: Output) -> None:  # type: ignore[override]  # the line is made here
        """Adds a record."""
        value = self._codec.encode(output.topic, output.record)
        line = {
            "topic": output.topic,
            "ce_id": self._headers(output, self._app_id)["ce_id"].decode(),
            "key": output.account_id,
            "value": value.hex(),
        }
        super().add(json.dumps(line) + "\n")


@lru_cache(maxsize=100_000)
def _cells(text: str) -> str:
    """A cell and the comma behind it, quoted where CSV needs it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow((text, ""))
    return line.getvalue()


@lru_cache(maxsize=1_000)
def _moment(at: int) -> str:
    return format_time(at)
