"""`backontrack dlq`: what could not be read or processed, and how it gets back."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import rich.progress
import typer
from rich.console import Console
from rich.table import Column, Table

from streams.cli.group import group
from streams.cli.refused import Refused
from streams.domain.time import format_time
from streams.settings import load_settings
from streams.shell.dead_letter_log import DeadLetter, DeadLetterLog, Progress
from streams.shell.dead_letter_replay import Advance, Done, ReplayStopped, Result

app = group("List, look into and replay dead letters.")
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
    shown: deque[DeadLetter] = deque(maxlen=limit)
    found = 0
    with _log() as log:
        for letter in log.all():
            if not reason or letter.reason == reason:
                shown.append(letter)
                found += 1
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
    left_out = f", the newest {limit} are shown" if found > limit else ""
    typer.echo(f"{found} dead letters{left_out}")


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
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a letter")] = False,
) -> None:
    """Put dead letters back on the topics that they came from, after their cause is mended.

    The original bytes, key, headers and record time, or the record in `--file` with its account as the key. A letter
    that was put back before is left alone, so it is safe to run this again, also after a run that was broken off. One
    that cannot be put back is told at the end, with exit code 1; the others go back all the same.

    Examples:
        backontrack dlq replay 12 13

        backontrack dlq replay --reason unknown_schema --dry-run

        backontrack dlq show 12 --json | jq .record > mended.json && backontrack dlq replay 12 --file mended.json
    """
    if bool(ids) + bool(reason) + everything != 1:
        raise typer.BadParameter("name ids, or --reason, or --all")
    if file is not None and len(ids) != 1:
        raise typer.BadParameter("--file replaces the record of one letter: name its id")
    wanted = {_whole(letter_id) for letter_id in ids}
    found: set[str] = set()

    def chosen(letter: DeadLetter) -> bool:
        if wanted and letter.id in wanted:
            found.add(letter.id)
            return True
        return everything or (bool(reason) and letter.reason == reason)

    seen = _Seen(json_output=json_output)
    with _log() as log, _Bar() as bar:
        record = None if file is None else _record(file)
        corrected = None if record is None else lambda letter: log.corrected(letter, record)
        try:
            for result in log.replay(chosen, corrected, dry_run=dry_run, progress=bar):
                seen.add(result)
        except ReplayStopped as error:
            raise Refused(f"{error} ({seen.count[Done.PUT]} put back)") from error
    for missing in sorted(wanted - found):
        seen.add(Result(missing, Done.REFUSED, "", -1, "there is no such dead letter; see backontrack dlq list"))
    seen.conclude(dry_run=dry_run)


class _Seen:
    """Tells what becomes of letters, and how it ended."""

    def __init__(self, *, json_output: bool) -> None:
        self._json = json_output
        self._refused: list[Result] = []
        self.count: Counter[Done] = Counter()

    def add(self, result: Result) -> None:
        """One letter more."""
        self.count[result.done] += 1
        if result.done is Done.REFUSED:
            self._refused.append(result)
        if self._json:
            target = {"topic": result.topic, "partition": result.partition}
            typer.echo(json.dumps({"id": result.id, "done": result.done, "target": target, "reason": result.reason}))

    def conclude(self, *, dry_run: bool) -> None:
        """The sum, the list of what was refused, and exit code 1 when there is any."""
        if not self._json:
            done = self.count[Done.WOULD_PUT if dry_run else Done.PUT]
            typer.echo(f"{done} of {self.count.total()} {'would be ' if dry_run else ''}put back")
            if self.count[Done.ALREADY]:
                typer.echo(f"{self.count[Done.ALREADY]} are on their topics already", err=True)
        for result in self._refused:
            typer.echo(f"{result.id}: {result.reason}", err=True)
        if self._refused:
            raise typer.Exit(1)


class _Bar(Progress):
    """Bars on stderr while it is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def begin(self, what: str, total: int) -> Advance:
        task = self._bars.add_task(what, total=total)
        return lambda more: self._bars.update(task, advance=more)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def _whole(letter_id: str) -> str:
    if not letter_id.replace("/", "", 1).isdigit():
        raise typer.BadParameter(f"{letter_id}: an id is PARTITION/OFFSET, or OFFSET")
    partition, _, offset = letter_id.rpartition("/")
    return f"{int(partition or 0)}/{int(offset)}"


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"{file}: no JSON: {error}") from error
    if not isinstance(record, dict):
        raise Refused(f"{file}: must be one JSON object, the record")
    return record


def _one(log: DeadLetterLog, letter_id: str) -> DeadLetter:
    letter = log.one(_whole(letter_id))
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
