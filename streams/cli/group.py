"""How commands with sub-commands behave, all of them alike."""

from __future__ import annotations

import typer


def group(doc: str) -> typer.Typer:
    """A group of sub-commands, which tells what it is when none is named."""
    return typer.Typer(
        help=doc,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
