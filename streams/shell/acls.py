"""The access rights that each kind of client needs, and no more: for `backontrack acls`, checks and messages."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Literal, NamedTuple

from streams import topics
from streams.settings import Settings

Kind = Literal["topic", "group", "transactional-id"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs", "AlterConfigs"]

WORKER, BOARD, IMPORT, DLQ, GENERATE, TOPICS = "worker", "board", "import", "dlq", "generate", "topics"
ROLES = (WORKER, BOARD, IMPORT, DLQ, GENERATE, TOPICS)
IMPLY_DESCRIBE = frozenset({"Read", "Write", "AlterConfigs"})
"""Who has one of these on something may describe it as well, by Kafka's own rule."""
_INPUTS = tuple(topics.RANKS)


class Right(NamedTuple):
    """An operation on a topic, a group or a transactional id, by its name on the broker."""

    kind: Kind
    name: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


def readers(settings: Settings) -> str:
    """Group id of clients that read partitions by themselves: it is required, and nobody ever joins the group."""
    return f"{settings.app_id}-readers"


def replaying(settings: Settings) -> str:
    """Transactional id of `dlq replay`: of two at once, the brokers let only the newer one go on."""
    return f"{settings.topic(topics.DEAD_LETTERS)}-replay"


def recovery(settings: Settings) -> str:
    """The same, of a worker's clients that read the changelog and the ends of logs."""
    return f"{settings.app_id}-recovery"


def rights(settings: Settings, role: str) -> list[Right]:
    """Every right that a role needs, those on a resource one after the other. Raises KeyError for unknown roles."""
    found = {
        WORKER: _worker,
        BOARD: _board,
        IMPORT: _import,
        DLQ: _dlq,
        GENERATE: _generate,
        TOPICS: _topics,
    }[role](settings)
    return sorted(dict.fromkeys(found), key=lambda right: (right.kind == "group", right.name))


def _worker(settings: Settings) -> list[Right]:
    changelog = topics.changelog(settings.app_id)
    written: list[str] = [settings.topic(name) for name in (*topics.OUTPUTS, topics.DEAD_LETTERS)]
    if settings.clock == "wall":
        written.append(settings.topic(topics.CONTROL))  # ticks
    return [
        *_on([settings.topic(name) for name in _INPUTS], "Read"),
        *_on(written, "Write"),
        *_on([changelog], "Read", "Write"),
        *_checked(settings, {settings.topic(name) for name in _INPUTS} | {*written, changelog}),
        Right("group", settings.app_id, "Read"),
        Right("group", recovery(settings), "Describe"),
    ]


def _board(settings: Settings) -> list[Right]:
    read = [settings.topic(name) for name in topics.OUTPUTS]
    return [*_on(read, "Read"), Right("group", readers(settings), "Describe")]


def _import(settings: Settings) -> list[Right]:
    names = [settings.topic(name) for name in _INPUTS]
    return [*_on(names, "Read", "Write", "DescribeConfigs"), Right("group", readers(settings), "Describe")]


def _dlq(settings: Settings) -> list[Right]:
    names = [settings.topic(name) for name in _INPUTS]
    letters = settings.topic(topics.DEAD_LETTERS)
    return [
        *_on([letters], "Read"),
        *_on(names, "Read", "Write"),
        Right("transactional-id", replaying(settings), "Write"),
        Right("group", readers(settings), "Describe"),
    ]


def _generate(settings: Settings) -> list[Right]:
    names = [settings.topic(name) for name in _INPUTS]
    return [*_on(names, "Write"), *_checked(settings, set(names))]


def _topics(settings: Settings) -> list[Right]:
    return _on(_all(settings), "Create", "Describe", "DescribeConfigs", "AlterConfigs")


def _checked(settings: Settings, visible: set[str]) -> list[Right]:
    """What comparing the topics with their declaration needs; `visible` are those that can be described already."""
    names = _all(settings)
    return [*_on([name for name in names if name not in visible], "Describe"), *_on(names, "DescribeConfigs")]


def _all(settings: Settings) -> list[str]:
    return [*(settings.topic(topic.name) for topic in topics.TOPICS), topics.changelog(settings.app_id)]


def _on(names: Iterable[str], *operations: Operation) -> list[Right]:
    return [Right("topic", name, operation) for name in names for operation in operations]


def commands(needed: Iterable[Right], principal: str, server: str) -> list[str]:
    """One `kafka-acls.sh` command a resource that gives the rights to a principal such as `User:worker`."""
    together: dict[tuple[Kind, str], list[str]] = {}
    for right in needed:
        together.setdefault((right.kind, right.name), []).append(right.operation)
    return [
        shlex.join(
            [
                *("kafka-acls.sh", "--bootstrap-server", server, "--command-config", "admin.properties"),
                *("--add", "--allow-principal", principal),
                *(part for operation in operations for part in ("--operation", operation)),
                *(f"--{kind}", name),
            ]
        )
        for (kind, name), operations in together.items()
    ]


class Denied(Exception):  # noqa: N818  says what happened
    """The brokers refuse rights. The message names each with its resource.

    Args:
        missing: The rights.
        role: Who needs them.
    """

    def __init__(self, missing: Iterable[Right], role: str) -> None:
        self.missing = list(missing)
        named = "; ".join(map(str, self.missing))
        super().__init__(
            f"the brokers refuse: {named}. `backontrack acls --principal User:NAME --for {role}` prints the commands "
            "that give every right it needs"
        )
