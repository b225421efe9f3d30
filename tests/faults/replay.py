"""The public history on a real broker, undisturbed, under kills, and with moving partitions: one answer.

    python -m tests.faults.replay                        all runs, one report
    python -m tests.faults.replay --runs calm,kills      a selection of calm, kills, rebalance, backtest

Each run gets its own topics and application on one broker. Afterwards an independent reader (plain confluent-kafka and
fastavro with the files of `schemas/`) takes all output records and the changelog, and everything is compared with the
undisturbed run: the set of `(id, seq)`, the bytes of each record, the newest health row and the final state.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition
from rich.console import Console
from rich.table import Table

from streams import topics
from streams.shell.watermarks import watermarks
from tests.support.data import replay_directory
from tests.support.kafka import RealBroker, unavailable_reason
from tests.support.log import read_all
from tests.support.stored import reader
from tests.support.wire import read_value

PARTITIONS = 4
UNTIL = "2018-03-31T00:00:00Z"
DECISIONS = (topics.INTERVENTIONS, topics.OUTCOMES, topics.SUPPRESSED)
console = Console()


@dataclass
class Answer:
    """What a run left behind, by an independent reader."""

    records: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Bytes by (topic, ce_id)."""
    copies: int = 0
    """Records that appeared again with the same bytes."""
    wrong: int = 0
    """Records that appeared again with other bytes."""
    health: dict[bytes, bytes] = field(default_factory=dict)
    state: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class Run:
    """One run of the worker over the imported history."""

    name: str
    broker: RealBroker
    seconds: float = 0.0
    kills: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "BACKONTRACK_BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "BACKONTRACK_TOPIC_PREFIX": f"{self.name}-",
            "BACKONTRACK_APP_ID": f"replay-{self.name}",
            "BACKONTRACK_CLOCK": "events",
            "BACKONTRACK_PARTITIONS": str(PARTITIONS),
            "BACKONTRACK_METRICS_PORT": "0",
            "BACKONTRACK_SESSION_TIMEOUT": "6s",
            "BACKONTRACK_CHECKPOINT_INTERVAL": "1s",
        }

    def command(self, *words: str) -> None:
        """Runs a command of the product to its end; its output is shown when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            console.print(done.stdout, done.stderr)
            raise SystemExit(f"{self.name}: backontrack {' '.join(words)} ended with {done.returncode}")

    def load(self, history: Path) -> None:
        """Creates the topics and imports the history."""
        self.command("topics", "create")
        self.command("import", *files(history), "--until", UNTIL)

    def worker(self, log: Path) -> subprocess.Popen[bytes]:
        """Starts a worker that ends by itself when it has caught up."""
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "worker", "--until-caught-up"],
            env=self.environment,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
        )

    def ends(self, topic: str) -> int:
        """Sum of the end offsets of a topic of this run."""
        consumer = reader(self.broker.bootstrap, "replay-check")
        try:
            found = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            return sum(watermarks(consumer, TopicPartition(topic, partition), 20)[1] for partition in found)
        finally:
            consumer.close()

    def changelog(self) -> str:
        return topics.changelog(f"replay-{self.name}")

    def answer(self) -> Answer:
        """Reads everything back."""
        result = Answer()
        for topic in DECISIONS:
            for *_, value, headers, _ in read_all(self.broker.bootstrap, f"{self.name}-{topic}"):
                name = (topic, headers["ce_id"].decode())
                if name not in result.records:
                    result.records[name] = value
                elif result.records[name] == value:
                    result.copies += 1
                else:
                    result.wrong += 1
        result.health = {
            record.key: record.value for record in read_all(self.broker.bootstrap, f"{self.name}-{topics.HEALTH}")
        }
        result.state = {record.key: record.value for record in read_all(self.broker.bootstrap, self.changelog())}
        return result


def files(history: Path) -> list[str]:
    """The history as options of `import` and `backtest`."""
    named = (("--usage", "usage"), ("--sentiment", "sentiment"), ("--tickets", "ticket"))
    return [word for option, name in named for word in (option, str(history / f"{name}-events.jsonl.gz"))]


def wait(worker: subprocess.Popen[bytes], log: Path, seconds: float = 600) -> None:
    """Waits for a worker's orderly end."""
    if worker.wait(timeout=seconds) != 0:
        raise SystemExit(f"the worker ended with {worker.returncode}:\n{log.read_text(errors='replace')[-4000:]}")


