"""Conversations and their sentiment shift."""

from streams.domain.signal import Interaction
from streams.health import interaction
from streams.policy.signals import FrustrationPolicy

RULES = FrustrationPolicy(max_interactions=2)


def test_a_shift_is_half_the_way_from_the_mean_start_to_the_mean_end() -> None:
    """Two utterances at each end of four."""
    assert interaction.shift([0.6, 0.4, -0.2, -0.6], 4) == (-0.4 - 0.5) / 2


def test_too_few_utterances_have_no_shift() -> None:
    """Three where four are asked for."""
    assert interaction.shift([0.6, 0.0, -0.9], 4) is None


def test_a_single_utterance_never_has_a_shift() -> None:
    """Even when one would do."""
    assert interaction.shift([0.6], 1) is None


def test_a_long_conversation_keeps_its_beginning_and_its_end() -> None:
    """The middle goes, the count stays."""
    talks: dict[str, Interaction] = {}
    for i in range(100):
        interaction.add(talks, "c", "chat", i, i / 100, f"e{i}", RULES)
    assert talks["c"].count == 100
    assert talks["c"].scores == [0.0, 0.01, 0.02, 0.03, *(i / 100 for i in range(88, 100))]


def test_the_oldest_conversation_makes_room() -> None:
    """State is bounded by the policy."""
    talks: dict[str, Interaction] = {}
    for at, key in enumerate("abc"):
        interaction.add(talks, key, "chat", at, 0.0, "e", RULES)
    assert sorted(talks) == ["b", "c"]


def test_polite_words_after_anger_do_not_lift_the_mood() -> None:
    """They are counted; the mood stays that of the last words that said something."""
    talks: dict[str, Interaction] = {}
    for at, (score, substantial) in enumerate([(0.5, True), (0.4, False), (-0.6, True), (0.8, False)]):
        interaction.add(talks, "c", "chat", at, score, f"e{at}", RULES, substantial=substantial)
    assert (talks["c"].scores, talks["c"].count, talks["c"].last_at) == ([0.5, 0.4, -0.6], 4, 3)


def test_scores_of_two_models_are_not_compared() -> None:
    """The mood of the conversation is followed anew."""
    talks: dict[str, Interaction] = {}
    for at, model in enumerate(["", "vader-1", "vader-1", "linear-2"]):
        interaction.add(talks, "c", "chat", at, at / 10, f"e{at}", RULES, scored_by=model)
    assert (talks["c"].scores, talks["c"].scored_by) == ([0.3], "linear-2")
