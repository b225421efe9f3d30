"""`backontrack generate`: simulated accounts, to a broker or to files, with a ledger of what should be found."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Protocol, TextIO

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams import topics
from streams.cli.event_feed import EventFeed
from streams.cli.refused import Refused
from streams.domain.time import DAY, format_time, parse_time
from streams.settings import load_settings
from streams.shell.admin import Admin
from streams.simulation.agenda import Dated
from streams.simulation.ledger import Ledger
from streams.simulation.world import START, World

_FILES = {
    topics.USAGE: "usage.jsonl.gz",
    topics.SENTIMENT: "sentiment.jsonl.gz",
    topics.TICKETS: "tickets.jsonl.gz",
    topics.ACCOUNTS: "accounts.jsonl.gz",
}
_SLICE = 1_000
"""Events after which the rate is looked at, and that are acknowledged together."""


class Sink(Protocol):
    """Where events go."""

    def send(self, batch: list[Dated]) -> None:
        """Stores events, and returns when they are stored."""

    @property
    def stored(self) -> Counter[str]:
        """Events stored so far, by topic."""


def generate(
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write files for `import` and `backtest` here, send nothing")
    ] = None,
    accounts: Annotated[int, typer.Option(min=10, max=1_000_000, help="Simulated accounts")] = 300,
    days: Annotated[int, typer.Option(min=7, max=3_650, help="Simulated days")] = 56,
    seed: Annotated[int, typer.Option(help="Another seed is another world")] = 7,
    start: Annotated[str, typer.Option(help="First simulated day (ISO 8601)")] = format_time(START)[:10],
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0: as fast as possible")] = 0,
    ledger: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Ledger (JSON Lines); ledger.jsonl in --out, or here")
    ] = None,
) -> None:
    """Simulate accounts whose drops are known, and write down what should be found.

    Sends to the input topics of BACKONTRACK_BOOTSTRAP_SERVERS, record time = simulated time (run the worker with
    BACKONTRACK_CLOCK=events), or writes files with --out. Some people act by themselves, so some accounts recover.
    The ledger gets a line only when all events before it are stored. The same options give the same events.

    Examples:
        backontrack generate --accounts 1000 --days 90

        backontrack generate --out history && backontrack backtest --usage history/usage.jsonl.gz
    """
    try:
        first = parse_time(start)
    except ValueError as error:
        raise typer.BadParameter(f"{start}: {error}", param_hint="--start") from error
    world = World(seed, accounts, days, first)
    world.attend()
    with ExitStack() as stack:
        sink: Sink
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            sink = _Files(out, stack)
        else:
            sink = _Broker(stack)
        path = ledger or (out or Path()) / "ledger.jsonl"
        book = stack.enter_context(path.open("w", encoding="utf-8"))
        _simulate(world, sink, book, rate, stack)
        typer.echo(f"{sink.stored.total():,} events of {accounts} accounts; the ledger is {path}")


def _simulate(world: World, sink: Sink, book: TextIO, rate: float, stack: ExitStack) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
    )
    bar = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    days = (world.end - world.start) // DAY
    task = bar.add_task("simulating", total=days)
    entries = Ledger(world)
    began = time.monotonic()
    for day in range(1, days + 1):
        until = world.start + day * DAY
        for part in _slices(world.advance(until)):
            sink.send(part)
            if rate:
                time.sleep(max(0.0, sink.stored.total() / rate - (time.monotonic() - began)))
        book.writelines(orjson.dumps(line).decode() + "\n" for line in entries.upto(until, sink.stored))
        book.flush()
        bar.advance(task)


def _slices(events: Iterator[Dated]) -> Iterator[list[Dated]]:
    part: list[Dated] = []
    for dated in events:
        part.append(dated)
        if len(part) == _SLICE:
            yield part
            part = []
    if part:
        yield part


class _Broker:
    """Sends to Kafka."""

    def __init__(self, stack: ExitStack) -> None:
        settings = load_settings()
        wrong = [str(difference) for difference in Admin(settings).check()]
        if wrong:
            raise Refused("\n".join(wrong))
        self._feed = EventFeed(settings)
        stack.callback(self._feed.close)

    def send(self, batch: list[Dated]) -> None:
        """Returns when the broker has acknowledged them."""
        self._feed.send(batch)
        self._feed.flush()

    @property
    def stored(self) -> Counter[str]:
        """Events acknowledged by the broker."""
        return self._feed.acknowledged


class _Files:
    """Writes JSON Lines, one file a topic, as `import` reads them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.stored: Counter[str] = Counter()
        # Without name and time in the header, the same options give the same bytes.
        self._files = {
            topic: stack.enter_context(
                gzip.GzipFile("", "wb", fileobj=stack.enter_context((directory / name).open("wb")), mtime=0)
            )
            for topic, name in _FILES.items()
        }

    def send(self, batch: list[Dated]) -> None:
        """Writes them."""
        for _, topic, event in batch:
            row = {**event, "time": format_time(event["occurred_at"])}
            del row["occurred_at"]
            self._files[topic].write(orjson.dumps(row) + b"\n")
            self.stored[topic] += 1
