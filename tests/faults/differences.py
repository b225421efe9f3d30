"""Where two states differ, in words."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

_SHOWN = 12


def differences(stored: Any, mine: Any, path: str = "") -> list[str]:
    """Where two states differ, at most some places."""
    if type(stored) is type(mine) and is_dataclass(stored):
        found: list[str] = []
        for one in fields(stored):
            if one.name != "outbox" or path:
                found += differences(getattr(stored, one.name), getattr(mine, one.name), f"{path}.{one.name}")
            if len(found) >= _SHOWN:
                break
        return found[:_SHOWN]
    if isinstance(stored, dict) and isinstance(mine, dict):
        found = []
        for key in sorted(stored.keys() | mine.keys(), key=str):
            found += differences(stored.get(key), mine.get(key), f"{path}[{key}]")
        return found[:_SHOWN]
    if stored == mine or (stored != stored and mine != mine):  # noqa: PLR0124  NaN
        return []
    return [f"{path}: {str(stored)[:80]} / {str(mine)[:80]}"]
