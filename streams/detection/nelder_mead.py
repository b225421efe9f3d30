"""The least value of a function of a few variables, without derivatives.

The simplex method of Nelder and Mead 1965, The Computer Journal 7(4), "A simplex method for function minimization".
It is started again from where it ended until that brings nothing more, because a simplex may collapse early.
Deterministic: the same function and start give the same result. Four variables do not need a numerical library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

_EDGE = 0.5
"""Size of a fresh simplex."""
_CLOSE = 1e-7
"""A simplex is done when its points lie this close in every variable, ..."""
_FLAT = 1e-10
"""... or its values do, as a share of their size. A restart that gains less than that is the last."""
_STEPS = 2_000
_RESTARTS = 10

Point = list[float]


def minimise(function: Callable[[Point], float], start: Sequence[float]) -> tuple[Point, float]:
    """The point found and its value. Infinite values are allowed away from the start."""
    best, value = list(start), function(list(start))
    for _ in range(_RESTARTS):
        found, lower = _descend(function, best, value)
        gain, best, value = value - lower, found, lower
        if gain <= _FLAT * max(1.0, abs(value)):
            break
    return best, value


def _descend(function: Callable[[Point], float], start: Point, value: float) -> tuple[Point, float]:
    size = len(start)
    simplex = [(value, start)]
    for i in range(size):
        point = [x + _EDGE * (i == j) for j, x in enumerate(start)]
        simplex.append((function(point), point))
    for _ in range(_STEPS):
        simplex.sort()
        (least, best), (worst, last) = simplex[0], simplex[-1]
        if _done(simplex):
            break
        centre = [sum(point[j] for _, point in simplex[:-1]) / size for j in range(size)]

        def along(share: float, centre: Point = centre, last: Point = last) -> tuple[float, Point]:
            point = [c + share * (c - x) for c, x in zip(centre, last, strict=True)]
            return function(point), point

        reflected = along(1.0)
        if reflected[0] < least:
            simplex[-1] = min(reflected, along(2.0))
        elif reflected[0] < simplex[-2][0]:
            simplex[-1] = reflected
        else:
            contracted = along(0.5 if reflected[0] < worst else -0.5)
            if contracted[0] < min(reflected[0], worst):
                simplex[-1] = contracted
            else:
                for i in range(1, size + 1):
                    point = [(x + b) / 2 for x, b in zip(simplex[i][1], best, strict=True)]
                    simplex[i] = (function(point), point)
    value, best = min(simplex)
    return best, value


def _done(simplex: list[tuple[float, Point]]) -> bool:
    """Whether the points of a sorted simplex, or their values, are as good as equal."""
    (least, best), (worst, _) = simplex[0], simplex[-1]
    if worst - least <= _FLAT * _CLOSE * max(1.0, abs(least)):
        return True
    return all(abs(x - b) <= _CLOSE for _, point in simplex[1:] for x, b in zip(point, best, strict=True))
