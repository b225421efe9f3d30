"""Loading a policy: file, line and reason for everything that is wrong."""

import pytest

from streams.domain.time import DAY, HOUR
from streams.policy.load import PolicyError, default_policy, load_policy
from streams.policy.playbooks import PLACEHOLDERS, Kind
from streams.policy.signals import DIMENSIONS

STEP = """
      - action: help
        channel: phone
        for_user: "{user}"
        for_executive: "Helped."
        success: "Solved."
        authority: {{actor: csm, action: help, limit: 10}}
        deadlines: {deadlines}
"""


def playbooks(user: str = "Hello.", deadlines: str = "{ack: 1h, act: 2h, verify: 3h}") -> str:
    """A policy with one playbook of one step, which begins on line 6."""
    step = STEP.format(user=user, deadlines=deadlines)
    return (
        "extends: default\nplaybooks:\n  - name: one\n    match: {}\n    ladder:"
        + step
        + '    fallback: {for_user: "Hello.", for_executive: "Helped."}\n'
    )


def problems(text: str) -> list[tuple[int, str]]:
    """Lines and reasons of a refusal."""
    with pytest.raises(PolicyError) as caught:
        load_policy(text, "mine.yaml")
    assert all(one.file == "mine.yaml" for one in caught.value.problems)
    assert str(caught.value) == "\n".join(f"mine.yaml:{one.line}: {one.reason}" for one in caught.value.problems)
    return [(one.line, one.reason) for one in caught.value.problems]


def test_the_shipped_policy_loads_and_keeps_its_text() -> None:
    """What is sent to the partitions gives the same policy again."""
    policy = default_policy()
    assert policy.text.startswith("# Policy of Back on Track")
    assert load_policy(policy.text, "again") == policy


def test_durations_are_milliseconds_and_times_of_day_minutes() -> None:
    """No unit is left to be guessed."""
    rules = default_policy().guardrails
    assert (rules.cool_down, rules.quiet_hours and rules.quiet_hours.start) == (3 * DAY, 21 * 60)


def test_the_shipped_playbooks_cover_all_dimensions_and_kinds() -> None:
    """Every kind of drop in every dimension finds a prescribed step; the special ones a playbook of their own."""
    books = default_policy().playbooks
    assert len(books) >= 10
    assert {one for book in books for one in book.match.dimensions} == set(DIMENSIONS)
    named = {one for book in books for one in book.match.kinds}
    assert named == set(Kind.__args__)  # type: ignore[attr-defined]
    assert books[-1].match.kinds == books[-1].match.dimensions == ()


def test_a_file_may_extend_the_shipped_policy() -> None:
    """Mappings are merged by key, the rest stays."""
    policy = load_policy("extends: default\nversion: 7\nguardrails: {cool_down: 36h}\n", "mine.yaml")
    assert (policy.version, policy.guardrails.cool_down) == ("7", 36 * HOUR)
    assert policy.guardrails.recheck == default_policy().guardrails.recheck
    assert policy.playbooks == default_policy().playbooks


def test_the_kept_text_of_an_extended_policy_is_whole() -> None:
    """A record of the log means the same under the next release, whatever that ships."""
    policy = load_policy("extends: default\nversion: 7\n", "mine.yaml")
    assert "extends" not in policy.text
    assert load_policy(policy.text, "again") == policy


def test_lists_are_replaced_whole() -> None:
    """One playbook in the file, one in the policy."""
    assert [one.name for one in load_policy(playbooks(), "mine.yaml").playbooks] == ["one"]


def test_only_the_shipped_policy_can_be_extended() -> None:
    """The line of the wrong word."""
    assert problems("version: 1\nextends: yours\n") == [(2, "extends: only `default` can be extended")]


def test_a_misspelt_key_is_named_with_its_line() -> None:
    """Nothing is ignored in silence."""
    assert problems("extends: default\nguardrails:\n  cooldown: 3d\n") == [
        (3, "guardrails.cooldown: there is no such key")
    ]


def test_a_number_without_a_unit_is_no_duration() -> None:
    """Three what?"""
    assert problems("extends: default\nguardrails:\n  cool_down: 3\n") == [
        (3, "guardrails.cool_down: write a duration with its unit, for example 36h")
    ]


@pytest.mark.parametrize(
    "text", ["time: {session: 0h}", "health: {half_life: 0d}", "detection: {forecast: {horizon: 0d}}"]
)
def test_times_that_are_divided_by_are_not_zero(text: str) -> None:
    """They are refused on load, not found out by the first event."""
    with pytest.raises(PolicyError, match="greater than 0"):
        load_policy(f"extends: default\n{text}", "test.yaml")


