"""What the detectors of regular series say of a row: a drop or rise began, is over, or has become the normal."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Change(NamedTuple):
    """`direction` is -1 for a fall and +1 for a rise; levels are in the unit that was fed in.

    opened: `at` is the onset, the first row of the change, `expected` the level that it left, `present` the new one.
    recovered: `at` is the first row of the run that is back. new_normal: `at` is the row at which it was judged.
    """

    what: Literal["opened", "recovered", "new_normal"]
    at: int
    direction: int
    expected: float
    present: float
