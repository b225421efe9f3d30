"""How often chance raises a drop, by the evidence that is asked for: the figures behind `detection/calibration.py`.

    python -m tests.bench.detection.calibrate [--accounts N] [--workers N]

Independent periods of several distributions (counts and money, with and without empty periods) go through the worker's
own normal and detector at several limits. Prints alarms per account-year by distribution and limit, and the line
ln(alarms) = a - b h fitted to the worst distribution at each limit.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import typer

from streams.detection import relative
from streams.domain.signal import Signals, SignalState
from streams.domain.time import YEAR
from streams.health import normal
from streams.policy.load import default_policy
from streams.policy.model import Policy
from streams.policy.signals import MetricPolicy

Draw = Callable[[random.Random], float]
YEARS = 2
LIMITS = {"week": (8.0, 10.0, 12.0, 14.0, 17.0), "day": (10.0, 13.0, 16.0, 20.0, 25.0)}


def poisson(rng: random.Random, mean: float) -> float:
    """A Poisson count (Knuth's product of uniforms)."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return float(count)


def sparse(share: float, draw: Draw, rng: random.Random) -> float:
    """A draw, or 0 with the probability `share`."""
    return 0.0 if rng.random() < share else draw(rng)


def exponential(rng: random.Random) -> float:
    """Mean 1."""
    return rng.expovariate(1.0)


def gamma(rng: random.Random) -> float:
    """Shape 2: what several purchases of a week add up to."""
    return rng.gammavariate(2.0, 0.5)


def lognormal(rng: random.Random) -> float:
    """Log standard deviation 1."""
    return rng.lognormvariate(0.0, 1.0)


DISTRIBUTIONS: dict[str, Draw] = {
    "Poisson 4": partial(poisson, mean=4.0),
    "gamma 2": gamma,
    "gamma 2, 30 % empty": partial(sparse, 0.3, gamma),
    "exponential": exponential,
    "exponential, 30 % empty": partial(sparse, 0.3, exponential),
    "exponential, 60 % empty": partial(sparse, 0.6, exponential),
    "exponential, 80 % empty": partial(sparse, 0.8, exponential),
    "log-normal": lognormal,
    "log-normal, 30 % empty": partial(sparse, 0.3, lognormal),
}


def alarms(values: Iterable[float], metric: MetricPolicy, policy: Policy, signals: int = 1) -> tuple[int, int]:
    """Drops raised in a series of closed periods, and how many periods were judged.

    `signals` is the number of metrics that share the account's budget; the others are not looked at.
    """
    account, signal = Signals(), SignalState()
    account.metrics = {str(number): signal for number in range(signals)}
    rules, length = policy.detection.relative, metric.length
    raised = judged = 0
    for number, value in enumerate(values):
        at = number * length
        normal.learn(signal, normal.working(value, metric), at, metric, rules)
        raised += relative.judge(account, "0", signal, metric, policy, at + length)
        judged += signal.n >= metric.min_periods
    return raised, judged


def rate(
    name: str,
    metric: MetricPolicy,
    policy: Policy,
    accounts: int,
    seed: int = 1,
    signals: int = 1,
    years: float = YEARS,
) -> float:
    """Alarms per account-year on independent periods of a distribution."""
    rng, draw = random.Random(seed), DISTRIBUTIONS[name]
    periods = round(years * YEAR / metric.length)
    raised = judged = 0
    for _ in range(accounts):
        found = alarms((draw(rng) for _ in range(periods)), metric, policy, signals)
        raised, judged = raised + found[0], judged + found[1]
    return raised * YEAR / (judged * metric.length)


def metric_of(period: str, limit: float | None) -> MetricPolicy:
    """A metric with the defaults of its period."""
    return MetricPolicy.model_validate({"kind": "sum", "period": period, "evidence": limit})


def table(period: str, accounts: int, workers: int) -> dict[str, list[float]]:
    """Alarms per account-year by distribution, one figure a limit."""
    policy = default_policy()
    jobs = [(name, limit) for name in DISTRIBUTIONS for limit in LIMITS[period]]
    with ProcessPoolExecutor(workers) as pool:
        running = [pool.submit(rate, name, metric_of(period, limit), policy, accounts) for name, limit in jobs]
        rates = [run.result() for run in running]
    width = len(LIMITS[period])
    return {name: rates[i * width : (i + 1) * width] for i, name in enumerate(DISTRIBUTIONS)}


def line(limits: Sequence[float], rates: Sequence[float]) -> tuple[float, float]:
    """Least squares of ln(rate) = a - b h over the limits with any alarm: a and b."""
    points = [(h, math.log(value)) for h, value in zip(limits, rates, strict=True) if value > 0]
    x = sum(h for h, _ in points) / len(points)
    y = sum(value for _, value in points) / len(points)
    slope = sum((h - x) * (value - y) for h, value in points) / sum((h - x) ** 2 for h, _ in points)
    return y - slope * x, -slope


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_500)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    for period, limits in LIMITS.items():
        accounts = given.accounts if period == "week" else given.accounts // 5
        rates = table(period, accounts, given.workers)
        typer.echo(f"\nalarms per account-year, periods of a {period}, {accounts * YEARS} account-years each")
        typer.echo(f"{'evidence':26}" + "".join(f"{h:8g}" for h in limits))
        for name, row in rates.items():
            typer.echo(f"{name:26}" + "".join(f"{value:8.3f}" for value in row))
        columns = list(zip(*rates.values(), strict=True))
        worst = [max(column) for column in columns]
        a, b = line(limits, worst)
        typer.echo(f"{'mean':26}" + "".join(f"{sum(column) / len(rates):8.3f}" for column in columns))
        typer.echo(f"{'worst':26}" + "".join(f"{value:8.3f}" for value in worst))
        typer.echo(f"ln(alarms per account-year) = {a:.3f} - {b:.4f} h")


if __name__ == "__main__":
    main()
