"""`backontrack backtest`: the worker's core over history on disk."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, TextIO, cast

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from streams import topics
from streams.cli.history_options import AccountsOption, ResponsesOption, SentimentOption, TicketsOption, UsageOption
from streams.cli.policy_file import chosen_policy
from streams.detection.dormancy import probability_gone
from streams.domain.outputs import Output
from streams.domain.time import format_time, parse_time
from streams.history import read_history
from streams.offline import LoggedEvent, OfflineLog, accounts_of, fold_offline
from streams.partition import PartitionFold
from streams.policy.load import load_policy
from streams.policy.model import Policy
from streams.sentiment.vader import VaderScorer
from streams.settings import load_settings
from streams.shell.codec import Codec
from streams.shell.envelope import headers

_EPISODES = ("account_id", "metric", "kind", "onset_at", "opened_at", "recovered_at", "ended_as")
_SCORES = ("account_id", "time", "metric", "score")


def backtest(
    usage: UsageOption = None,
    sentiment: SentimentOption = None,
    tickets: TicketsOption = None,
    accounts: AccountsOption = None,
    responses: ResponsesOption = None,
    until: Annotated[str, typer.Option(help="Let time pass until here after the last event (ISO 8601)")] = "",
    policy: Annotated[Path | None, typer.Option(help="Policy file; BACKONTRACK_POLICY or the shipped one")] = None,
    episodes: Annotated[Path | None, typer.Option(help="Write the episodes here (CSV; .gz is compressed)")] = None,
    scores: Annotated[Path | None, typer.Option(help="Write the evidence at each input row here (CSV)")] = None,
    records: Annotated[
        Path | None, typer.Option(help="Write all output records here, encoded as by a worker (JSON Lines)")
    ] = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of the log; BACKONTRACK_PARTITIONS")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the summary as JSON")] = False,
) -> None:
    """Fold history on disk through the worker's core: what would have been found, fired, suppressed and recovered.

    Examples:
        backontrack backtest --usage usage.csv --episodes episodes.csv --scores scores.csv

        backontrack backtest --usage usage.jsonl.gz --tickets tickets.jsonl.gz --until 2018-01-31 --json
    """
    settings = load_settings(partitions=partitions, policy=policy)
    named = {
        topics.USAGE: usage,
        topics.SENTIMENT: sentiment,
        topics.TICKETS: tickets,
        topics.ACCOUNTS: accounts,
        topics.RESPONSES: responses,
    }
    if not any(named.values()):
        raise typer.BadParameter("name at least one file of history, for example --usage usage.csv")
    rules = chosen_policy(settings)
    log = OfflineLog(settings.partitions)
    for topic, path in named.items():
        if path is not None:
            for event in read_history(path, topic):
                log.append(topic, event["account_id"], event["occurred_at"], event)
    end = parse_time(until) if until else None
    if end is not None:
        log.tick(end)
    with ExitStack() as stack:
        report = Report(
            rules,
            stack.enter_context(_csv(scores, _SCORES)),
            stack.enter_context(_csv(episodes, _EPISODES)),
            stack.enter_context(_writer(records)),
            Codec(settings),
            settings.app_id,
        )
        progress = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        task = progress.add_task("folding", total=settings.partitions)
        folds = []
        for fold, outputs in fold_offline(log, rules, load_policy_text, VaderScorer(), report.applied):
            report.decided(outputs)
            folds.append(fold)
            progress.advance(task)
        if end is not None:
            report.dormancy(folds, end)
    report.show(as_json=json_output)


def load_policy_text(text: str) -> Policy:
    """Parses the text of a policy record."""
    return load_policy(text, "policy record")


class Report:
    """Collects what the fold says and writes it out."""

    def __init__(
        self,
        policy: Policy,
        scores: Any | None,
        episodes: Any | None,
        records: TextIO | None,
        codec: Codec,
        app_id: str,
    ) -> None:
        self._policy, self._scores, self._episodes, self._records = policy, scores, episodes, records
        self._codec, self._app_id = codec, app_id
        self.events: Counter[str] = Counter()
        self.opened: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()

    def applied(self, fold: PartitionFold, item: LoggedEvent) -> None:
        """Called after each event: the evidence at that moment."""
        self.events[item.topic] += 1
        if self._scores is None:
            return
        if item.topic == topics.USAGE:
            account = fold.accounts.get(item.event["account_id"])
            signal = account.signals.metrics.get(item.event["metric"]) if account else None
            row = (item.event["metric"], f"{signal.evidence if signal else 0.0:.6f}")
        elif item.topic == topics.SENTIMENT:
            account = fold.accounts.get(item.event["account_id"])
            said = account.signals.utterances[-1].score if account and account.signals.utterances else 0.0
            row = ("sentiment", f"{said:.6f}")
        else:
            return
        self._scores.writerow((item.event["account_id"], format_time(item.event["occurred_at"]), *row))

    def decided(self, outputs: list[Output]) -> None:
        """Called with all outputs of a partition, in order."""
        rows: dict[str, list[str]] = {}
        for output in outputs:
            record = output.record
            if self._records is not None:
                self._records.write(self._encoded(output))
            if output.topic == topics.SUPPRESSED:
                self.suppressed[record["reason"]] += 1
            elif output.topic == topics.OUTCOMES:
                self.outcomes[record["outcome"]] += 1
                _ended(rows[output.id], record)
            elif record["state"] in {"opened", "held_out"} and output.id not in rows:
                cause = record["cause"]
                self.opened[cause["kind"]] += 1
                at = (format_time(record["onset_at"]), format_time(record["opened_at"]))
                rows[output.id] = [record["account_id"], cause["subject"], cause["kind"], *at, "", "open"]
        if self._episodes is not None:
            self._episodes.writerows(rows.values())

    def dormancy(self, folds: list[PartitionFold], until: int) -> None:
        """One row an account: the probability that it is gone."""
        if self._scores is not None:
            for account in accounts_of(folds):
                gone = probability_gone(account, until)
                self._scores.writerow((account.account_id, format_time(until), "dormancy", f"{gone:.6f}"))

    def _encoded(self, output: Output) -> str:
        value = self._codec.encode(output.topic, output.record)
        return (
            json.dumps(
                {
                    "topic": output.topic,
                    "ce_id": headers(output, self._app_id)["ce_id"].decode(),
                    "key": output.account_id,
                    "value": value.hex(),
                },
            )
            + "\n"
        )

    def show(self, *, as_json: bool) -> None:
        """Prints the summary."""
        parts = {
            "events": self.events,
            "interventions": self.opened,
            "outcomes": self.outcomes,
            "suppressed": self.suppressed,
        }
        if as_json:
            typer.echo(json.dumps({"policy": self._policy.version, **parts}))
            return
        table = Table("", "what", "count", title=f"policy {self._policy.version}")
        for name, counter in parts.items():
            for what, count in counter.most_common():
                table.add_row(name, what, f"{count:,}")
        Console().print(table)


def _ended(row: list[str], record: dict[str, Any]) -> None:
    """Puts an outcome into an episode's row; the last one holds."""
    outcome = record["outcome"]
    if outcome == "back_on_track" or (outcome == "confirmed" and not row[5]):
        row[5:] = [format_time(record["recovered_at"]), "recovered"]
    elif outcome == "relapsed":
        row[5:] = ["", "open"]
    elif outcome == "new_normal":
        row[5:] = ["", "new_normal"]


@contextmanager
def _writer(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb") if path.suffix == ".gz" else raw as packed,
        io.TextIOWrapper(cast("IO[bytes]", packed), encoding="utf-8", newline="") as file,
    ):
        yield file


@contextmanager
def _csv(path: Path | None, head: tuple[str, ...]) -> Iterator[Any | None]:
    with _writer(path) as file:
        if file is None:
            yield None
            return
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        yield writer
