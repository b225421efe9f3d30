"""Rows of episodes from a journal of findings and from what became of the interventions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.backtest.episodes import EpisodeRow, EpisodeRows
from streams.domain.finding import Finding
from streams.domain.outputs import Output
from streams.domain.series import DropEnd
from streams.domain.time import DAY

T = 1_700_000_000_000


def found(
    kind: str = "relative", onset: int = 0, at: int = 2, subject: str = "logins", dimension: str = "x"
) -> Finding:
    """A finding; times in days from T."""
    return Finding(kind, dimension, subject, 0.5, 0.9, T + onset * DAY, T + at * DAY, "text")


def drop_end(onset: int, at: int, how: str = "recovered", metric: str = "logins") -> DropEnd:
    """The end of a drop; times in days from T."""
    return DropEnd(metric, T + onset * DAY, T + (onset + 1) * DAY, how, T + at * DAY)


def begun(finding: Finding, name: str = "i1", state: str = "opened") -> Output:
    """The record with which an intervention begins."""
    cause = {"kind": finding.kind, "dimension": finding.dimension, "subject": finding.subject}
    record = {"intervention_id": name, "state": state, "previous": None, "cause": cause, "at": finding.at}
    return Output(topics.INTERVENTIONS, "a", name, 0, finding.at, record)


def outcome(what: str, recovered: int | None = None, name: str = "i1", at: int = 30) -> Output:
    """The record of an outcome; times in days from T."""
    record = {
        "intervention_id": name,
        "outcome": what,
        "at": T + at * DAY,
        "recovered_at": None if recovered is None else T + recovered * DAY,
    }
    return Output(topics.OUTCOMES, "a", name, 1, T + at * DAY, record)


def told(*entries: Finding | DropEnd | Output) -> list[EpisodeRow]:
    """The rows after these entries on account a."""
    rows = EpisodeRows(21 * DAY)
    for entry in entries:
        if isinstance(entry, Output):
            rows.decided(entry)
        else:
            rows.journal("a", entry)
    return rows.rows


def ends(rows: list[EpisodeRow]) -> list[tuple[str, str, int | None]]:
    """Kind, end and day of recovery of each row."""
    return [(r.kind, r.ended_as, None if r.recovered_at is None else (r.recovered_at - T) // DAY) for r in rows]


def test_finding_is_a_row_that_is_open() -> None:
    [row] = told(found())
    assert (row.account_id, row.metric, row.kind) == ("a", "logins", "relative")
    assert (row.onset_at, row.opened_at, row.recovered_at, row.ended_as) == (T, T + 2 * DAY, None, "open")


def test_drop_ends_as_its_detector_says() -> None:
    assert ends(told(found(), drop_end(0, 9))) == [("relative", "recovered", 9)]
    assert ends(told(found(), drop_end(0, 9, "new_normal"))) == [("relative", "new_normal", None)]


def test_end_of_another_drop_changes_nothing() -> None:
    """Neither of another metric, nor of another onset."""
    assert ends(told(found(), drop_end(0, 9, metric="spend"), drop_end(1, 9))) == [("relative", "open", None)]


def test_drop_does_not_end_with_its_intervention() -> None:
    """The metric decides, not what was done."""
    finding = found()
    assert ends(told(finding, begun(finding), outcome("back_on_track", 5))) == [("relative", "open", None)]


def test_forecast_and_the_drop_that_it_foresaw_are_one_row() -> None:
    """Opened when it was foreseen, ended by the end of the drop."""
    rows = told(found("forecast", 0, 1), found("relative", 3, 5), drop_end(3, 9))
    assert ends(rows) == [("forecast", "recovered", 9)]
    assert rows[0].opened_at == T + DAY


def test_drop_after_the_horizon_of_a_forecast_was_not_foreseen() -> None:
    """The forecast stays open: nothing says that it came true."""
    rows = told(found("forecast", 0, 1), found("relative", 23, 25), drop_end(23, 30))
    assert ends(rows) == [("forecast", "open", None), ("relative", "recovered", 30)]


def test_next_drop_of_a_metric_is_a_row_of_its_own() -> None:
    rows = told(found(), drop_end(0, 9), found(onset=20, at=22))
    assert ends(rows) == [("relative", "recovered", 9), ("relative", "open", None)]


def test_drop_told_before_the_end_of_the_one_before_it_keeps_both_apart() -> None:
    """In one step a series may end a drop and open the next."""
    rows = told(found(), found(onset=20, at=22), drop_end(0, 20, "new_normal"), drop_end(20, 30))
    assert ends(rows) == [("relative", "new_normal", None), ("relative", "recovered", 30)]


def test_others_end_with_the_intervention_on_their_cause() -> None:
    finding = found("silence", subject="")
    rows = told(finding, begun(finding), outcome("back_on_track", 8), outcome("confirmed", 8))
    assert ends(rows) == [("silence", "recovered", 8)]


@pytest.mark.parametrize("last", ["expired", "withdrawn", "superseded", "handled_unresolved"])
def test_an_intervention_that_ends_otherwise_leaves_the_episode_open(last: str) -> None:
    """Nothing says that it recovered."""
    finding = found("silence", subject="")
    assert ends(told(finding, begun(finding), outcome(last))) == [("silence", "open", None)]


def test_suppressed_finding_is_a_row_too() -> None:
    """Of it nothing more is known."""
    suppressed = Output(topics.SUPPRESSED, "a", "s1", 0, T, {"reason": "quiet_hours"})
    assert ends(told(found("silence", subject=""), suppressed)) == [("silence", "open", None)]


def test_relapse_opens_the_row_again_unless_a_new_finding_has_its_own() -> None:
    finding, again = found("blocked", subject="T1"), found("blocked", 20, 21, "T1")
    first = (finding, begun(finding), outcome("back_on_track", 8))
    assert ends(told(*first, outcome("relapsed"))) == [("blocked", "open", None)]
    rows = told(*first, again, begun(again, state="relapsed"), outcome("relapsed"))
    assert ends(rows) == [("blocked", "recovered", 8), ("blocked", "open", None)]


def test_findings_on_the_whole_account_are_merged_by_cause_only() -> None:
    """A silence is no low score."""
    silence, low = found("silence", subject=""), found("cancel_intent", subject="")
    assert len(told(silence, low)) == 2
    assert len(told(silence, found("silence", 3, 4, ""))) == 1


def test_same_metric_of_another_account_is_another_row() -> None:
    rows = EpisodeRows(21 * DAY)
    rows.journal("a", found())
    rows.journal("b", found())
    assert [row.account_id for row in rows.rows] == ["a", "b"]


def test_onset_is_never_behind_the_opening_nor_recovery_before_the_onset() -> None:
    """Whatever a detector dates back."""
    [row] = told(found(onset=5, at=2), drop_end(5, 1))
    assert row.onset_at == row.opened_at
    assert row.recovered_at == row.onset_at


_DAYS = st.integers(0, 40)
_ENTRIES: st.SearchStrategy[Any] = st.lists(
    st.one_of(
        st.builds(
            found, st.sampled_from(["relative", "forecast", "threshold", "silence", "blocked"]), _DAYS, _DAYS,
            st.sampled_from(["", "logins", "spend"]),
        ),
        st.builds(drop_end, _DAYS, _DAYS, st.sampled_from(["recovered", "new_normal"])),
    )
)  # fmt: skip


@given(_ENTRIES)
def test_rows_always_keep_the_contract(entries: list[Finding | DropEnd]) -> None:
    """Times in order, a recovery exactly where it is said, and at most one drop of one onset open."""
    rows = told(*entries)
    for row in rows:
        assert row.onset_at <= row.opened_at
        assert (row.recovered_at is not None) == (row.ended_as == "recovered")
        assert row.recovered_at is None or row.recovered_at >= row.onset_at
    still = [(row.metric, row.drop_at) for row in rows if row.open and row.drop_at is not None]
    assert len(still) == len(set(still))
