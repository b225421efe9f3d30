"""What a YAML text would become, told before anything of it is built: how deep, and how large with aliases written out.

A few hundred bytes of aliases of aliases are gigabytes once they are followed, and deep nesting ends the stack.
"""

from __future__ import annotations

from typing import Any

import yaml

DEEPEST = 20
MOST_NODES = 20_000
LARGEST = 1 << 18
"""Characters of a text."""
_NO_TAG = (None, "!")


class TooMuch(Exception):  # noqa: N818  says what the text is
    """The text is not read. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def check(text: str, loader: Any) -> None:
    """Goes through a text once. Raises TooMuch, and what the loader raises for what is no YAML.

    Tags are refused as well: the few that a safe loader knows fail in ways of their own.
    """
    if len(text) > LARGEST:
        raise TooMuch(1, f"has {len(text)} characters, at most {LARGEST} are read")
    limits = _Limits()
    for event in yaml.parse(text, Loader=loader):
        problem = limits.take(event)
        if problem:
            raise TooMuch(event.start_mark.line + 1 if event.start_mark else 1, problem)


class _Limits:
    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = [(None, 0)]
        """What is open: its anchor, and how many nodes it holds so far."""

    def take(self, event: Any) -> str:
        """Why the text is not to be read on; empty when it is."""
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) not in _NO_TAG:
            return f"the tag {event.tag} is not read"  # type: ignore[attr-defined]  # aliases have none
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, 1))
            return f"nested deeper than {DEEPEST}" if len(self._open) > DEEPEST else ""
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = self._open.pop()
            return self._add(anchor, size)
        if isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if any(name == anchor for anchor, _ in self._open):
                return f"the alias *{name} holds itself"
            return self._add(None, self._sizes.get(name, 1))
        return self._add(event.anchor, 1) if isinstance(event, yaml.ScalarEvent) else ""

    def _add(self, anchor: str | None, size: int) -> str:
        if anchor:
            self._sizes[anchor] = size
        outer, held = self._open[-1]
        self._open[-1] = (outer, held + size)
        return f"holds over {MOST_NODES} values, aliases written out" if held + size > MOST_NODES else ""
