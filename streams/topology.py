"""READ FIRST: the worker in flow order. Topics come in, one agent folds them into accounts, outputs go out.

    usage-events, sentiment-events, ticket-events, account-events, response-events, partition-control
      -> merged by record time, partition by partition             shell/consumer.py, merge.py
      -> agent `accounts`                                          shell/agents.py
           decode, check, apply to the partition's fold            shell/table.py, partition.py, fold.py
      -> outbox in the account's state                             shell/table.py
      -> emit and checkpoint                                       shell/checkpoint.py
    account-health, interventions, intervention-outcomes, suppressed-interventions, dead-letters, the changelog

Nothing is wired at import: the worker and every test make their own application.
"""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.settings import Settings
from streams.shell import agents
from streams.shell.app import WorkerApp
from streams.shell.failure import FailStop
from streams.shell.table import AccountTable


def wire(app: WorkerApp, settings: Settings, table: AccountTable, fail: FailStop) -> None:
    """Connects the agents to their topics."""
    account_log = app.slices(*(settings.topic(name) for name in topics.RANKS))
    accounts: Any = agents.accounts(table, fail)
    app.agent(account_log, name="accounts")(accounts)