def progress(run: Run, beyond: int, worker: subprocess.Popen[bytes], seconds: float = 120) -> int:
    """Waits until the changelog has grown beyond a position: a fault is injected only after proven progress."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and worker.poll() is None:
        end = run.ends(run.changelog())
        if end > beyond:
            return end
        time.sleep(0.1)
    return -1


def calm(run: Run, log: Path) -> None:
    """One worker from start to end."""
    wait(run.worker(log), log)


def kills(run: Run, log: Path, rng: random.Random, times: int) -> None:
    """One worker, killed at random moments of progress and started again."""
    position = 0
    while run.kills < times:
        worker = run.worker(log)
        position = progress(run, position, worker)
        if position < 0:
            break  # it finished before it could be killed
        time.sleep(rng.uniform(0.0, 0.7))
        if worker.poll() is not None:
            break
        worker.kill()
        worker.wait()
        run.kills += 1
    wait(run.worker(log), log)


def rebalance(run: Run, log: Path, rng: random.Random) -> None:
    """Two workers share the load; one is killed, another joins, one leaves gracefully, the last finishes."""
    first, second = run.worker(log), run.worker(log)
    position = progress(run, 0, first)
    time.sleep(rng.uniform(0.5, 1.5))
    first.kill()
    first.wait()
    run.kills += 1
    third = run.worker(log)
    progress(run, position, second)
    time.sleep(rng.uniform(0.5, 2.0))
    if second.poll() is None:
        second.terminate()
        code = second.wait(timeout=60)
        if code != 0:
            raise SystemExit(
                f"a worker that was asked to stop ended with {code}:\n{log.read_text(errors='replace')[-4000:]}"
            )
    wait(third, log)
    wait(run.worker(log), log)


def compare(run: Answer, model: Answer, *, state: bool = True) -> dict[str, int]:
    """LOST, ALIEN, WRONG, DUP and differing health rows and states against the undisturbed run."""
    same = run.records.keys() & model.records.keys()
    return {
        "records": len(run.records),
        "LOST": len(model.records.keys() - run.records.keys()),
        "ALIEN": len(run.records.keys() - model.records.keys()),
        "WRONG": run.wrong + sum(run.records[k] != model.records[k] for k in same),
        "DUP": run.copies,
        "HEALTH": differing(run.health, model.health) if state else 0,
        "STATE": differing(run.state, model.state) if state else 0,
    }


def differing(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> int:
    """How many keys have another value, or none, in one of the two."""
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())


def backtest(run: Run, history: Path, directory: Path) -> Answer:
    """The same history through `backontrack backtest`, without Kafka."""
    out = directory / "records.jsonl"
    began = time.monotonic()
    run.command(
        "backtest",
        *files(history),
        "--until",
        UNTIL,
        "--partitions",
        str(PARTITIONS),
        "--records",
        str(out),
        "--episodes",
        str(directory / "episodes.csv"),
        "--scores",
        str(directory / "scores.csv"),
    )
    run.seconds = time.monotonic() - began
    answer = Answer()
    for line in out.open(encoding="utf-8"):
        row = json.loads(line)
        answer.records[row["topic"], row["ce_id"]] = bytes.fromhex(row["value"])
    return answer


def summary(answer: Answer) -> dict[str, dict[str, int]]:
    """What was decided, for people."""
    opened: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    suppressed: Counter[str] = Counter()
    for (topic, _), value in answer.records.items():
        record = read_value(topic, value)
        if topic == topics.INTERVENTIONS and record["state"] == "opened":
            opened[record["cause"]["kind"]] += 1
        elif topic == topics.OUTCOMES:
            outcomes[record["outcome"]] += 1
        elif topic == topics.SUPPRESSED:
            suppressed[record["reason"]] += 1
    return {"interventions": dict(opened), "outcomes": dict(outcomes), "suppressed": dict(suppressed)}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="calm,kills,rebalance,backtest")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--json", type=Path, help="write the report here too")
    return parser.parse_args()


def perform(run: Run, history: Path, directory: Path, rng: random.Random, times: int) -> Answer:
    """Performs one run and reads its answer."""
    log = directory / f"{run.name}.log"
    log.touch()
    if run.name == "backtest":
        return backtest(run, history, directory)
    console.print(f"{run.name}: importing")
    run.load(history)
    console.print(f"{run.name}: running")
    began = time.monotonic()
    if run.name == "calm":
        calm(run, log)
    elif run.name == "kills":
        kills(run, log, rng, times)
    elif run.name == "rebalance":
        rebalance(run, log, rng)
    else:
        raise SystemExit(f"{run.name}: there is no such run")
    run.seconds = time.monotonic() - began
    return run.answer()


def main() -> int:
    """Runs what was asked for and prints one report."""
    asked = arguments()
    history = replay_directory()
    if history is None:
        raise SystemExit("the public history was not found: set BACKONTRACK_DATA to the folder that holds `replay`")
    if reason := unavailable_reason():
        raise SystemExit(reason)
    rng = random.Random(asked.seed)
    rows: dict[str, dict[str, float]] = {}
    report: dict[str, object] = {"seed": asked.seed, "runs": rows}
    model: Answer | None = None
    with tempfile.TemporaryDirectory() as scratch, RealBroker() as broker:
        for name in ["calm", *(w for w in asked.runs.split(",") if w != "calm")]:
            run = Run(name, broker)
            answer = perform(run, history, Path(scratch), rng, asked.kills)
            model = model or answer
            figures = compare(answer, model, state=name != "backtest")
            rows[name] = {"seconds": round(run.seconds, 1), "kills": run.kills, **figures}
            if name == "calm":
                events = sum(run.ends(f"calm-{topic}") for topic in topics.RANKS)
                report |= {"decided": summary(answer), "events": events, "events_per_s": round(events / run.seconds)}
    table = Table("run", *next(iter(rows.values())))
    for name, row in rows.items():
        table.add_row(name, *(str(value) for value in row.values()))
    console.print(table)
    console.print_json(data=report)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(any(row[k] for row in rows.values() for k in ("LOST", "ALIEN", "WRONG", "HEALTH", "STATE")))


if __name__ == "__main__":
    sys.exit(main())
