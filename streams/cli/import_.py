"""`backontrack import`: history from files to the input topics."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams import topics
from streams.cli.history_options import AccountsOption, ResponsesOption, SentimentOption, TicketsOption, UsageOption
from streams.cli.refused import Refused
from streams.domain.time import format_duration, format_time, parse_time
from streams.history import BadRow, HistoryFile, Scan
from streams.history_mapping import load_mapping
from streams.settings import Settings, load_settings
from streams.shell.admin import Admin
from streams.shell.codec import Codec
from streams.shell.importer import Importer, ImportFailed

_PLAIN_EVERY_S = 5.0


class _Job(NamedTuple):
    """A file that was read once and found fit to be sent."""

    file: HistoryFile
    scan: Scan


def import_(
    usage: UsageOption = None,
    sentiment: SentimentOption = None,
    tickets: TicketsOption = None,
    accounts: AccountsOption = None,
    responses: ResponsesOption = None,
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML: what these files call differently")
    ] = None,
    until: Annotated[str, typer.Option(help="Then let time pass until here (ISO 8601): one tick a partition")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on after what is on the topics already")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out; they go to FILE.bad")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the files, send nothing")] = False,
) -> None:
    """Publish history to the input topics: record time = event time, key = account.

    Every file is read and checked before anything is sent. CSV needs a header; columns carry the names of the schema
    (`backontrack schemas show`), `time` is understood for `occurred_at`. A mapping file says what is called
    differently, by topic: `columns`, `values`, `constants`. Rows without an event id get one from their content.

    Examples:
        backontrack import --usage usage.jsonl.gz --tickets tickets.csv

        backontrack import --usage export.csv --mapping export.yaml --until 2018-01-31

        backontrack import --usage usage.csv --resume
    """
    named = {
        topics.USAGE: usage,
        topics.SENTIMENT: sentiment,
        topics.TICKETS: tickets,
        topics.ACCOUNTS: accounts,
        topics.RESPONSES: responses,
    }
    if not any(named.values()) and not until:
        raise typer.BadParameter("name at least one file of history, for example --usage usage.csv")
    settings = load_settings()
    end = _parse_until(until) if until else None
    mappings = load_mapping(mapping) if mapping else {}
    jobs = [
        _read(HistoryFile(path, topic, mappings.get(topic)), skip_bad=skip_bad) for topic, path in named.items() if path
    ]
    if end is not None and (late := [job for job in jobs if job.scan.last_at > end]):
        raise typer.BadParameter(f"--until {until} is before the end of {late[0].file.path}")
    if dry_run:
        return
    partitions = _check_topics(settings, jobs, with_control=end is not None)
    importer = Importer(settings, Codec(settings))
    try:
        for job in jobs:
            _send(importer, job, partitions, resume=resume)
        if end is not None:
            written = importer.end(end, partitions)
            _say(f"{topics.CONTROL}: {written} ticks at {format_time(end)}")
    except ImportFailed as error:
        raise Refused(f"{error}. What was acknowledged stays; go on with --resume.") from error


def _read(file: HistoryFile, *, skip_bad: bool) -> _Job:
    """Reads a file once; bad rows end the command, or go to a side file."""
    with ExitStack() as stack:
        bad = stack.enter_context(_side_file(file.path)) if skip_bad else None
        scan = file.scan(bad or (lambda _: None))
    if scan.bad and not skip_bad:
        shown = "\n".join(f"{file.path}:{row.line}: {row.reason}" for row in scan.first_bad)
        raise Refused(
            f"{scan.bad} bad rows, nothing was sent. Mend them, map them or leave them out (--skip-bad).\n{shown}"
        )
    if scan.rows == 0:
        raise Refused(f"{file.path}: holds no events")
    if scan.unknown_columns:
        _say(f"{file.path}: columns that nothing takes: {', '.join(scan.unknown_columns)}")
    order = "in time order" if scan.in_order else "put in time order"
    left_out = f", {scan.bad} bad rows left out" if scan.bad else ""
    span = f"{format_time(scan.first_at)} to {format_time(scan.last_at)}"
    _say(f"{file.path}: {scan.rows:,} events, {span}, {order}{left_out}")
    return _Job(file, scan)


@contextmanager
def _side_file(path: Path) -> Iterator[Callable[[BadRow], object]]:
    """Writes bad rows, with line and reason, to `NAME.bad` in the working directory, which may be written to."""
    target = Path(f"{path.name}.bad")
    with target.open("w", encoding="utf-8") as out:

        def write(row: BadRow) -> None:
            out.write(f"{row.line}\t{row.reason}\t{row.text.rstrip()}\n")

        yield write
        empty = out.tell() == 0
    if empty:
        target.unlink()
    else:
        _say(f"bad rows are in {target}")


def _check_topics(settings: Settings, jobs: list[_Job], *, with_control: bool) -> int:
    """Number of partitions of the topics; refuses topics that are missing, differ, or would delete what is sent."""
    wanted = {job.file.topic: job.scan.first_at for job in jobs}
    names = {settings.topic(topic): topic for topic in [*wanted, *([topics.CONTROL] if with_control else [])]}
    admin = Admin(settings)
    found = admin.partitions(names)
    if missing := sorted(set(names) - set(found)):
        raise Refused(f"missing topics: {', '.join(missing)}. Create them: backontrack topics create")
    counts = {name: count for name, (count, _) in found.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise Refused(f"account topics need the same number of partitions, but: {shown}. See backontrack topics check")
    now = round(time.time() * 1000)
    for name, config in admin.config(names).items():
        age = now - wanted.get(names[name], now)
        for limit in ("retention.ms", "message.timestamp.before.max.ms"):
            allowed = int(config.get(limit, -1))
            if "delete" in config.get("cleanup.policy", "delete") and 0 <= allowed < age:
                raise Refused(
                    f"{name}: {limit} is {format_duration(allowed)}, the oldest event is {format_duration(age)} old: "
                    f"the broker would not keep it. Set {limit} to -1 (retention: backontrack topics create --alter)."
                )
        if config.get("message.timestamp.type", "CreateTime") != "CreateTime":
            raise Refused(f"{name}: LogAppendTime replaces event times. Fix: backontrack topics create --alter")
    return next(iter(counts.values()))


def _send(importer: Importer, job: _Job, partitions: int, *, resume: bool) -> None:
    topic, scan = job.file.topic, job.scan
    before = importer.sent_before(topic, scan.digest, partitions)
    if before and not resume:
        raise Refused(
            f"{job.file.path} is on {topic} already, in whole or in part. Go on where it ended with --resume."
        )
    started = time.monotonic()
    with _progress(topic, scan.rows) as advance:
        sent = importer.send(topic, scan.digest, job.file.events(scan), partitions, before, advance)
    took = time.monotonic() - started
    skipped = f", {scan.rows - sent:,} were there already" if sent < scan.rows else ""
    _say(f"{topic}: {sent:,} events in {took:.1f} s ({sent / max(took, 1e-3):,.0f}/s){skipped}")


@contextmanager
def _progress(topic: str, total: int) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        last = time.monotonic()

        def line(done: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _PLAIN_EVERY_S:
                last = time.monotonic()
                _say(f"{topic}: {done:,} of {total:,}")

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(topic, total=total)
        yield lambda done: bar.update(task, completed=done)


def _parse_until(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError:
        raise typer.BadParameter(f"--until {text!r} is no ISO 8601 time, for example 2018-01-31T00:00:00Z") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
