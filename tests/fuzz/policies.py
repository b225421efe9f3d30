"""Policy files by seed: the shipped one with something wrong, extreme, or strange in it, as text and as structure."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from streams.policy.load import PolicyError, load_policy

SHIPPED = (files("streams.policy") / "default.yaml").read_text(encoding="utf-8")
_JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 10**18, -(10**18), 10**400, 0.5, 1.7e308, -1.7e308, 5e-324, float("nan")),
    *("", " ", "x", "1", "1d", "0s", "99999d", "36500d", "1e9d", "-1d", "12:00", "24:00", "up", "level", "auto", "ü😀"),
    *(
        [],
        {},
        [1],
        ["a", None],
        {"a": 1},
        {"default": {}},
        [[[]]],
        {"a": {"b": {}}},
        "x" * 3000,
        "{name}",
        "{",
        "{0!r}",
    ),
)
_SNIPPETS = (
    "<<: *a\n",
    "&a ",
    "*a",
    "!!int ",
    "!!python/name:x ",
    "? ",
    "- ",
    "[",
    "{",
    "}",
    "]",
    ":",
    "\t",
    "\0",
    "\x85",
)
_SNIPPETS += (
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "'",
    '"',
    "|\n",
    ">-\n",
    "# ",
    "\ufeff",
    "\u2028",
    "\U0001d518",
    "-1",
    ".nan",
    "1e400",
)


class Outcome(NamedTuple):
    """What became of a text: `loaded`, `refused`, or a finding, which says itself what is wrong."""

    text: str
    what: str
    seconds: float


def texts(seed: int) -> Iterator[str]:
    """Mutated policies for ever."""
    rng = random.Random(seed)
    shipped = yaml.safe_load(SHIPPED)
    while True:
        yield rng.choice([_structure, _structure, _extension, _lines, _characters])(rng, shipped)


def _structure(rng: random.Random, shipped: Any) -> str:
    policy = yaml.safe_load(yaml.safe_dump(shipped))
    for _ in range(rng.choice([1, 1, 2, 5])):
        _spoil(rng, policy)
    return _dump(policy)


def _extension(rng: random.Random, shipped: Any) -> str:
    policy = yaml.safe_load(yaml.safe_dump(shipped))
    _spoil(rng, policy)
    kept = rng.sample(list(policy), rng.randrange(1, 3)) if policy else []
    return _dump(
        {"extends": rng.choice(["default", "default", "default", *_JUNK]), **{name: policy[name] for name in kept}}
    )


def _dump(policy: Any) -> str:
    return yaml.safe_dump(policy, sort_keys=False, allow_unicode=True)


def _spoil(rng: random.Random, policy: Any) -> None:
    """Changes one place of a structure."""
    places: list[tuple[Any, Any]] = []
    _collect(policy, places)
    if not places:
        return
    holder, key = rng.choice(places)
    way = rng.randrange(4)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[rng.choice(["x", "", "extends", "default", "ü", "a.b", 1, None, True])] = rng.choice(_JUNK)
    elif way == 2:
        holder[key] = [holder[key]] * rng.choice([1, 3, 200])
    else:
        holder[key] = rng.choice(_JUNK)


def _collect(part: Any, places: list[tuple[Any, Any]]) -> None:
    if isinstance(part, (dict, list)):
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            places.append((part, key))
            _collect(part[key], places)


def _lines(rng: random.Random, _shipped: Any) -> str:
    lines = SHIPPED.splitlines(keepends=True)
    for _ in range(rng.choice([1, 2, 8])):
        place, way = rng.randrange(len(lines)), rng.randrange(5)
        if way == 0:
            del lines[place]
        elif way == 1:
            lines.insert(rng.randrange(len(lines)), lines[place])
        elif way == 2:
            lines[place] = " " * rng.randrange(9) + lines[place].lstrip()
        elif way == 3:
            lines[place] = lines[place].replace(" ", "", 1)
        else:
            lines.insert(place, rng.choice(_SNIPPETS))
    return "".join(lines)


def _characters(rng: random.Random, _shipped: Any) -> str:
    text = list(SHIPPED)
    for _ in range(rng.choice([1, 3, 30])):
        place, way = rng.randrange(len(text)), rng.randrange(4)
        if way == 0:
            text[place] = chr(rng.choice([rng.randrange(128), rng.randrange(0xD800), 0x85, 0xD800, 0x10FFFF]))
        elif way == 1:
            text[place : place + rng.randrange(20)] = ""
        elif way == 2:
            text.insert(place, rng.choice(_SNIPPETS))
        else:
            del text[place + 1 + rng.randrange(3000) :]
        text = text or ["x"]
    return "".join(text)


def attempt(text: str, slow_s: float = 0.1) -> Outcome:
    """Loads a policy and says what became of it."""
    began = time.thread_time()
    what = "loaded"
    try:
        load_policy(text, "policy.yaml")
    except PolicyError as error:
        what = "refused"
        last = len(text.splitlines()) + 1
        for problem in error.problems:
            if problem.file != "policy.yaml" or not 1 <= problem.line <= last + 1 or not problem.reason.strip():
                what = f"no place: {problem}"
    except Exception:  # noqa: BLE001  whatever it is, it is a finding
        what = f"crash: {traceback.format_exc(limit=-4)}"
    took = time.thread_time() - began
    if what == "refused" and took > slow_s:
        what = "slow"
    return Outcome(text, what, took)
