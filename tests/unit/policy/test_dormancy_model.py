"""Which model says how likely an account is gone, and what its parameters may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.policy.load import PolicyError, default_policy, load_policy

HEAD = "extends: default\ndetection:\n  dormancy:\n"


def problem(text: str) -> str:
    """The only thing that is wrong."""
    with pytest.raises(PolicyError) as caught:
        load_policy(HEAD + text, "mine.yaml")
    (found,) = caught.value.problems
    return str(found)


def test_the_shipped_policy_learns_by_itself() -> None:
    """Nobody has to fit anything."""
    rules = default_policy().detection.dormancy
    assert (rules.model, rules.bg_nbd) == ("logistic", None)


def test_the_parameters_are_read() -> None:
    """In whatever order they stand, and again from the text that is sent to the partitions."""
    policy = load_policy(HEAD + "    model: bg_nbd\n    bg_nbd: {r: 0.2, alpha: 4, a: 1e-02, b: 2.4}\n", "mine.yaml")
    given = policy.detection.dormancy.bg_nbd
    assert given is not None
    assert (given.r, given.alpha, given.a, given.b) == (0.2, 4.0, 0.01, 2.4)
    assert load_policy(policy.text, "again") == policy


def test_the_model_without_parameters_is_refused_with_its_line() -> None:
    """And with the command that finds them."""
    found = problem("    horizon: 39w\n    model: bg_nbd\n")
    assert found.startswith("mine.yaml:5: detection.dormancy.model: needs `bg_nbd: {r, alpha, a, b}`")
    assert "backontrack dormancy fit" in found


def test_a_parameter_that_is_not_positive_is_refused_with_its_line() -> None:
    """Once: that the model then has none is no second error."""
    found = problem("    model: bg_nbd\n    bg_nbd:\n      r: 0.2\n      alpha: 0\n      a: 1\n      b: 2\n")
    assert found.startswith("mine.yaml:7: detection.dormancy.bg_nbd.alpha: ")


def test_a_parameter_that_is_missing_is_named() -> None:
    """All four are needed."""
    found = problem("    model: bg_nbd\n    bg_nbd: {r: 0.2, alpha: 4, a: 1}\n")
    assert found == "mine.yaml:5: detection.dormancy.bg_nbd.b: is missing"


def test_an_unknown_model_is_refused() -> None:
    """With those that there are."""
    found = problem("    model: pareto\n")
    assert found.startswith("mine.yaml:4: detection.dormancy.model: ")
    assert "logistic" in found


def test_the_lines_in_the_documentation_are_a_policy() -> None:
    """As they stand there."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "dormancy.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert load_policy("extends: default\n" + lines, "page").detection.dormancy.model == "bg_nbd"
