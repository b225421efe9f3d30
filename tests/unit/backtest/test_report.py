"""The report of a backtest: what it draws, and that it draws it from the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.backtest.compare import differences, figures
from streams.backtest.episodes import EpisodeRow
from streams.backtest.fold import Harm, PolicyResult, Result
from streams.backtest.report import write_report
from streams.domain.time import DAY, format_time

T = 1_700_000_000_000


def episode(account: str, day: int, recovered: int | None = None) -> EpisodeRow:
    row = EpisodeRow(account, "logins", "relative", T + day * DAY, T + (day + 1) * DAY)
    if recovered is not None:
        row.recovered_at, row.ended_as = T + recovered * DAY, "recovered"
    return row


def report(tmp_path: Path, *policies: list[EpisodeRow], days: int = 200, harms: tuple[Harm, ...] = ()) -> str:
    """The report of policies p0, p1, ... on two accounts."""
    result = Result(
        [PolicyResult(rows) for rows in policies], {"a": (T, None), "b": (T, None)}, list(harms), T + days * DAY
    )
    usage = tmp_path / "usage.csv"
    lines = [f"{name},{format_time(T + day * DAY)},logins,{day % 5}\n" for day in range(20) for name in "ab"]
    usage.write_text("account_id,time,metric,value\n" + "".join(lines), encoding="utf-8")
    made = figures(result, [(f"p{n}", f"p{n}") for n in range(len(policies))], 90 * DAY)
    found = [differences(policies[0], rows, 7 * DAY) for rows in policies[1:]]
    path = tmp_path / "report.html"
    write_report(path, result, made, found, 90 * DAY, 7 * DAY, usage)
    return path.read_text(encoding="utf-8")


def test_one_policy_shows_the_accounts_with_most_episodes(tmp_path: Path) -> None:
    page = report(tmp_path, [episode("a", 3), episode("b", 3), episode("b", 30)])
    assert "Accounts with most episodes" in page
    assert page.index("<h3>b</h3>") < page.index("<h3>a</h3>")
    assert "differ" not in page


def test_several_policies_show_where_they_differ(tmp_path: Path) -> None:
    page = report(tmp_path, [episode("a", 3), episode("b", 3)], [episode("b", 4)])
    assert "Where p0 and p1 differ" in page
    assert "1 episodes are in both" in page
    assert "<h3>a</h3>" in page
    assert "<h3>b</h3>" not in page


def test_lead_time_is_drawn_only_where_the_history_holds_what_to_lead(tmp_path: Path) -> None:
    assert "Lead time" not in report(tmp_path, [episode("a", 3)])
    page = report(tmp_path, [episode("a", 3)], harms=(Harm("a", "churned", T + 30 * DAY),))
    assert "Lead time before a loss" in page
    assert "1 x churn" in page


@pytest.mark.parametrize(
    ("days", "unit"), [(20, "day"), (200, "week"), (1500, "month"), (4000, "quarter"), (9000, "year")]
)
def test_time_is_cut_so_that_the_bars_can_be_told_apart(tmp_path: Path, days: int, unit: str) -> None:
    rows = [episode("a", day) for day in range(0, days, 10)]
    page = report(tmp_path, rows, days=days)
    assert f"Opened in each {unit}." in page
    chart = page[page.index("Episodes over time") : page.index("Episodes by kind")]
    assert chart.count('<th scope="row">') <= 63
    assert sum(int(cell.split("<")[0]) for cell in chart.split("<td>")[1:]) == len(rows)


def test_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    page = report(tmp_path, [episode("a", 3, 9)], [])
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_history_without_an_episode_is_a_report_too(tmp_path: Path) -> None:
    assert "None." in report(tmp_path, [])
