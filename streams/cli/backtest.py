"""`backontrack backtest`: the worker's core over history on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from streams import topics
from streams.backtest import compare, files
from streams.backtest.fold import Job, Result
from streams.backtest.history import survey
from streams.backtest.run import WORTH_A_PROCESS, ProcessDied, fold_all, processes
from streams.cli.history_options import (
    AccountsOption,
    ResponsesOption,
    SentimentOption,
    TicketsOption,
    UsageOption,
    moment,
)
from streams.cli.policy_file import chosen_policy
from streams.cli.refused import Refused
from streams.domain.time import format_time, parse_duration, parse_time
from streams.sentiment.choose import choose_scorer
from streams.settings import load_settings

_SCORES = ("account_id", "time", "metric", "score")
_SHOW_PROGRESS = 20_000


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def backtest(
    usage: UsageOption = None,
    sentiment: SentimentOption = None,
    tickets: TicketsOption = None,
    accounts: AccountsOption = None,
    responses: ResponsesOption = None,
    until: Annotated[
        str, typer.Option(callback=moment, help="Let time pass until here after the last event (ISO 8601)")
    ] = "",
    policy: Annotated[
        list[Path] | None,
        typer.Option(help="Policy file; several are compared. BACKONTRACK_POLICY or the shipped one"),
    ] = None,
    episodes: Annotated[
        Path | None, typer.Option(help="Write the episodes here (CSV; .gz is compressed); one file a policy")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write the evidence at each input row here (CSV); one file a policy")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="Write all output records here, encoded as by a worker (JSON Lines)")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report with charts here: one file, opened offline")] = None,
    window: Annotated[
        str, typer.Option(callback=_duration, help="An episode precedes a loss or a complaint by at most this")
    ] = "90d",
    tolerance: Annotated[
        str, typer.Option(callback=_duration, help="Onsets this near are the same episode under two policies")
    ] = "7d",
    sentiment_model: Annotated[
        Path | None, typer.Option(help="Model for raw text; BACKONTRACK_SENTIMENT_MODEL or the lexicon")
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Partitions of the log; BACKONTRACK_PARTITIONS; else 1 for a short history"),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a core when the history is long")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the summary as JSON")] = False,
) -> None:
    """Fold history on disk through the worker's core: what would have been found, fired, suppressed and recovered.

    With several policies it also tells where they differ. Losses and complaints in the history give lead times.
    `--html report.html` draws all of it.

    Examples:
        backontrack backtest --usage usage.csv --episodes episodes.csv --scores scores.csv

        backontrack backtest --usage usage.jsonl.gz --tickets tickets.jsonl.gz --until 2018-01-31 --json

        backontrack backtest --usage usage.csv --accounts account-events.csv --policy a.yaml --policy b.yaml
    """
    settings = load_settings(partitions=partitions, sentiment_model=sentiment_model)
    choose_scorer(settings.sentiment_model)  # a broken model is refused here, not in a process of its own
    named = {
        topics.USAGE: usage,
        topics.SENTIMENT: sentiment,
        topics.TICKETS: tickets,
        topics.ACCOUNTS: accounts,
        topics.RESPONSES: responses,
    }
    given = {topic: path for topic, path in named.items() if path is not None}
    if not given:
        raise typer.BadParameter("name at least one file of history, for example --usage usage.csv")
    policies = [chosen_policy(load_settings(policy=path)) for path in policy] if policy else [chosen_policy(settings)]
    # One name for its column, its figures and its files; a single policy needs none, so it is called by its version.
    names = compare.names_of([path.stem for path in policy or ()]) if len(policies) > 1 else [policies[0].version]
    _writable([path for path in (episodes, scores, records, html) if path is not None], given.values())
    found = survey(given, settings.partitions)
    if found.rows < WORTH_A_PROCESS and records is None and "partitions" not in settings.model_fields_set:
        # What a partition learns of feeds and silences must not hang on how the names of few accounts are spread.
        found = survey(given, 1)
    with TemporaryDirectory(prefix="backtest-") as directory:
        job = Job(
            found,
            found.partitions,
            tuple(policies),
            parse_time(until) if until else None,
            Path(directory),
            scores=scores is not None,
            records=records is not None,
            settings=settings,
        )
        with _progress(found.rows) as advance:
            try:
                result = fold_all(job, processes(found, len(policies), jobs), advance)
            except ProcessDied as error:
                raise Refused(str(error)) from None
        _check_end(result, given, until)
        _write(job, result, names, episodes, scores, records)
    _tell(
        result,
        list(zip(names, (one.version for one in policies), strict=True)),
        parse_duration(window),
        parse_duration(tolerance),
        usage,
        html,
        as_json=json_output,
    )


def _writable(outputs: Sequence[Path], inputs: Iterable[Path]) -> None:
    """Tells before the work which file cannot be written, and which should not be."""
    taken = {path.resolve() for path in inputs}
    for path in outputs:
        files.writable(path)
        if path.resolve() in taken:
            raise typer.BadParameter(f"{path} would be overwritten: it is read, or written for another option")
        taken.add(path.resolve())


def _check_end(result: Result, given: Mapping[str, Path], until: str) -> None:
    """Refuses a history that holds nothing, and one that goes on after its end."""
    events = result.policies[0].events
    empty = ", ".join(str(path) for topic, path in given.items() if not events[topic])
    if not events:
        raise Refused(f"there are no events in {empty}")
    if until and result.end > parse_time(until):
        raise Refused(
            f"--until {until} lies before the last event, {format_time(result.end)}: it ends the history, so leave it "
            "out, or leave out what came later"
        )
    if empty:
        typer.echo(f"note: there are no events in {empty}", err=True)


@contextmanager
def _progress(rows: int) -> Iterator[Callable[[int], None]]:
    """A bar of the events that are folded, when somebody looks and it takes a while."""
    if rows < _SHOW_PROGRESS or not sys.stderr.isatty():
        yield lambda _events: None
        return
    from rich.console import Console  # noqa: PLC0415  small histories do without
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("folding"), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("folding", total=rows)
        yield lambda events: bar.advance(task, events)


def _write(
    job: Job, result: Result, names: Sequence[str], episodes: Path | None, scores: Path | None, records: Path | None
) -> None:
    """The files that were asked for, of each policy."""
    several = len(names) > 1
    for place, name in enumerate(names):
        for what, path, head in (("scores", scores, _SCORES), ("records", records, ())):
            if path is not None:
                parts = [job.part(what, place, number) for number in range(job.partitions)]
                files.put_together(files.of_policy(path, name, several=several), parts, head)
        if episodes is not None:
            files.write_episodes(files.of_policy(episodes, name, several=several), result.policies[place].episodes)


def _tell(
    result: Result,
    names: Sequence[tuple[str, str]],
    window: int,
    tolerance: int,
    usage: Path | None,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    """The summary, and the report."""
    made = compare.figures(result, names, window)
    first = made[0].result.episodes
    found = [compare.differences(first, other.result.episodes, tolerance) for other in made[1:]]
    from streams.backtest import summary  # noqa: PLC0415  Rich is only needed at the end

    if html is not None:
        from streams.backtest.report import write_report  # noqa: PLC0415  only when it is asked for

        write_report(html, result, made, found, window, tolerance, usage)
    if as_json:
        typer.echo(json.dumps(summary.as_json(made, found, window, tolerance)))
        return
    from rich.console import Console  # noqa: PLC0415

    for table in summary.tables(made, found, window):
        Console().print(table)
