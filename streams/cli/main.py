"""The command `backontrack`: which commands there are, and how they end.

Commands are imported when they run, so that `--help` and completion answer at once. Exit codes: 0 fine, 1 failed with
one message on stderr, 2 wrong use.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command


class _Lazy(NamedTuple):
    """A command: its name, where it is, its line in the list."""

    name: str
    target: str
    doc: str
    panel: str


_TRY, _RUN, _DATA, _LOOK = "Try it", "Run it", "Topics and data", "Look at it"
COMMANDS = (
    _Lazy(
        "demo",
        "streams.cli.demo:demo",
        "The whole loop on this machine: broker, simulated accounts, worker, board.",
        _TRY,
    ),
    _Lazy("worker", "streams.cli.worker:worker", "Run one worker.", _RUN),
    _Lazy("board", "streams.cli.board:board", "Serve the read API and the web page.", _RUN),
    _Lazy("settings", "streams.cli.settings:settings", "Show every setting with its meaning and value.", _RUN),
    _Lazy("topics", "streams.cli.topics:app", "Create the topics, or tell how they differ from what is needed.", _DATA),
    _Lazy("acls", "streams.cli.acls:acls", "Print the access rights that a client needs on the brokers.", _DATA),
    _Lazy("schemas", "streams.cli.schemas:app", "Show the record schemas, and check that they fit each other.", _DATA),
    _Lazy("import", "streams.cli.import_:import_", "Publish history from files to the input topics.", _DATA),
    _Lazy("generate", "streams.cli.generate:generate", "Simulate accounts whose drops are known.", _DATA),
    _Lazy(
        "sentiment",
        "streams.cli.sentiment:app",
        "Train a sentiment model on your own labelled texts; score texts and see why.",
        _DATA,
    ),
    _Lazy(
        "dormancy",
        "streams.cli.dormancy:app",
        "Fit the model that tells how likely an account is gone to your own history.",
        _DATA,
    ),
    _Lazy("dlq", "streams.cli.dlq:app", "List, look into and replay dead letters.", _DATA),
    _Lazy("backtest", "streams.cli.backtest:backtest", "Fold history on disk without Kafka.", _LOOK),
    _Lazy(
        "explain", "streams.cli.explain:explain", "Why this score, why this intervention, what happened since.", _LOOK
    ),
    _Lazy("watch", "streams.cli.watch:watch", "Live view of drops, interventions and recoveries.", _LOOK),
)
_EXAMPLES = re.compile(r"^( *Examples:)\n(?!\n)", re.MULTILINE)
_TARGETS = {command.name: command.target for command in COMMANDS}


class LazyGroup(TyperGroup):
    """Knows its commands by name, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The real command of the first argument; wrong names end with a suggestion."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        return (name, placeholder, rest) if name is None else (name, load(name), rest)


def load(name: str) -> Any:
    """Imports a command by its name."""
    module, _, attribute = _TARGETS[name].partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
        single.command(name)(found)
        found = single
    command = get_command(found)
    command.name = name
    for part in (command, *getattr(command, "commands", {}).values()):
        # Without an empty line Markdown takes the first example for text.
        part.help = _EXAMPLES.sub(r"\1\n\n", part.help or "")
    return command


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"backontrack {metadata.version('backontrack')}")
        raise typer.Exit


def _root(
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Settings file (YAML); also BACKONTRACK_CONFIG")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=lambda value: _version(asked=value), help="Show it")
    ] = False,
) -> None:
    """Finds accounts that stop succeeding and triggers the action that brings them back.

    Settings come from BACKONTRACK_* or a file: see `backontrack settings`. Every command has `--help` with examples.

    Examples:
        backontrack demo

        BACKONTRACK_BOOTSTRAP_SERVERS=kafka:9093 BACKONTRACK_SECURITY_PROTOCOL=ssl backontrack worker
    """
    if config is not None:
        # The commands read their settings themselves, and so do processes that they start.
        os.environ["BACKONTRACK_CONFIG"] = str(config)
    del version


def application() -> typer.Typer:
    """The command group with placeholders for its commands."""
    app = typer.Typer(
        cls=LazyGroup,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_EXAMPLES.sub(r"\1\n\n", _root.__doc__ or ""))(_root)
    for command in COMMANDS:
        app.command(command.name, help=command.doc, rich_help_panel=command.panel)(lambda: None)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits."""
    try:
        get_command(application())(args=arguments, prog_name="backontrack")
    except BrokenPipeError:
        # The reader of the output has gone, as in `backontrack settings | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        message = _refusal(error)
        if message is None:
            raise
        typer.echo(f"error: {message}", err=True)
        sys.exit(1)


def _refusal(error: Exception) -> str | None:
    """What to tell the user; None for an error of the program, which needs its traceback."""
    # Imported when something failed: they would slow down every start.
    from confluent_kafka import KafkaException  # noqa: PLC0415

    from streams.cli.refused import Refused  # noqa: PLC0415
    from streams.history_mapping import HistoryError  # noqa: PLC0415
    from streams.policy.load import PolicyError  # noqa: PLC0415
    from streams.sentiment.errors import SentimentError  # noqa: PLC0415
    from streams.settings import SettingsError  # noqa: PLC0415
    from streams.shell.acls import Denied  # noqa: PLC0415
    from streams.shell.admin import BrokerUnreachable, Unadministered  # noqa: PLC0415
    from streams.shell.failure import Unrecoverable  # noqa: PLC0415
    from streams.shell.registry import RegistryUnavailable  # noqa: PLC0415

    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str() if hasattr(error.args[0], 'str') else error}"
    if isinstance(error, OSError) and error.filename is not None:
        # A file that the user named: where to write to is only tried when there is something to write.
        return f"{error.filename}: {error.strerror}"
    expected = (
        Refused,
        BrokerUnreachable,
        Denied,
        HistoryError,
        PolicyError,
        SentimentError,
        SettingsError,
        Unadministered,
        Unrecoverable,
        RegistryUnavailable,
    )
    return str(error) if isinstance(error, expected) else None


if __name__ == "__main__":
    main()
