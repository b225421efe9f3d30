"""The command line of the measurements."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from tests.bench import codec, fold, latency, recovery, throughput
from tests.bench.peers import FLOOR, NAMES, Peers
from tests.bench.report import Report, machine, save, text
from tests.bench.throughput import Plan
from tests.bench.workload import Workload
from tests.support.kafka import RealBroker, unavailable_reason

# Into a file or a pipe a table is as wide as it needs to be.
console = Console(stderr=True, width=None if sys.stderr.isatty() else 160)

EXAMPLES = """
examples:
  python -m tests.bench                                      small versions of everything
  python -m tests.bench fold --accounts 1000,25000 --profile 30
  python -m tests.bench throughput --events 1000000 --accounts 100000 --rounds 3 --json bench-results/now.json
  python -m tests.bench throughput --bootstrap 127.0.0.1:19092 --peers PATH --engines floor,kstreams-memory
"""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measures the product. Figures of different runs compare as ratios only, never as numbers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--json", metavar="FILE", help="write the figures as JSON too; - is stdout")
    commands = top.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    # Given before or after the command; without a default here, the one before is not overwritten.
    common.add_argument(
        "--json", metavar="FILE", default=argparse.SUPPRESS, help="write the figures as JSON too; - is stdout"
    )

    def command(name: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=about, parents=[common], formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )

    one = command("fold", "the pure core alone: us per event and per timer")
    one.add_argument("--events", type=int, default=100_000, help="events of each workload")
    one.add_argument(
        "--accounts", type=_numbers, default=(1_000, 25_000), help="accounts of each workload, with commas"
    )
    one.add_argument("--days", type=_numbers, default=(4, 70), help="days that the events span, with commas")
    one.add_argument(
        "--profile", type=int, default=0, metavar="LINES", help="profile of the last workload, its top lines"
    )

    one = command("codec", "decode and encode beside fastavro alone; states")
    one.add_argument("--events", type=int, default=50_000, help="usage events, also those behind the states")
    one.add_argument("--accounts", type=int, default=2_000, help="accounts behind the states")
    one.add_argument("--rounds", type=int, default=5, help="turns of each function; the median counts")

    one = command("throughput", "the worker on Kafka, beside other engines")
    _on_kafka(one, events=1_000_000, accounts=100_000, rounds=3)
    one.add_argument("--peers", type=Path, metavar="DIR", help="folder of the reference job's programs, built")
    one.add_argument("--engines", default=f"{FLOOR},kstreams-memory", help=f"which of them: {','.join(NAMES)}")

    one = command("recovery", "reading states back from the changelog")
    _on_kafka(one, events=100_000, accounts=50_000, rounds=1)

    one = command("latency", "from an event to the intervention that it causes, live")
    one.add_argument("--accounts", type=int, default=3_000, help="accounts that state their intent to cancel")
    one.add_argument("--pace", type=float, default=300.0, help="events a second")
    return top


def _on_kafka(one: argparse.ArgumentParser, *, events: int, accounts: int, rounds: int) -> None:
    one.add_argument("--bootstrap", help="a running Kafka; without it, one is started for this run")
    one.add_argument("--events", type=int, default=events, help="usage events that lie in the topic")
    one.add_argument("--accounts", type=int, default=accounts, help="accounts that they belong to")
    one.add_argument(
        "--days", type=int, default=70, help="days that the events span: 10 events an account in 70 days measure days"
    )
    one.add_argument("--partitions", type=int, default=4, help="partitions of the account topics")
    one.add_argument("--rounds", type=int, default=rounds, help="fresh applications over the same input")


def _numbers(value: str) -> tuple[int, ...]:
    return tuple(int(word) for word in value.split(","))


@contextlib.contextmanager
def plan(asked: argparse.Namespace) -> Iterator[Plan]:
    """Where and what to measure, with a broker of its own unless one is named."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bootstrap = asked.bootstrap or stack.enter_context(RealBroker()).bootstrap
        workload = Workload(asked.events, asked.accounts, asked.days)
        yield Plan(bootstrap, workload, asked.partitions, asked.rounds, scratch)


def on_kafka(asked: argparse.Namespace) -> Report:
    """`throughput` or `recovery`."""
    with plan(asked) as where:
        if asked.command == "recovery":
            return recovery.bench(where, console.print)
        engines = tuple(asked.engines.split(","))
        if unknown := set(engines) - set(NAMES):
            raise SystemExit(f"--engines: {', '.join(sorted(unknown))}: known are {', '.join(NAMES)}")
        peers = Peers(asked.peers.resolve(), where.bootstrap) if asked.peers else None
        return throughput.bench(where, peers, engines, console.print)


def everything() -> list[Report]:
    """Small versions of all, some minutes long."""
    reports = [fold.bench(50_000, (500, 5_000), (4, 70)), codec.bench(20_000, 1_000, 3)]
    if reason := unavailable_reason():
        console.print(f"Nothing is measured on Kafka: {reason}.")
        return reports
    with RealBroker() as broker:
        sizes = (
            ("throughput", "--events", "50000", "--accounts", "5000", "--days", "4", "--rounds", "1"),
            ("recovery", "--events", "50000", "--accounts", "25000", "--days", "4"),
        )
        asked = (parser().parse_args([*words, "--bootstrap", broker.bootstrap]) for words in sizes)
        reports += map(on_kafka, asked)
        reports.append(latency.bench(broker, 600, 200.0))
    return reports


def main() -> int:
    """Measures what was asked for and prints it."""
    asked = parser().parse_args()
    console.print("  ".join(f"{name} {text(value)}" for name, value in machine().items()))
    alone = asked.command == "latency" or (asked.command in {"throughput", "recovery"} and not asked.bootstrap)
    if alone and (reason := unavailable_reason()):
        raise SystemExit(reason)
    if asked.command == "fold":
        reports = [fold.bench(asked.events, asked.accounts, asked.days, profile=asked.profile)]
    elif asked.command == "codec":
        reports = [codec.bench(asked.events, asked.accounts, asked.rounds)]
    elif asked.command == "latency":
        with RealBroker() as broker:
            reports = [latency.bench(broker, asked.accounts, asked.pace)]
    elif asked.command is None:
        reports = everything()
    else:
        reports = [on_kafka(asked)]
    for report in reports:
        report.show(console)
    if asked.json:
        save(reports, asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
