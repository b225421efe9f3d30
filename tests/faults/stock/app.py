"""The smallest Faust application with one table, one agent and one sink, as its documentation has it.

    STOCK_APP=a STOCK_BROKER=kafka://127.0.0.1:9092 python -m tests.faults.stock.app worker --without-web -l warn

`STOCK_FAULT=raise:3` lets the handler fail at the third event, `hang:3` lets it wait for ever there.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import faust

PARTITIONS = 4
STATE_BYTES = 8_000
"""As large as the state of an account that remembers its last weeks."""
READY = "stock application is recovered"
HANGS = "handler hangs"


def make(app_id: str, broker: str, fault: str = "", offset_reset: str = "earliest") -> faust.App:
    """Counts events by account in a table, and passes each on."""
    kind, _, at = fault.partition(":")
    app = faust.App(
        app_id,
        broker=broker,
        store="memory://",
        datadir=os.environ.get("STOCK_DIRECTORY"),
        topic_partitions=PARTITIONS,
        # The test has made the topics.
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=0.5,
        consumer_auto_offset_reset=offset_reset,
    )
    source = app.topic(f"{app_id}-in", key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    sink = app.topic(f"{app_id}-out", key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    accounts: Any = app.Table("accounts", default=dict)
    seen = 0

    @app.agent(source)
    async def count(events: Any) -> None:
        nonlocal seen
        async for key, value in events.items():
            seen += 1
            if kind == "raise" and seen == int(at):
                raise ValueError(f"cannot handle {value!r}")
            if kind == "hang" and seen == int(at):
                print(HANGS, flush=True)  # noqa: T201  the test waits for it
                await asyncio.sleep(3_600)
            state = accounts[key.decode()]
            accounts[key.decode()] = {"events": state.get("events", 0) + 1, "history": "." * STATE_BYTES}
            await sink.send(key=key, value=value)

    @app.task
    async def ready() -> None:
        print(READY, flush=True)  # noqa: T201  as above

    return app


if __name__ == "__main__":
    make(
        os.environ["STOCK_APP"],
        os.environ["STOCK_BROKER"],
        os.environ.get("STOCK_FAULT", ""),
        os.environ.get("STOCK_OFFSET_RESET", "earliest"),
    ).main()