def test_a_truth_value_is_no_number() -> None:
    ((line, reason),) = problems("extends: default\nhealth:\n  max_tickets: true\n")
    assert (line, "write a number, not true or false" in reason) == (3, True)


def test_a_key_that_stands_twice_is_refused() -> None:
    """The second line, and where the first is."""
    assert problems("extends: default\nguardrails: {}\nversion: 2\nguardrails: {}\n") == [
        (4, "guardrails: stands twice, first on line 2")
    ]


def test_broken_yaml_is_told_with_its_line() -> None:
    """A bracket that is never closed."""
    ((line, reason),) = problems("extends: default\nexperiment: {holdout: 0.1\nversion: 1\n")
    assert line == 3
    assert reason.startswith("YAML: ")


@pytest.mark.parametrize("text", ["", "- 1\n", "just words\n", "# nothing\n"])
def test_a_file_without_sections_is_no_policy(text: str) -> None:
    """Empty, a list, a word."""
    assert problems(text) == [(1, "a policy is a mapping of sections; the file holds none")]


def test_an_alias_that_holds_itself_is_refused() -> None:
    """It would never end."""
    ((_, reason),) = problems("guardrails: &a\n  b: *a\n")
    assert reason == "the alias *a holds itself"


def test_all_problems_are_told_at_once() -> None:
    """In the order of their lines."""
    found = problems("extends: default\nguardrails:\n  min_confidence: 2\n  recheck: soon\nexperiment:\n  salt: ''\n")
    assert [line for line, _ in found] == [3, 4, 6]


def test_a_missing_section_is_named() -> None:
    """A whole policy has them all."""
    reasons = [reason for _, reason in problems("version: 1\n")]
    assert "playbooks: is missing" in reasons
    assert "guardrails: is missing" in reasons


def test_a_playbook_without_a_prescribed_step_is_refused() -> None:
    """A finding without a step is not actionable."""
    playbook = "  - name: a\n    match: {}\n    ladder: []\n    fallback: {for_user: a, for_executive: b}\n"
    ((line, reason),) = problems(f"extends: default\nplaybooks:\n{playbook}")
    assert line == 3
    assert "prescribes nothing" in reason


def test_a_step_without_a_success_criterion_is_refused() -> None:
    """Nobody could say that it worked."""
    ((line, reason),) = problems(playbooks().replace('        success: "Solved."\n', ""))
    assert (line, reason) == (6, "playbooks.0.ladder.0.success: is missing")


def test_an_unknown_placeholder_is_refused() -> None:
    """Better at load than in front of a customer."""
    ((line, reason),) = problems(playbooks(user="Hello {frist_name}."))
    assert line == 8
    assert reason.startswith("playbooks.0.ladder.0.for_user: unknown placeholder {frist_name}; known are account, ")


@pytest.mark.parametrize("user", ["{value:.2f}", "{owner!r}", "{owner.name}", "{0}", "{", "{}"])
def test_a_placeholder_is_only_a_name(user: str) -> None:
    """Formats and attributes reach into the program."""
    ((line, _),) = problems(playbooks(user=user))
    assert line == 8


@pytest.mark.parametrize("name", list(PLACEHOLDERS))
def test_every_documented_placeholder_is_accepted(name: str) -> None:
    """What the file's comments promise."""
    assert load_policy(playbooks(user=f"{{{name}}}"), "mine.yaml")
    assert f"{{{name}}}" in default_policy().text


def test_a_fallback_may_not_need_evidence() -> None:
    """It is there for when there is none."""
    text = playbooks().replace('fallback: {for_user: "Hello."', 'fallback: {for_user: "Hello {owner}."')
    ((_, reason),) = problems(text)
    assert "fallback" in reason


def test_deadlines_that_overtake_each_other_are_refused() -> None:
    """Acting comes before verifying."""
    ((line, reason),) = problems(playbooks(deadlines="{ack: 3h, act: 2h, verify: 5h}"))
    assert line == 12
    assert "ack <= act <= verify" in reason


def test_two_playbooks_of_one_name_are_refused() -> None:
    """An episode finds its ladder by name."""
    one = playbooks().split("playbooks:\n")[1]
    ((_, reason),) = problems(f"extends: default\nplaybooks:\n{one}{one}")
    assert reason == "policy: playbooks of the same name: one"


def test_a_loaded_policy_does_not_change() -> None:
    """Frozen."""
    with pytest.raises(ValueError, match="frozen"):
        default_policy().guardrails.cool_down = 1  # type: ignore[misc]
