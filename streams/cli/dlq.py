"""`backontrack dlq`: what could not be read or processed, and how it gets back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from streams.cli.refused import Refused
from streams.domain.time import format_time
from streams.settings import load_settings
from streams.shell.dead_letter_log import DeadLetter, DeadLetterLog, ReplayRefused

app = typer.Typer(
    help="List, look into and replay dead letters.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
_ROW = 16
Ids = Annotated[list[str], typer.Argument(help="Ids as listed: PARTITION/OFFSET, or OFFSET in partition 0")]


@app.command("list")
def list_(
    reason: Annotated[str, typer.Option(help="Only those with this reason")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest")] = 100,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
) -> None:
    """List dead letters: where they came from and why they are here.

    Examples:
        backontrack dlq list

        backontrack dlq list --reason key_mismatch --json
    """
    with _log() as log:
        found = [letter for letter in log.all() if not reason or letter.reason == reason]
    shown = found[-limit:]
    if json_output:
        for letter in shown:
            typer.echo(json.dumps(_summary(letter)))
        return
    folded = [Column(name, overflow="fold") for name in ("time", "origin", "reason", "message")]
    table = Table(Column("id", no_wrap=True), *folded)
    for letter in shown:
        origin = f"{letter.origin_topic}/{letter.origin_partition}/{letter.origin_offset}"
        table.add_row(letter.id, format_time(letter.at), origin, letter.reason, letter.message)
    if shown:
        Console().print(table)
    left_out = f", the newest {limit} are shown" if len(found) > limit else ""
    typer.echo(f"{len(found)} dead letters{left_out}")


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="PARTITION/OFFSET, or OFFSET in partition 0")],
    json_output: Annotated[bool, typer.Option("--json", help="As JSON; value and key in hexadecimal")] = False,
) -> None:
    """Show one dead letter: headers, bytes, and the record in it when it can be read.

    Examples:
        backontrack dlq show 12
    """
    with _log() as log:
        letter = _one(log, letter_id)
        record = log.decoded(letter)
    if json_output:
        headers = [
            {"name": name, "value": None if value is None else value.decode(errors="replace")}
            for name, value in letter.headers
        ]
        whole = {"key": _hex(letter.key), "value": _hex(letter.value), "headers": headers, "record": record}
        typer.echo(json.dumps({**_summary(letter), **whole}))
        return
    typer.echo(f"dead letter {letter.id}, record of {format_time(letter.at)}")
    for name, value in letter.headers:
        typer.echo(f"  {name}: {_text(value)}")
    typer.echo(f"key: {_shown(letter.key)}")
    typer.echo("value:" if letter.value else f"value: {_shown(letter.value)}")
    for line in hexdump(letter.value or b""):
        typer.echo(f"  {line}")
    if isinstance(record, str):
        typer.echo(f"cannot be read: {record}")
    else:
        typer.echo(json.dumps(record, indent=2))


@app.command()
def replay(
    ids: Ids = [],  # noqa: B006  typer's way to say that there may be none
    reason: Annotated[str, typer.Option(help="All with this reason")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All of them")] = False,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A corrected record (JSON) to send in place of one letter"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done")] = False,
) -> None:
    """Put dead letters back on the topics that they came from, after their cause is mended.

    The original bytes, key, headers and record time, or the record in `--file` with its account as the key. A letter
    that was put back before is left alone, so it is safe to run this again.

    Examples:
        backontrack dlq replay 12 13

        backontrack dlq replay --reason unknown_schema --dry-run

        backontrack dlq show 12 --json | jq .record > mended.json && backontrack dlq replay 12 --file mended.json
    """
    if bool(ids) + bool(reason) + everything != 1:
        raise typer.BadParameter("name ids, or --reason, or --all")
    if file is not None and len(ids) != 1:
        raise typer.BadParameter("--file replaces the record of one letter: name its id")
    with _log() as log:
        letters = [_one(log, letter_id) for letter_id in ids] or [
            letter for letter in log.all() if everything or letter.reason == reason
        ]
        done = sum(_replay(log, letter, file, dry_run=dry_run) for letter in letters)
    typer.echo(f"{done} of {len(letters)} {'would be ' if dry_run else ''}put back")


def _replay(log: DeadLetterLog, letter: DeadLetter, file: Path | None, *, dry_run: bool) -> bool:
    if letter.origin_offset < 0:
        raise Refused(f"{letter.id}: it does not say where it came from")
    try:
        key, value = log.corrected(letter, _record(file)) if file else (letter.key, letter.value)
        if log.replayed(letter, key):
            print(f"{letter.id}: is on {letter.origin_topic} already", file=sys.stderr)
            return False
        if not dry_run:
            log.replay(letter, key, value)
    except ReplayRefused as error:
        raise Refused(f"{letter.id}: {error}") from error
    print(f"{letter.id}: {'would go' if dry_run else 'put'} on {letter.origin_topic}", file=sys.stderr)
    return True


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"{file}: no JSON: {error}") from error
    if not isinstance(record, dict):
        raise Refused(f"{file}: must be one JSON object, the record")
    return record


def _one(log: DeadLetterLog, letter_id: str) -> DeadLetter:
    if not letter_id.replace("/", "", 1).isdigit():
        raise typer.BadParameter(f"{letter_id}: an id is PARTITION/OFFSET, or OFFSET")
    letter = log.one(letter_id)
    if letter is None:
        raise Refused(f"there is no dead letter {letter_id}; see backontrack dlq list")
    return letter


@contextmanager
def _log() -> Iterator[DeadLetterLog]:
    log = DeadLetterLog(load_settings())
    try:
        yield log
    finally:
        log.close()


def _summary(letter: DeadLetter) -> dict[str, Any]:
    origin = {"topic": letter.origin_topic, "partition": letter.origin_partition, "offset": letter.origin_offset}
    return {
        "id": letter.id,
        "time": format_time(letter.at),
        "origin": origin,
        "reason": letter.reason,
        "message": letter.message,
    }


def hexdump(data: bytes, limit: int = 1024) -> Iterator[str]:
    """Lines of offset, bytes and printable characters; at most `limit` bytes."""
    for start in range(0, min(len(data), limit), _ROW):
        row = data[start : start + _ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004  printable ASCII
        yield f"{start:08x}  {row.hex(' '):<{3 * _ROW}} {text}"
    if len(data) > limit:
        yield f"... {len(data) - limit} more bytes"


def _text(value: bytes | None) -> str:
    """A header's value; as bytes when it is no text, so that it cannot write to the terminal."""
    text = None if value is None else value.decode(errors="replace")
    return text if text is not None and text.isprintable() and "\ufffd" not in text else _shown(value)


def _shown(value: bytes | None) -> str:
    return "null" if value is None else repr(value)[1:]


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
