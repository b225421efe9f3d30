"""The rights that each role needs, and how they are printed."""

from __future__ import annotations

import json
import shlex

import pytest

from streams import topics
from streams.settings import Settings
from streams.shell.acls import ROLES, Denied, Right, commands, rights
from tests.support.cli import run

SETTINGS = Settings(topic_prefix="p-", app_id="app")


def _of(role: str, **changed: object) -> set[Right]:
    return set(rights(SETTINGS.model_copy(update=changed), role))


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_right_over_everything(role: str) -> None:
    """Names only: no wildcard, no cluster."""
    for right in _of(role):
        assert right.kind in {"topic", "group", "transactional-id"}
        assert "*" not in right.name
        assert right.name.startswith(("p-", "app"))


def test_a_worker_reads_inputs_writes_outputs_and_keeps_its_changelog() -> None:
    """It reads no output and writes no input but ticks."""
    found = _of("worker")
    written = {right.name for right in found if right.operation == "Write"}
    read = {right.name for right in found if right.kind == "topic" and right.operation == "Read"}
    changelog = topics.changelog("app")
    assert written == {f"p-{name}" for name in (*topics.OUTPUTS, topics.DEAD_LETTERS, topics.CONTROL)} | {changelog}
    assert read == {f"p-{name}" for name in topics.RANKS} | {changelog}


def test_a_worker_on_the_time_of_events_writes_no_ticks() -> None:
    """One right less."""
    ticks = Right("topic", "p-partition-control", "Write")
    assert _of("worker") - _of("worker", clock="events") == {ticks}


def test_only_topics_are_created_and_altered_by_their_role() -> None:
    """A worker that could create topics would hide a misspelt name."""
    for role in set(ROLES) - {"topics"}:
        assert not {right.operation for right in _of(role)} & {"Create", "AlterConfigs"}


def test_the_board_writes_nothing() -> None:
    """It only looks."""
    assert {right.operation for right in _of("board")} == {"Read", "Describe"}


def test_commands_are_safe_for_a_shell() -> None:
    """Whatever the principal is called."""
    needed = [Right("topic", "a", "Read"), Right("topic", "a", "Write"), Right("group", "g", "Read")]
    made = commands(needed, "User:CN=x, O='y'; rm", "kafka:9093")
    assert len(made) == 2
    parts = shlex.split(made[0])
    assert parts[parts.index("--allow-principal") + 1] == "User:CN=x, O='y'; rm"
    assert parts[-6:] == ["--operation", "Read", "--operation", "Write", "--topic", "a"]


def test_the_command_prints_every_right_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON and as commands, for the names of the settings."""
    monkeypatch.setenv("BACKONTRACK_TOPIC_PREFIX", "p-")
    monkeypatch.setenv("BACKONTRACK_APP_ID", "app")
    rows = json.loads(run("acls", "--principal", "User:w", "--json").out)
    assert {Right(row["resource_type"], row["resource"], row["operation"]) for row in rows} == _of("worker")
    assert len(rows) == len(_of("worker"))
    lines = run("acls", "--principal", "User:w").out.splitlines()
    assert sum(line.count("--operation") for line in lines) == len(rows)


def test_a_principal_is_written_as_the_brokers_do() -> None:
    """Rights for somebody who does not exist would be a riddle later."""
    ended = run("acls", "--principal", "worker")
    assert ended.code == 2
    assert "User:worker" in ended.err


def test_a_refusal_names_right_and_resource() -> None:
    """And what to do."""
    said = str(Denied([Right("topic", "p-usage-events", "Read")], "worker"))
    assert "Read on topic p-usage-events" in said
    assert "backontrack acls" in said
