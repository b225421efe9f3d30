"""A policy from its YAML text: file, line and reason for everything that is wrong, all at once.

A file is a whole policy, or says `extends: default` and then only what differs from the shipped one: mappings are
merged by key, lists (such as `playbooks`) are replaced. What is kept and sent on is the merged text, so that a
policy in the log does not depend on the release that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from streams.policy import yaml_limits
from streams.policy.model import Policy

Path = tuple[str | int, ...]
_PLAIN = {"Extra inputs are not permitted": "there is no such key", "Field required": "is missing"}
_MOST_PROBLEMS = 100


class Problem(NamedTuple):
    """One thing that is wrong. `line` counts from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class PolicyError(ValueError):
    """A policy is refused. `problems` lists every reason found; the message has the first hundred, one a line.

    A line is `file:line: reason`.
    """

    def __init__(self, problems: list[Problem]) -> None:
        shown = [str(problem) for problem in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            shown.append(f"and {len(problems) - _MOST_PROBLEMS} more")
        super().__init__("\n".join(shown))
        self.problems = tuple(problems)


# libyaml where the wheel has it: ten times faster, and the same language.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[valid-type,misc]  # chosen when the module is loaded
    """Only the scalars of YAML 1.2's core: 21:30 is a text, not 1290, and a date is a text too."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  as PyYAML declares it


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
# Of longer numbers Python refuses to make an integer; as a text they are refused where a number is wanted.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,99})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$"),
    list("-+0123456789"),
)


def load_policy(text: str, name: str) -> Policy:
    """The policy in `text`; `name` is the file's name for messages. Raises PolicyError."""
    raw, lines = _parse(text, name)
    if "extends" in raw:
        if raw.pop("extends") != "default":
            raise PolicyError([Problem(name, lines[("extends",)], "extends: only `default` can be extended")])
        base, _ = _parse(_shipped(), "default.yaml")
        raw = _merged(base, raw)
        text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)
    try:
        policy = Policy.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(name, lines, item["loc"], item["msg"]) for item in error.errors()]
        raise PolicyError(sorted(problems, key=lambda problem: problem.line)) from None
    return policy.with_text(text)


@lru_cache(maxsize=1)
def default_policy() -> Policy:
    """The shipped policy."""
    return load_policy(_shipped(), "default.yaml")


def _shipped() -> str:
    return (files("streams.policy") / "default.yaml").read_text(encoding="utf-8")


def _parse(text: str, name: str) -> tuple[dict[str, Any], dict[Path, int]]:
    """The plain data of a file, and the line of each path in it."""
    try:
        yaml_limits.check(text, _Loader)
        return _compose(text, name)
    except yaml_limits.TooMuch as error:
        raise PolicyError([Problem(name, error.line, error.reason)]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "is not readable as YAML"
        raise PolicyError([Problem(name, mark.line + 1 if mark else 1, f"YAML: {reason}")]) from None
    except UnicodeEncodeError:
        raise PolicyError([Problem(name, 1, "is not UTF-8 text")]) from None


def _compose(text: str, name: str) -> tuple[dict[str, Any], dict[Path, int]]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        problems: list[Problem] = []
        lines: dict[Path, int] = {(): 1}
        if not isinstance(node, yaml.MappingNode):
            raise PolicyError([Problem(name, 1, "a policy is a mapping of sections; the file holds none")])
        _walk(node, (), lines, problems, name)
        if problems:
            raise PolicyError(problems)
        raw: dict[Hashable, Any] = loader.construct_document(node)
    finally:
        loader.dispose()
    return {str(key): value for key, value in raw.items()}, lines


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], problems: list[Problem], name: str) -> None:
    """Notes the line of each path below `node`, and keys that stand twice in one mapping or are no names."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                problems.append(Problem(name, line, f"{_dotted(path) or 'policy'}: a key must be a name"))
                continue
            below = (*path, str(key.value))
            if below in lines:
                problems.append(Problem(name, line, f"{_dotted(below)}: stands twice, first on line {lines[below]}"))
                continue
            lines[below] = line
            _walk(value, below, lines, problems, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _walk(value, (*path, index), lines, problems, name)


def _merged(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """`base` with `override` over it: mappings by key, everything else replaced."""
    result = dict(base)
    for key, value in override.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _problem(name: str, lines: dict[Path, int], loc: Path, reason: str) -> Problem:
    """Maps pydantic's place to the nearest line of the file; parts that are no keys (union tags) are passed over."""
    path: Path = ()
    for part in loc:
        if (*path, part) in lines:
            path = (*path, part)
    return Problem(
        name, lines[path], f"{_dotted(loc) or 'policy'}: {_PLAIN.get(reason) or reason.removeprefix('Value error, ')}"
    )


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)
