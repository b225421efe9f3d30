"""A run of one row with one seed: brokers, workers, load, faults, and the verification at the end.

ROW = Row(number=7, title="rebalance storm", tier=Tier.ONE, run=run)

def run(case: Case) -> None:
    load = case.load(rate=300).start()
    first, second = case.worker("w1"), case.worker("w2")
    case.progress()
    case.fault("w1 killed")
    case.kill(first)
    case.recovered(60)
    case.finish()
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException

from streams import topics
from streams.domain.time import DAY, parse_duration
from streams.settings import Settings
from tests.faults.application import Application
from tests.faults.brokers import Running, Tier
from tests.faults.generator import WARM_DAYS, History, Ledger, Mix, Sent
from tests.faults.load import INPUTS, Load
from tests.faults.logs import Logs, Sampler
from tests.faults.read_api import ask
from tests.faults.row import CaseFailed, Row, Worker
from tests.faults.verifier import Verdict, verify
from tests.support.log import START

__all__ = ["Case", "CaseFailed", "Mix", "Row", "Sent", "Tier", "Worker"]

_CHECKPOINT = "500ms"


class Case(Application):
    """One run. A context manager: everything that was started through it is stopped.

    Args:
        row: What is run.
        tier: Where.
        seed: Decides everything that is drawn.
        broker: Has `bootstrap`.
        directory: Logs and evidence.
        variant: One of the row's.
        told: Shows a line of progress.
    """

    def __init__(
        self,
        row: Row,
        tier: Tier,
        seed: int,
        broker: Any,
        directory: Path,
        variant: str = "",
        told: Callable[[str], None] = lambda _text: None,
    ) -> None:
        super().__init__(broker, tier, f"r{row.number:02d}-{random.SystemRandom().randrange(1 << 32):08x}-")
        self.row, self.seed, self.directory, self.variant = row, seed, directory, variant
        self.rng = random.Random(f"{row.number}:{variant}:{seed}")
        self.settings: dict[str, str] = {}
        self.ledger = Ledger()
        self.workers: list[Worker] = []
        self.figures: dict[str, float] = {}
        self.timeline: list[tuple[float, str]] = []
        self.kills = 0
        self.verdict: Verdict | None = None
        self.logs: Logs | None = None
        self.told = told
        self._began = time.monotonic()
        self._loads: list[Load] = []
        self._marks: dict[tuple[str, int], int] = {}
        self._sampler: Sampler | None = None

    # Workers

    def worker(
        self,
        name: str,
        *arguments: str,
        bootstrap: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        **settings: str,
    ) -> Worker:
        """Starts a worker on simulated time that tells the order of application, unless told otherwise."""
        if not self._created:
            self.create_topics()
        if not self.workers:
            self._mark()
        plain = {key.removeprefix("BACKONTRACK_").lower(): value for key, value in self.settings.items()}
        made = {
            "bootstrap_servers": bootstrap or self.bootstrap,
            "topic_prefix": self.prefix,
            "app_id": self.app_id,
            "clock": "events",
            "checkpoint_interval": _CHECKPOINT,
            "partitions": str(self.partitions),
            "trace": "1",
            **plain,
            **settings,
        }
        started = Worker(name, self.directory / f"{name}.log", *arguments, env=env, cwd=cwd, **made)
        self.workers.append(started)
        if self._sampler is None:
            self._sampler = Sampler(self.bootstrap, self.prefix, self.app_id, self.partitions).start()
        self.note(f"{name} started")
        return started

    def restart(self, worker: Worker, **changed: str) -> Worker:
        """Starts a worker again as it was, with some settings changed; an empty value removes one."""
        arguments, env, cwd, settings = worker.again
        wanted = {key: value for key, value in {**settings, **changed}.items() if value}
        return self.worker(worker.name, *arguments, env=env, cwd=cwd, **wanted)

    def kill(self, worker: Worker) -> None:
        """SIGKILL, counted: its last interval may be sent again."""
        self.fault(f"{worker.name} killed")
        self.kills += 1
        worker.kill()

    @property
    def alive(self) -> list[Worker]:
        """The workers that run."""
        return [worker for worker in self.workers if worker.alive]

    # Load

    def load(
        self,
        rate: float = 300,
        accounts: int = 200,
        seconds: float | None = None,
        topics: Collection[str] = INPUTS,
        mix: Mix | None = None,
        warm_days: int = WARM_DAYS,
        bootstrap: str | None = None,
        start: int = START,
    ) -> Load:
        """A load that is not started yet: `.start()`, `.stop()`, `.sent`, `.rate`. Patience thins it."""
        if not self._created:
            self.create_topics()
        history = History(self.seed, accounts, mix, self.partitions, start)
        made = Load(
            bootstrap or self.bootstrap,
            self.prefix,
            self.partitions,
            history,
            self.ledger,
            rate / self.patience,
            seconds,
            topics,
            warm_days,
        )
        self._loads.append(made)
        return made

    def preload(self, records: int | Iterable[Sent], accounts: int = 200, mix: Mix | None = None) -> Load:
        """Sends records at once, and returns when they are acknowledged. The load can be started later."""
        load = self.load(accounts=accounts, mix=mix, warm_days=0)
        if isinstance(records, int):
            left = records
            while left:
                left -= load.send(load.history.take(min(left, 10_000)))
                self.told(f"sent {records - left:,} of {records:,}")
        else:
            load.send(records)
        load.flush(600)
        return load

    # What happens

    def note(self, text: str) -> None:
        """An entry of the time line."""
        self.timeline.append((round(time.monotonic() - self._began, 2), text))
        self.told(text)

    def fault(self, text: str) -> None:
        """A fault, on the time line."""
        self.note(f"FAULT {text}")

    def figure(self, name: str, value: float) -> None:
        """A figure of the report."""
        self.figures[name] = round(value, 3)

    def worst(self, name: str, value: float) -> None:
        """A figure of which the largest counts."""
        self.figures[name] = round(max(value, self.figures.get(name, value)), 3)

    def progress(self, beyond: int | None = None, timeout: float | None = None) -> int:
        """Waits until the changelog has grown beyond a sum of its ends (now, when None); returns the new one."""
        known = beyond

        def grown() -> bool:
            nonlocal known
            found = sum(self.ends(self.changelog).values())
            if known is None:
                known = found
            return found > known

        self.wait(grown, "progress on the changelog", 60 * self.patience if timeout is None else timeout)
        return sum(self.ends(self.changelog).values())

    def recovered(self, limit_s: float, name: str = "recovery_s") -> float:
        """Seconds from now until the lag is under one second of load; a figure, the largest counts.

        What was applied since the last checkpoint counts as lag, so its interval is allowed on top.
        """
        began = time.monotonic()
        interval = parse_duration(self.settings.get("checkpoint_interval", _CHECKPOINT)) / 1000
        rate = sum(load.rate for load in self._loads if load.running)
        allowed = max(1.0, rate * (1 + 2 * interval))
        self.wait(lambda: self.lag() <= allowed, f"lag of at most {allowed:.0f} records", limit_s)
        took = time.monotonic() - began
        self.worst(name, took)
        self.note(f"recovered after {took:.1f} s")
        return took

    def wait(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Waits for a condition; brokers that do not answer are no answer. Raises CaseFailed."""
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(KafkaException):
                if condition():
                    return
            self._check_exits()
            if time.monotonic() > deadline:
                raise CaseFailed(f"not within {timeout:.0f} s: {what}")
            time.sleep(0.2)

    def pause(self, seconds: float) -> None:
        """Lets load and workers go on for a drawn time, so that faults hit different moments."""
        time.sleep(seconds)

    @property
    def patience(self) -> float:
        """By how much limits of waiting, not of the report, are stretched and loads thinned on a busy machine."""
        return float(os.environ.get("FAULTS_PATIENCE", "1"))

    @property
    def minutes(self) -> float:
        """Length of a soak, as asked for."""
        return float(os.environ.get("FAULTS_MINUTES", "60"))

    @property
    def backlog(self) -> int:
        """Records of a backlog, as asked for."""
        return int(os.environ.get("FAULTS_BACKLOG", "200000"))

    @property
    def shortest_session(self) -> str:
        """The shortest session timeout that the brokers take, so that a killed worker is missed soon."""
        return "6s" if isinstance(self.broker, Running) else "3s"

    # The end

    def finish(
        self,
        dup_bound: int | None = None,
        catch_up_s: float = 240.0,
        *,
        tick_days: int = 20,
        hollow_ok: bool = False,
    ) -> Verdict:
        """Stops the load, lets the workers catch up, stops them in order, and verifies. Raises CaseFailed.

        `tick_days` of simulated time pass at the end, so that outcomes are decided.
        """
        for load in self._loads:
            load.stop()
        if self._loads and tick_days:
            last = max(self._loads, key=lambda load: load.history.now)
            last.tick(last.history.now + tick_days * DAY)
        self._check_exits()
        if not self.alive:
            self.worker("last")
        self.note("load ended")
        self.wait(self._caught_up, "everything applied and committed", catch_up_s)
        self.note("caught up")
        self.stop_workers()
        return self.verify(dup_bound, hollow_ok=hollow_ok)

    def stop_workers(self, timeout: float = 60.0) -> None:
        """Stops all workers in order; each has to end with 0. Raises CaseFailed."""
        for worker in self.alive:
            code = worker.stop(timeout * self.patience)
            if code != 0:
                raise CaseFailed(f"{worker.name} ended with {code} when asked to stop")
        self.note("workers stopped")

    def verify(self, dup_bound: int | None = None, *, complete: bool = True, hollow_ok: bool = False) -> Verdict:
        """Compares everything that lies on the brokers with ledger and model. Raises CaseFailed.

        Without `complete`, only what is there is compared, while workers may still run.
        """
        logs = self.read()
        if complete:
            self.told("asking the read API")
            logs.answers = ask(
                Settings(bootstrap_servers=self.bootstrap, topic_prefix=self.prefix, app_id=self.app_id, board_port=0)
            )
        self.told("folding again")
        folded = 0

        def told(records: int) -> None:
            nonlocal folded
            folded += records
            self.told(f"folded {folded:,} of {sum(map(len, logs.inputs.values())):,}")

        ledger = self.ledger if complete else None
        self.verdict = verify(logs, ledger, complete=complete, dup_bound=dup_bound, hollow_ok=hollow_ok, told=told)
        self.note("verified")
        if dup_bound is None and self.kills:
            self._bound(self.verdict)
        if not self.verdict.passed:
            found = ", ".join(f"{kind} {number}" for kind, number in sorted(self.verdict.found.items()))
            raise CaseFailed(f"{found}\n" + "\n".join(self.verdict.words[:20]))
        return self.verdict

    def _bound(self, verdict: Verdict) -> None:
        """Copies are at most the events of the interval that each killed worker did not finish.

        What it had applied and told is `at_risk`; of what it had not told yet, one interval at the load's rate.
        """
        interval = parse_duration(self.settings.get("checkpoint_interval", _CHECKPOINT)) / 1000
        rate = max((load.rate for load in self._loads), default=0.0)
        bound = verdict.figures["at_risk"] + round(self.kills * rate * interval)
        self.figure("dup_bound", bound)
        if verdict.duplicates > bound:
            verdict.damage("UNEXPLAINED", f"{verdict.duplicates} copies, {bound} events were in unfinished intervals")

    def read(self) -> Logs:
        """Everything that lies on the brokers, and what was seen on the way."""
        self.told("reading all topics")
        self.logs = super().read()
        self.logs.samples = list(self._sampler.samples) if self._sampler is not None else []
        self.logs.marks = dict(self._marks)
        return self.logs

    def _mark(self) -> None:
        """What lies in the input topics now will be applied in an order that the log decides."""
        for load in self._loads:
            load.flush()
        with contextlib.suppress(KafkaException):
            for name in topics.RANKS:
                for partition, end in self.ends(self.topic(name)).items():
                    self._marks[name, partition] = end

    def _caught_up(self) -> bool:
        return self.lag() == 0

    def _check_exits(self) -> None:
        for worker in self.workers:
            code = worker.process.poll()
            if code is not None and code not in worker.may_exit and not (code == -9 or worker.killed):
                raise CaseFailed(f"{worker.name} ended by itself with {code}:\n{worker.output[-3000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for load in self._loads:
            load._stop.set()
        for worker in self.workers:
            if worker.alive:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.kill()
                worker.process.wait()
        if self._sampler is not None:
            self._sampler.stop()
        self.close()
