"""The report of a backtest in a real browser: complete in itself, readable in both schemes, true to its figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.cli import run
from tests.support.history_files import write_history

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>&\"'$body"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that compares two policies on a history with losses; an account and a version are hostile."""
    directory = tmp_path_factory.mktemp("report")
    history = write_history(directory, accounts=30, days=120)
    usage = directory / "usage-events.jsonl"
    usage.write_text(usage.read_text(encoding="utf-8").replace("account-003", "account-<b>3"), encoding="utf-8")
    policies = []
    for name, body in (("plain", ""), ("blind", "metrics: {active_users: {period: week, min_periods: 104}}\n")):
        path = directory / f"{name}.yaml"
        version = HOSTILE.replace("'", "''") if name == "blind" else name
        path.write_text(f"extends: default\nversion: '{version}'\n{body}", encoding="utf-8")
        policies += ["--policy", str(path)]
    page = directory / "report.html"
    ended = run("backtest", *history, *policies, "--until", "2024-05-01", "--html", str(page))
    assert ended.code == 0, ended.err
    return page


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report, opened from disk; it must not complain, nor ask anybody for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url == report.as_uri() else complaints.append(request.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert complaints == []


def test_every_chart_has_a_name_and_a_table(page: Page) -> None:
    """What is drawn can be read without seeing it."""
    charts = page.locator("svg")
    assert charts.count() >= 7
    assert charts.count() == page.locator("svg[role=img][aria-label]").count()
    assert page.locator("section:has(svg) details table").count() == charts.count()


def test_figures_of_both_policies_stand_side_by_side(page: Page) -> None:
    figures = page.locator("section", has=page.get_by_role("heading", name="All figures"))
    assert figures.locator("thead th").all_inner_texts()[2:] == ["plain", "blind"]
    line = figures.locator("tbody tr", has_text="episodes").first.locator("td").all_inner_texts()
    assert line[0] == "all"
    assert int(line[1].replace(",", "")) > 0


def test_bars_are_as_high_as_their_figures(page: Page) -> None:
    """The table says 1:2 where the bars do."""
    panel = page.locator("section", has=page.get_by_role("heading", name="How they ended"))
    panel.locator("summary").click()
    counts = [int(text.replace(",", "")) for text in panel.locator("tbody td:nth-of-type(1)").all_inner_texts()]
    heights = panel.locator("rect.p0").evaluate_all("bars => bars.map((bar) => bar.height.baseVal.value)")
    drawn = [count for count in counts if count]
    assert len(drawn) == len(heights) > 1
    assert [h / heights[0] for h in heights] == pytest.approx([c / drawn[0] for c in drawn], abs=0.01)


def test_accounts_that_differ_are_drawn_with_the_episodes_of_each_policy(page: Page) -> None:
    expect(page.get_by_role("heading", name="Accounts that differ most")).to_be_visible()
    first = page.locator(".small section").first
    assert first.locator("polyline").count() == 1
    assert first.locator("rect.track").count() == 2
    assert first.locator("rect.span").count() >= 1
    assert first.locator("rect.span title").first.evaluate("title => title.textContent").startswith(("plain", "<img"))


def test_hostile_names_are_shown_as_text(page: Page) -> None:
    expect(page.locator("h1")).to_contain_text(HOSTILE)
    assert page.locator("img, script").count() == 0


def test_tables_open_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    expect(page.locator("details[open] table").first).to_be_visible()


@pytest.mark.parametrize("width", [360, 900, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_fits_its_width_in_both_schemes(browser: Browser, report: Path, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(report.as_uri())
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red = page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red < 60) == (scheme == "dark")
    context.close()


def test_report_is_small(report: Path) -> None:
    assert report.stat().st_size < 300_000
