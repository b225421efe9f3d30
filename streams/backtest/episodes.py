"""One row for each thing that was found: when it began, when it was seen, how it ended.

The rows come from the fold's journal of findings, so they hold what guardrails suppressed and what was held out for
comparison as well as what was fired. A drop of a metric ends as its detector says; everything else ends as the
intervention on the same cause does, and stays open when there was none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams import topics
from streams.domain.finding import Finding
from streams.domain.outputs import Output
from streams.domain.series import DropEnd

COLUMNS = ("account_id", "metric", "kind", "onset_at", "opened_at", "recovered_at", "ended_as")
"""Columns of the file of episodes."""
DROP = "relative"
"""Kind of a drop of a metric, whose end the detector gives."""
_OF_A_METRIC = frozenset({DROP, "forecast", "threshold"})
_BEGINS = frozenset({"opened", "held_out", "relapsed"})


@dataclass(slots=True)
class EpisodeRow:
    """An episode of the backtest. Times in ms; `recovered_at` is set exactly when `ended_as` is `recovered`."""

    account_id: str
    metric: str
    """What it was seen on; empty for the whole account."""
    kind: str
    onset_at: int
    opened_at: int
    recovered_at: int | None = None
    ended_as: str = "open"
    ended_at: int | None = None
    """When it was judged to be over; None while it is open."""
    harm: bool = True
    """False for a change for the better, told where a metric is watched both ways."""
    drop_at: int | None = None
    """Onset by which its end is told, for drops of metrics."""

    @property
    def open(self) -> bool:
        """True while it has not ended."""
        return self.ended_as == "open"


class EpisodeRows:
    """The episodes of one partition, in the order in which they were found.

    Args:
        horizon: How far a forecast looks ahead, in ms: what begins later is not what it foresaw.
    """

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self.rows: list[EpisodeRow] = []
        self._open: dict[tuple[str, str], list[EpisodeRow]] = {}
        self._newest: dict[tuple[str, str], EpisodeRow] = {}
        """The row of each cause of an account."""
        self._treated: dict[str, EpisodeRow] = {}
        """The row of each intervention."""

    def journal(self, account_id: str, entry: Finding | DropEnd) -> None:
        """What the fold found, or a drop that is over."""
        if isinstance(entry, DropEnd):
            self._ended(account_id, entry)
        else:
            self._found(account_id, entry)

    def decided(self, output: Output) -> None:
        """What was done about it; only the end of an intervention matters here."""
        record = output.record
        if output.topic == topics.OUTCOMES:
            row = self._treated.get(record["intervention_id"])
            if row is not None and row.drop_at is None:
                _follow(row, record)
        elif output.topic == topics.INTERVENTIONS and record["state"] in _BEGINS:
            row = self._newest.get((output.account_id, _cause(record["cause"])))
            if row is not None and (row.open or record["intervention_id"] not in self._treated):
                self._treated[record["intervention_id"]] = row

    def _found(self, account_id: str, finding: Finding) -> None:
        of_metric = finding.kind in _OF_A_METRIC and finding.subject
        key = (account_id, finding.subject if of_metric else finding.cause)
        drop_at = finding.onset_at if finding.kind == DROP else None
        open_rows = [row for row in self._open.get(key, ()) if row.open and not self._missed(row, finding)]
        for row in open_rows:
            # Two drops of one metric differ in their onsets: the end of the first may be told after the second.
            if drop_at is None or row.drop_at is None or row.drop_at == drop_at:
                row.drop_at = row.drop_at if drop_at is None else drop_at
                break
        else:
            row = EpisodeRow(
                account_id,
                finding.subject,
                finding.kind,
                min(finding.onset_at, finding.at),
                finding.at,
                harm=finding.harm,
                drop_at=drop_at,
            )
            self.rows.append(row)
            open_rows.append(row)
        self._open[key] = open_rows
        self._newest[account_id, finding.cause] = row

    def _missed(self, row: EpisodeRow, finding: Finding) -> bool:
        """True for a forecast that nothing followed in time: it stays as it is and takes nothing in any more."""
        return row.kind == "forecast" and row.drop_at is None and finding.onset_at > row.opened_at + self._horizon

    def _ended(self, account_id: str, drop: DropEnd) -> None:
        for row in self._open.get((account_id, drop.metric), ()):
            if row.open and row.drop_at == drop.onset_at:
                row.ended_as, row.ended_at = drop.ended_as, drop.at
                row.recovered_at = max(drop.at, row.onset_at) if drop.ended_as == "recovered" else None
                break


def _cause(cause: Mapping[str, Any]) -> str:
    return f"{cause['kind']}:{cause['dimension']}:{cause['subject']}"


def _follow(row: EpisodeRow, record: Mapping[str, Any]) -> None:
    """Puts an outcome into the row; the last one holds."""
    outcome = record["outcome"]
    if outcome == "back_on_track" or (outcome == "confirmed" and row.recovered_at is None):
        row.recovered_at, row.ended_as = max(record["recovered_at"], row.onset_at), "recovered"
        row.ended_at = record["at"]
    elif outcome == "relapsed":
        row.recovered_at, row.ended_as, row.ended_at = None, "open", None
    elif outcome == "new_normal":
        row.recovered_at, row.ended_as, row.ended_at = None, "new_normal", record["at"]
