"""`backontrack dormancy`: fit the BG/NBD model of `dormancy` to history on disk."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams import topics
from streams.backtest.history import Survey, events, survey
from streams.cli.group import group
from streams.cli.history_options import RequiredUsage, moment
from streams.cli.policy_file import chosen_policy
from streams.cli.refused import Refused
from streams.detection import bg_nbd
from streams.detection.dormancy import activity
from streams.domain.account import AccountState
from streams.domain.time import format_time, parse_time
from streams.offline import OfflinePartition, fold_history
from streams.policy.model import Policy
from streams.settings import load_settings

_WHAT_COUNTS = "; what counts are values above 0 of metrics where more is good, unless they come at fixed moments"

app = group("Fit the model that tells how likely an account is gone to your own history.")


@app.callback()
def _group() -> None:
    """Fit the model that tells how likely an account is gone to your own history."""


@app.command("fit")
def fit(
    usage: RequiredUsage,
    until: Annotated[
        str, typer.Option(callback=moment, help="Look at it from here (ISO 8601), without what came later; its end")
    ] = "",
    policy: Annotated[
        Path | None, typer.Option(help="Policy file: what a session is. BACKONTRACK_POLICY or the shipped one")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON")] = False,
) -> None:
    """Find the parameters of the BG/NBD model that fit a history best, as the lines of a policy that use them.

    Sessions are counted as a worker counts them (`time.session`, metrics where more is good). Every account of the
    file counts, so the file has to hold the ones that left, too. Fader, Hardie and Lee 2005; see docs/dormancy.md.

    Examples:
        backontrack dormancy fit --usage usage.csv

        backontrack dormancy fit --usage usage.jsonl.gz --until 2026-06-30 --json

        (echo "extends: default"; backontrack dormancy fit --usage usage.csv) > policy.yaml
    """
    rules = chosen_policy(load_settings(policy=policy))
    console = Console(stderr=True)
    found = survey({topics.USAGE: usage}, 1)
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("events"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        accounts, end = _fold(found, rules, parse_time(until) if until else None, bar)
    pulses = [account.signals.rhythm for account in accounts if account.signals.rhythm.last_at]
    with console.status(f"fitting {len(pulses):,} accounts"):
        try:
            made = bg_nbd.fit(activity(pulse, end) for pulse in pulses)
        except ValueError as error:
            raise Refused(f"{usage}: nothing to learn from: {error}{'' if pulses else _WHAT_COUNTS}") from None
    if not made.clear:
        typer.echo("note: this history leaves some parameters open; use more accounts, or a longer time", err=True)
    shown = {name: float(f"{value:.6g}") for name, value in made.parameters._asdict().items()}
    repeating = sum(pulse.repeats > 0 for pulse in pulses)
    if json_output:
        whole = {
            "bg_nbd": shown,
            "accounts": len(pulses),
            "repeating": repeating,
            "until": format_time(end),
            "log_likelihood": round(made.log_likelihood, 4),
            "clear": made.clear,
        }
        typer.echo(json.dumps(whole))
        return
    typer.echo(f"# BG/NBD, fitted to {len(pulses):,} accounts until {format_time(end)}; {repeating:,} came back.")
    typer.echo(f"# log-likelihood {made.log_likelihood:.2f}")
    typer.echo("detection:\n  dormancy:\n    model: bg_nbd")
    typer.echo(f"    bg_nbd: {{{', '.join(f'{name}: {value}' for name, value in shown.items())}}}")


def _fold(found: Survey, policy: Policy, until: int | None, bar: Progress) -> tuple[list[AccountState], int]:
    """All accounts as a worker sees them at `until`, and that moment: the newest event's when none is given, ms."""
    partition, task = OfflinePartition(0, policy), bar.add_task("reading", total=found.rows)
    history = events(found, lambda _: True)[topics.USAGE]
    known = takewhile(lambda event: until is None or event["occurred_at"] <= until, history)

    def advance(count: int) -> None:
        bar.advance(task, count)
        partition.fold.outputs.clear()  # nobody asks for them, and a long history has many

    fold_history({topics.USAGE: known}, [partition], lambda _: partition, until, advance)
    return list(partition.fold.accounts.values()), partition.fold.state.stream_time
