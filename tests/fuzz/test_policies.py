"""Policy and settings files: whatever stands in them, they are read or refused with file, line and reason, at once."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history_mapping import HistoryError, load_mapping
from streams.policy.load import PolicyError, load_policy
from streams.policy.yaml_limits import LARGEST
from streams.settings import SettingsError, load_settings
from tests.fuzz import policies


@given(st.integers(0, 1 << 32))
def test_mutated_policies_are_loaded_or_refused(seed: int) -> None:
    """Never another error, never a refusal without a place, never one that takes long."""
    for text in itertools.islice(policies.texts(seed), 2):
        outcome = policies.attempt(text, slow_s=1.0)
        assert outcome.what in {"loaded", "refused"}, text


@given(st.text(max_size=300))
def test_any_text_is_refused_with_its_place(text: str) -> None:
    """Nobody writes a policy by chance."""
    assert policies.attempt(text, slow_s=1.0).what == "refused"


def _lists(levels: int) -> str:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines)


def _mappings(levels: int) -> str:
    lines = ["a0: &a0 {k: v}"]
    lines += [
        f"a{level}: &a{level} {{{', '.join(f'm{number}: *a{level - 1}' for number in range(9))}}}"
        for level in range(1, levels)
    ]
    return "\n".join(lines)


_TEXTS = {
    "aliases of lists": (_lists(9), "aliases written out"),
    "aliases of mappings": (_mappings(9), "aliases written out"),
    "an alias in itself": ("a: &a [*a]", "the alias *a holds itself"),
    "deep lists": ("a: " + "[" * 100_000, "nested deeper than 20"),
    "deep mappings": ("a: " + "{a: " * 5_000, "nested deeper than 20"),
    "deep keys": ("? " * 5_000, "nested deeper than 20"),
    "a list as a key": ("? [a, b]\n: 1\n", "a key must be a name"),
    "a tag of Python": ("!!python/object/apply:os.system ['ls']", "is not read"),
    "a tag that does not fit": ("version: !!int abc", "is not read"),
    "binary": ("\x00\x01", "YAML: is not readable"),
    "half a character": ("a: \ud800", "is not UTF-8 text"),
    "too large": ("x" * (LARGEST + 1), "characters, at most"),
    "twice": ("time: {}\ntime: {}\n", "stands twice, first on line 1"),
    "a number without end": ("extends: default\nhealth: {max_tickets: " + "9" * 10_000 + "}", "health.max_tickets"),
    "a duration without end": ("extends: default\ntime: {max_lateness: " + "9" * 400 + "d}", "longer than 100 years"),
    "an infinite number": ("extends: default\nhealth: {blocker_cap: 1e999}", "finite"),
    "a long version": ("extends: default\nversion: " + "x" * 101, "version"),
}


@pytest.mark.parametrize(("text", "reason"), _TEXTS.values(), ids=_TEXTS)
def test_a_policy_that_would_exhaust_something_is_refused_at_once(text: str, reason: str) -> None:
    """By its measure, before it is built."""
    began = time.thread_time()
    with pytest.raises(PolicyError, match=r"^f\.yaml:[0-9]+: ") as refused:
        load_policy(text, "f.yaml")
    assert reason in str(refused.value)
    assert time.thread_time() - began < 0.5


def test_aliases_are_read_where_they_are_few() -> None:
    """They are how YAML says something once."""
    text = "extends: default\nmetrics:\n  a: &sum {kind: sum, period: day}\n  b: *sum\n"
    assert load_policy(text, "f.yaml").metrics["b"].kind == "sum"


def test_of_very_many_problems_a_hundred_are_told() -> None:
    """The others are counted."""
    text = "extends: default\n" + "".join(f"k{number}: 1\n" for number in range(500))
    with pytest.raises(PolicyError, match="and 400 more") as refused:
        load_policy(text, "f.yaml")
    assert len(refused.value.problems) == 500


_SETTINGS = {
    **{name: text for name, (text, _) in _TEXTS.items() if name not in {"half a character", "a long version"}},
    "a date": "app_id: 2020-01-01",
    "a list": "partitions: [1]",
    "a mapping": "partitions: {a: b}",
    "a number without end, as a setting": "partitions: " + "9" * 10_000,
    "half a number": "partitions: 1.5",
    "a very long name": "x" * 1_000 + ": 1",
    "a merge": "<<: {partitions: 1}",
}


@pytest.mark.parametrize("text", _SETTINGS.values(), ids=_SETTINGS)
def test_a_settings_file_that_is_wrong_is_refused_at_once(tmp_path: Path, text: str) -> None:
    """With its name and a reason."""
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    began = time.thread_time()
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert str(refused.value).startswith(str(path))
    assert time.thread_time() - began < 0.5


@given(text=st.text(max_size=200))
def test_any_settings_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Never another error."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_settings(path)
    except SettingsError as refused:
        assert str(path) in str(refused)  # noqa: PT017  it may as well be read


@pytest.mark.parametrize("text", [_TEXTS[name][0] for name in ("aliases of lists", "deep lists", "a list as a key")])
def test_a_mapping_of_columns_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    """The third kind of YAML that is read."""
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HistoryError):
        load_mapping(path)
