"""Multinomial logistic regression over sparse 0/1 features, in plain Python.

Minimises the sum of the log losses + |w|^2 / (2 C) by limited-memory BFGS (Liu and Nocedal 1989) with backtracking.
No numerical library: training needs nothing that is not installed, and gives the same bytes on every run. The inner
loops run over lists in C (`sum(map(...))`), so 10,000 texts take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from math import exp, log, sqrt
from operator import add, mul
from typing import NamedTuple

MOST_STEPS = 60
_TOLERANCE = 3e-3
"""Stop when the gradient is this share of the first one: what is gained beyond it is below the integer weights."""
_MEMORY = 8
_ARMIJO = 1e-4
_SHORTEST = 1e-8

Vector = list[float]


class Problem(NamedTuple):
    """The texts, as features."""

    texts: Sequence[Sequence[int]]
    """Indices of the features that each text has."""
    labels: Sequence[int]
    """Class of each text, from 0."""
    factors: Sequence[float]
    """Of each feature: its value where it is present. Larger ones are held back less by the penalty."""
    classes: int


class Fit(NamedTuple):
    """Weights by class and feature, as they multiply presence / sqrt(features of the text); biases by class."""

    weights: list[Vector]
    bias: Vector


class _Loss:
    """Value and gradient at a point; a point holds the weights class by class, then the biases."""

    def __init__(self, problem: Problem, c: float) -> None:
        self.problem = problem
        self.penalty = 1.0 / c
        self.size = len(problem.factors)
        self.texts = [list(text) for text in problem.texts]
        self.lengths = [1.0 / sqrt(len(text)) if text else 0.0 for text in problem.texts]
        self.postings: list[list[int]] = [[] for _ in problem.factors]
        for number, text in enumerate(problem.texts):
            for feature in text:
                self.postings[feature].append(number)

    def weights(self, x: Vector) -> list[Vector]:
        factors, size = self.problem.factors, self.size
        return [list(map(mul, factors, x[k * size : (k + 1) * size])) for k in range(self.problem.classes)]

    def __call__(self, x: Vector) -> tuple[float, Vector]:
        classes, size = self.problem.classes, self.size
        bias = x[classes * size :]
        heights = []
        for k, w in enumerate(self.weights(x)):
            of = w.__getitem__
            heights.append(
                [length * sum(map(of, text)) + bias[k] for text, length in zip(self.texts, self.lengths, strict=True)]
            )
        value = 0.0
        errors: list[Vector] = [[] for _ in range(classes)]
        for z, label in zip(zip(*heights, strict=True), self.problem.labels, strict=True):
            top = max(z)
            grown = [exp(one - top) for one in z]
            total = sum(grown)
            value += log(total) + top - z[label]
            for k in range(classes):
                errors[k].append(grown[k] / total - (k == label))
        gradient: Vector = []
        for error in errors:
            at = list(map(mul, error, self.lengths)).__getitem__
            gradient += [f * sum(map(at, found)) for f, found in zip(self.problem.factors, self.postings, strict=True)]
        flat = x[: classes * size]
        value += self.penalty / 2 * _dot(flat, flat)
        gradient = [g + self.penalty * w for g, w in zip(gradient, flat, strict=True)]
        return value, [*gradient, *map(sum, errors)]


def fit(
    problem: Problem, c: float, start: Fit | None = None, progress: Callable[[float], None] = lambda _share: None
) -> Fit:
    """Minimises the loss; `progress` is called with the share of the longest possible run, in (0, 1].

    Args:
        problem: Texts and labels.
        c: Inverse strength of the penalty.
        start: Where to begin; zeros when None.
        progress: Told after each step.
    """
    loss = _Loss(problem, c)
    x = _point(problem, start)
    value, gradient = loss(x)
    first = sqrt(_dot(gradient, gradient)) if start is None else float(len(problem.texts))
    moves: list[tuple[Vector, Vector, float]] = []
    for step in range(1, MOST_STEPS + 1):
        if sqrt(_dot(gradient, gradient)) <= _TOLERANCE * first:
            break
        direction = _direction(gradient, moves)
        slope = _dot(gradient, direction)
        length = 1.0 if moves else min(1.0, 1.0 / (sqrt(_dot(gradient, gradient)) or 1.0))
        while True:
            near = [a + length * b for a, b in zip(x, direction, strict=True)]
            near_value, near_gradient = loss(near)
            if near_value <= value + _ARMIJO * length * slope or length < _SHORTEST:
                break
            length /= 2
        if near_value >= value:
            break
        moved = [length * b for b in direction]
        turned = [a - b for a, b in zip(near_gradient, gradient, strict=True)]
        curved = _dot(moved, turned)
        if curved > 0:
            moves = [*moves[-_MEMORY + 1 :], (moved, turned, 1.0 / curved)]
        x, value, gradient = near, near_value, near_gradient
        progress(step / MOST_STEPS)
    progress(1.0)
    return Fit(loss.weights(x), x[problem.classes * loss.size :])


def _direction(gradient: Vector, moves: list[tuple[Vector, Vector, float]]) -> Vector:
    """Minus the gradient, bent by the newest moves (the two-loop recursion)."""
    q = [-g for g in gradient]
    shares = []
    for moved, turned, scale in reversed(moves):
        share = scale * _dot(moved, q)
        shares.append(share)
        q = [a - share * b for a, b in zip(q, turned, strict=True)]
    if moves:
        _, turned, scale = moves[-1]
        size = 1.0 / (scale * _dot(turned, turned))
        q = [size * a for a in q]
    for (moved, turned, scale), share in zip(moves, reversed(shares), strict=True):
        rest = share - scale * _dot(turned, q)
        q = list(map(add, q, [rest * b for b in moved]))
    return q


def _point(problem: Problem, start: Fit | None) -> Vector:
    if start is None:
        return [0.0] * (problem.classes * (len(problem.factors) + 1))
    weights = [[w / f if f else 0.0 for w, f in zip(row, problem.factors, strict=True)] for row in start.weights]
    return [*chain.from_iterable(weights), *start.bias]


def _dot(a: Vector, b: Vector) -> float:
    total: float = sum(map(mul, a, b))
    return total
