"""Counts over all accounts for the gauges, taken in the background: a scrape must not hold up a million accounts."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from streams import topics
from streams.domain.account import AccountState
from streams.domain.episode import ENDED
from streams.metrics import Snapshot
from streams.settings import Settings
from streams.shell.checkpoint import Checkpointer
from streams.shell.holds import Holds
from streams.shell.status import Status
from streams.shell.table import AccountTable

_STEP = 2_000
_EVERY_S = 15.0
_NO_TEXT = "none"


class Census:
    """Walks over the accounts again and again, and gives the gauges of the worker.

    Args:
        settings: The clock.
        table: The accounts.
        checkpointer: Age of the last checkpoint.
        status: Lag.
        holds: What the worker waits for.
    """

    def __init__(
        self, settings: Settings, table: AccountTable, checkpointer: Checkpointer, status: Status, holds: Holds
    ) -> None:
        self._settings = settings
        self._table = table
        self._checkpointer = checkpointer
        self._status = status
        self._holds = holds
        self._bands: Counter[tuple[str, ...]] = Counter()
        self._covered = 0
        self._episodes: Counter[tuple[str, ...]] = Counter()

    async def run(self) -> None:
        """Counts until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(_EVERY_S)

    async def count(self) -> None:
        """Counts once, in steps."""
        bands: Counter[tuple[str, ...]] = Counter()
        episodes: Counter[tuple[str, ...]] = Counter()
        covered = 0
        for owned in list(self._table.owned.values()):
            accounts = list(owned.fold.accounts.values())
            for start in range(0, len(accounts), _STEP):
                for account in accounts[start : start + _STEP]:
                    bands[account.health.band,] += 1
                    covered += account.profile.known
                    _count_episodes(account, episodes)
                await asyncio.sleep(0)
        self._bands, self._covered, self._episodes = bands, covered, episodes

    def snapshot(self) -> Snapshot:
        """The gauges of this moment."""
        now = time.time() * 1000
        lags: dict[tuple[str, ...], float] = {
            (topic, str(partition)): float(lag) for (topic, partition), lag in self._status.lag().items()
        }
        behind: dict[tuple[str, ...], float] = {}
        fresh: dict[tuple[str, ...], float] = {}
        silent: dict[tuple[str, ...], float] = {}
        policies: Counter[tuple[str, ...]] = Counter()
        models: Counter[tuple[str, ...]] = Counter()
        for partition, owned in self._table.owned.items():
            state = owned.fold.state
            policies[owned.fold.policy.version,] += 1
            models[state.scorer or _NO_TEXT,] += 1
            if state.stream_time:
                behind[str(partition),] = max(0.0, (now - state.stream_time) / 1000)
            for topic, source in state.sources.items():
                age = max(0.0, (state.stream_time - source.last_at) / 1000)
                fresh[topic,] = min(age, fresh.get((topic,), age))
                silent[topic,] = max(float(state.silent(topic)), silent.get((topic,), 0.0))
        for topic in topics.RANKS:
            if topic != topics.CONTROL:
                silent.setdefault((topic,), 0.0)
        return Snapshot(
            consumer_lag=lags,
            stream_time_lag=behind,
            feed_freshness=fresh,
            feed_silent=silent,
            accounts=dict(self._bands),
            covered_accounts=self._covered,
            open_episodes=dict(self._episodes),
            over_dead_letter_limit=Counter((topic,) for topic, _ in self._table.over_limit),
            dirty_accounts=self._table.dirty,
            holds={(name,): 1.0 for name in self._holds.reasons},
            stuck={(self._status.stall.stage,): 1.0} if self._status.stall else {},
            checkpoint_age=time.monotonic() - self._checkpointer.committed_at,
            policy=dict(policies),
            sentiment_model=dict(models),
        )


def _count_episodes(account: AccountState, episodes: Counter[tuple[str, ...]]) -> None:
    for episode in account.episodes.values():
        if episode.state not in ENDED:
            episodes[episode.state, episode.kind] += 1
