"""What the states and outputs of a partition look like as records."""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import OutboxRecord
from streams.settings import Settings
from streams.shell import trace
from streams.shell.changelog import state_record
from streams.shell.codec import Codec
from streams.shell.envelope import health_headers
from streams.shell.outgoing import Outgoing
from streams.shell.state_codec import encode_account
from streams.shell.table import Owned


class Records:
    """Makes them.

    Args:
        settings: Names.
        codec: For health rows.
    """

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._changelog = topics.changelog(settings.app_id)

    def account(self, owned: Owned, account: AccountState) -> Outgoing:
        """The state of an account as it is now, for the changelog."""
        return state_record(
            self._changelog,
            owned.fold.state.partition,
            account.account_id.encode(),
            encode_account(account),
            owned.epoch,
            owned.trace.header(owned.trace.count) if trace.ON else None,
        )

    def row(self, owned: Owned, account_id: str) -> Outgoing:
        """The health row of an account as it is now."""
        row: dict[str, Any] = owned.fold.health_row(account_id)
        return Outgoing(
            self._settings.topic(topics.HEALTH),
            account_id.encode(),
            self._codec.encode(topics.HEALTH, row),
            owned.fold.state.partition,
            health_headers(row, self._settings.app_id),
            row["as_of"],
        )

    def output(self, record: OutboxRecord, partition: int | None) -> Outgoing:
        """A record of an outbox; without a partition its key chooses."""
        name = self._settings.topic(record.topic)
        if partition is None:
            return Outgoing(name, record.key, record.value, headers=record.all_headers(), timestamp=record.at)
        return Outgoing(name, record.key, record.value, partition, record.all_headers(), record.at)
