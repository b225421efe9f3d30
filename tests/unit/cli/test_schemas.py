"""`backontrack schemas` shows the contract."""

import json

from streams.shell import schemas
from streams.topics import BY_NAME, USAGE
from tests.support.cli import run


def test_all_topics_are_listed() -> None:
    """With the fingerprint that stands in the records."""
    ended = run("schemas", "show")
    assert ended.code == 0
    assert [name for name in BY_NAME if name not in ended.out] == []
    assert schemas.newest(USAGE).crc.hex() in ended.out


def test_one_topic_is_shown_with_its_fields() -> None:
    """Types in words, defaults, meaning."""
    ended = run("schemas", "show", USAGE)
    assert "occurred_at" in ended.out
    assert "time (ms)" in ended.out


def test_json_is_the_schema_file() -> None:
    """To be saved and used by a producer."""
    assert json.loads(run("schemas", "show", USAGE, "--json").out) == schemas.newest(USAGE).source


def test_a_wrong_name_or_version_is_wrong_use() -> None:
    """Exit code 2, with the names that there are."""
    wrong = run("schemas", "show", "usage")
    assert wrong.code == 2
    assert USAGE in wrong.err
    assert run("schemas", "show", USAGE, "--version", "99").code == 2


def test_check_says_that_all_versions_fit() -> None:
    """Offline."""
    ended = run("schemas", "check")
    assert (ended.code, "all versions fit" in ended.out) == (0, True)
