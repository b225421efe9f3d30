"""Seeded randomness: one independent stream of numbers for each thing that happens."""

from __future__ import annotations

import math
from random import Random


def stream(seed: int, *name: object) -> Random:
    """A generator of its own for `name`: what happens to one account never shifts the numbers of another."""
    return Random(":".join(map(str, (seed, *name))))  # noqa: S311  simulation, not secrets


def poisson(rng: Random, mean: float) -> int:
    """A count with the given mean, >= 0 (Knuth's method when small, a rounded normal when large)."""
    if mean <= 0:
        return 0
    large = 30.0
    if mean > large:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def between(rng: Random, low: float, high: float, unit: int = 1) -> int:
    """A whole number of milliseconds, uniform in [low, high) of `unit`."""
    return round(rng.uniform(low, high) * unit)
