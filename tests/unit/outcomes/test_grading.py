"""Grades from events."""

import pytest

from streams.domain.episode import Episode, Prescription
from streams.outcomes.grading import grade

STEP = Prescription(playbook="p")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, 0),
        ({"bounced": True}, 0),
        ({"sympathised": True}, 1),
        ({"sympathised": True, "recovered_at": 9}, 1),
        ({"acknowledged_at": 1}, 2),
        ({"acknowledged_at": 1, "followed_up_at": 2, "recovered_at": 9}, 2),
        ({"acted_at": 2}, 3),
        ({"acted_at": 2, "followed_up_at": 3, "recovered_at": 9}, 3),
        ({"acknowledged_at": 1, "acted_at": 2, "recovered_at": 9}, 3),
        ({"acknowledged_at": 1, "acted_at": 2, "followed_up_at": 3}, 3),
        ({"acknowledged_at": 1, "acted_at": 2, "followed_up_at": 3, "recovered_at": 9}, 4),
        ({"acknowledged_at": 1, "acted_at": 2, "confirmed_at": 3, "recovered_at": 9}, 4),
    ],
)
def test_the_grade_follows_from_what_was_done(facts: dict[str, int], expected: int) -> None:
    """0 apathy, 1 sympathy, 2 empathy, 3 acted, 4 compassion."""
    assert grade(Episode(prescription=STEP, **facts)).grade == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"prescription": None}, "no_playbook"),
        ({"prescription": STEP}, "no_owner"),
        ({"prescription": STEP, "owner": "kim"}, "over_capacity"),
        ({"prescription": STEP, "owner": "kim", "approval_needed": True}, "no_authority"),
        ({"prescription": STEP, "owner": "kim", "approval_needed": True, "approved": True}, "over_capacity"),
        ({"prescription": STEP, "acted_at": 2}, None),
        ({"prescription": None, "arm": "held_out"}, None),
    ],
)
def test_a_low_grade_has_one_root_cause(facts: dict[str, object], cause: str | None) -> None:
    """And a good one, or an untreated account, has none."""
    assert grade(Episode(**facts)).cause == cause  # type: ignore[arg-type]


def test_what_is_missing_is_named_in_order() -> None:
    """So that a reader sees what would have made it better."""
    assert grade(Episode(acted_at=2)).missing == ["acknowledgement", "follow_up", "verification"]
