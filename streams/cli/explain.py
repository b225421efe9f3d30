"""`backontrack explain`: an account's story, from the output topics alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Annotated

import orjson
import typer
from rich.console import Console

from streams.cli.refused import Refused
from streams.domain.time import format_duration
from streams.settings import load_settings
from streams.views import payloads
from streams.views.consume import OutputsUnavailable, read_to_end
from streams.views.episode import EpisodeView
from streams.views.story import Line, account_summary, episode_story, suppressed_line
from streams.views.view import AccountView
from streams.views.words import STATES, moment, printable, say, sentence, usd

_MOST_SUPPRESSED = 10
_NARROWEST = 40


def explain(
    account: Annotated[str, typer.Argument(help="Id of the account")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, records included")] = False,
    episode: Annotated[str | None, typer.Option(help="Only this episode: its intervention id")] = None,
) -> None:
    """Tell why an account has its score, why there was an intervention, what was done, and what it waits for.

    Reads the output topics to their ends. Exit code 1 when nothing is known of the account.

    Examples:
        backontrack explain acct-0042

        backontrack explain acct-0042 --json | jq .summary

        backontrack explain acct-0042 --episode 6eb9c2e7-5b53-5f94-9009-0dd721eea5f6
    """
    settings = load_settings()
    try:
        view = read_to_end(settings, account_id=account)
    except OutputsUnavailable as error:
        raise Refused(str(error)) from None
    found = view.accounts.get(account)
    if found is None:
        raise Refused(
            f"nothing is known of account {account!r} in the output topics; "
            "is it spelt as in the events, and has a worker seen it?"
        )
    if episode is not None and episode not in found.episodes:
        known = ", ".join(found.episodes) or "none"
        raise Refused(f"account {account!r} has no episode {episode!r}; its episodes: {known}")
    now = view.stream_time
    if as_json:
        told = (
            payloads.account_full(found, now)
            if episode is None
            else payloads.episode_full(found.episodes[episode], now)
        )
        typer.echo(orjson.dumps(told | {"stream_time": now}, option=orjson.OPT_INDENT_2))
        return
    _print(_account(found, now) if episode is None else _episode(found.episodes[episode], now))


def _account(account: AccountView, now: int) -> Iterator[str]:
    worth = "" if account.value is None else f", {usd(account.value)} a year"
    yield f"{account.account_id}{worth}   (newest event {moment(now)})"
    yield ""
    yield from account_summary(account, now)
    for episode in sorted(account.episodes.values(), key=lambda e: int(e.latest["opened_at"])):
        yield ""
        yield from _episode(episode, now)
    own = [record for record in account.suppressed.values() if record["intervention_id"] not in account.episodes]
    if own:
        yield ""
        yield f"Held back: {account.suppressed_total}" + (", the newest:" if len(own) > _MOST_SUPPRESSED else "")
        for record in own[-_MOST_SUPPRESSED:]:
            yield from _line(suppressed_line(record))


def _episode(episode: EpisodeView, now: int) -> Iterator[str]:
    cause = episode.latest["cause"]
    until = now if episode.ended_at is None else episode.ended_at
    lasted = format_duration(max(until - int(episode.latest["onset_at"]), 0))
    yield f"Episode {episode.intervention_id}: {say(STATES, episode.state)}, {lasted} from the first sign"
    yield f"  {sentence(cause['text'])}"
    for line in episode_story(episode, now):
        yield from _line(line)


def _line(line: Line) -> Iterator[str]:
    yield f"  {moment(line.at)}  {line.text}"
    for detail in line.details:
        yield f"{' ' * 24}{detail}"


def _print(lines: Iterable[str]) -> None:
    console = Console()
    for line in lines:
        text = printable(line)
        if console.is_terminal and console.width >= _NARROWEST:
            indent = " " * (24 if text.startswith("  2") else len(text) - len(text.lstrip()))
            text = textwrap.fill(text, console.width, subsequent_indent=indent, break_on_hyphens=False) or ""
        typer.echo(text)
