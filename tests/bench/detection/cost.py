"""What detection costs: processor time of the whole fold a usage event, and bytes of stored state a signal.

    python -m tests.bench.detection.cost

Series are made here, with fixed seeds; the figures are those of this machine and interpreter.
"""

from __future__ import annotations

import gc
import random
from math import pi, sin
from time import process_time
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from streams import topics
from streams.domain.account import AccountState
from streams.domain.partition import PartitionState
from streams.domain.signal import SignalState
from streams.domain.time import DAY, HOUR, MINUTE, WEEK, start_of
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from streams.shell.avro_writer import writer

_START = start_of(WEEK, 1_700_000_000_000)
_ACCOUNTS = 40


class Load(NamedTuple):
    """A metric, the time between events of one account, how many of them, and the season in a value."""

    name: str
    metric: str
    step: int
    rows: int
    level: float
    swing: float
    """Half the way from the lowest to the highest hour of the day."""
    jitter: int = 0
    """Events lie up to this much beside their regular moment."""


LOADS = (
    Load("level, every 5 minutes, daily season", "queue_length", 5 * MINUTE, 1_500, 100.0, 8.0),
    Load("level, every hour", "temperature", HOUR, 1_500, 20.0, 3.0),
    Load("level, every day", "price", DAY, 400, 100.0, 0.0),
    Load("counted by day, 12 events a day", "logins", 2 * HOUR, 1_500, 3.0, 1.0, HOUR),
    Load("counted by day, 1 event a day", "logins", DAY, 200, 3.0, 0.0, 6 * HOUR),
    Load("counted by week, 3 events a week", "spend", WEEK // 3, 200, 50.0, 0.0, DAY),
    Load("a weekly report", "spend", WEEK, 104, 50.0, 0.0),
)


def cost(load: Load) -> tuple[float, int]:
    """Microseconds an event through the whole fold, and the largest stored signal in bytes."""
    draw = random.Random(1)
    events = []
    for i in range(load.rows):
        for account in range(_ACCOUNTS):
            at = _START + i * load.step + (draw.randrange(load.jitter) if load.jitter else 0)
            value = max(0.0, load.level + load.swing * sin(2 * pi * at / DAY) + draw.gauss(0, load.level / 10))
            events.append((at, {
                "event_id": f"e{i}-{account}", "account_id": f"a{account}", "occurred_at": at, "metric": load.metric,
                "value": value, "unit": "", "source": "", "cohort": None, "traceparent": None,
            }))  # fmt: skip
    events.sort(key=lambda pair: pair[0])
    policy = default_policy()
    accounts: dict[str, AccountState] = {}
    fold = PartitionFold(PartitionState(0, policy=policy.text), accounts, policy, load_policy)
    gc.collect()
    gc.freeze()
    begun = process_time()
    for offset, (at, event) in enumerate(events):
        fold.apply(topics.USAGE, offset, at, event)
    spent = process_time() - begun
    gc.unfreeze()
    write = writer(SignalState)
    return spent / len(events) * 1e6, max(len(write(a.signals.metrics[load.metric])) for a in accounts.values())


def main() -> None:
    """Prints a line a load."""
    table = Table("load", "us an event", "bytes a signal", title="the whole usage fold, and one stored signal")
    for load in LOADS:
        spent, size = cost(load)
        table.add_row(load.name, f"{spent:.1f}", f"{size:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
