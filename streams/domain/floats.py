"""Arrays of single-precision numbers: four bytes each in memory and in the stored state.

What is put in is rounded at once, so that a state that was stored and read back goes on exactly as one that was not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Floats: TypeAlias = array[float]
else:
    Floats = array  # no generic type at run time before Python 3.12


def floats(values: Iterable[float] = ()) -> Floats:
    """A new array of the values."""
    return array("f", values)
