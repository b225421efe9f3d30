"""Finding the least value of a function without derivatives."""

from __future__ import annotations

from math import inf

import pytest

from streams.detection.nelder_mead import Point, minimise


def valley(point: Point) -> float:
    """Rosenbrock's curved valley; least at (1, 1)."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def test_it_follows_a_curved_valley_to_its_lowest_point() -> None:
    """From the start that Rosenbrock chose."""
    point, value = minimise(valley, [-1.2, 1.0])
    assert point == pytest.approx([1.0, 1.0], abs=1e-4)
    assert value < 1e-8


def test_four_variables_of_different_scale_are_found() -> None:
    """Each where its own parabola is lowest."""
    goal = [3.0, -2.0, 0.5, 40.0]

    def bowl(point: Point) -> float:
        return sum(10.0**i * (point[i] - goal[i]) ** 2 for i in range(4))

    point, value = minimise(bowl, [0.0] * 4)
    assert point == pytest.approx(goal, abs=1e-4)
    assert value < 1e-8


def test_it_stays_out_of_where_the_function_is_infinite() -> None:
    """And ends at the border when the least value lies beyond."""
    point, _ = minimise(lambda p: inf if p[0] < 2 else (p[0] - 1) ** 2 + p[1] ** 2, [5.0, 5.0])
    assert point == pytest.approx([2.0, 0.0], abs=1e-3)


def test_the_same_start_gives_the_same_point() -> None:
    """To the last bit."""
    assert minimise(valley, [-1.2, 1.0]) == minimise(valley, [-1.2, 1.0])
