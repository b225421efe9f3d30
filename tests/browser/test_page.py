"""The page in a real browser: it works, says what the records say, and executes none of them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from streams import topics
from streams.domain.time import DAY
from streams.settings import Settings
from tests.support.board import running_board
from tests.support.embedded import EmbeddedBroker
from tests.support.sample_outputs import START, health, outcome, samples, step, write

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\">/<script>alert(1)</script>&\"'?#%2e"
RECORDS = samples(accounts=24, days=40)
NOW = max(record.get("at", record.get("as_of")) for _, _, record in RECORDS)
PAGES = (
    f"#/account/{quote(HOSTILE, safe='')}",
    "#/",
    "#/episodes",
    "#/episodes?state=open",
    "#/accounts",
    "#/account/acct-0001",
    "#/account/acct-0002",
)


def settings_of(broker: EmbeddedBroker, prefix: str) -> Settings:
    """Settings of a test, its topics made."""
    settings = Settings(bootstrap_servers=broker.bootstrap, topic_prefix=prefix, board_port=0)
    broker.touch(*(settings.topic(name) for name in topics.OUTPUTS))
    return settings


@pytest.fixture(scope="module")
def board(embedded: EmbeddedBroker) -> Iterator[str]:
    """The address of a board with sample records, one account of which is hostile."""
    settings = settings_of(embedded, "page-")
    hostile = step(HOSTILE, "opened", 0, NOW, NOW, owner=HOSTILE)
    hostile["cause"] = hostile["cause"] | {"text": HOSTILE, "subject": HOSTILE}
    hostile["playbook"] = hostile["playbook"] | {"for_user": HOSTILE, "action": HOSTILE}
    extra = [(topics.HEALTH, HOSTILE, health(HOSTILE, NOW, 31.0)), (topics.INTERVENTIONS, HOSTILE, hostile)]
    write(settings, RECORDS + extra)
    with running_board(settings) as server:
        yield server.url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not complain on its console, nor ask anybody else for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith("http://127.0.0.1:") else complaints.append(r.url))
    yield page
    context.close()
    assert complaints == []


def test_overview_shows_the_figures_and_open_episodes_by_urgency(board: str, page: Page) -> None:
    page.goto(board)
    expect(page.locator(".figure")).to_have_count(6)
    expect(page.get_by_role("heading", name="Open episodes, most urgent first")).to_be_visible()
    widths = page.locator(".urgency .bar").evaluate_all("bars => bars.map((bar) => parseFloat(bar.style.width))")
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == 100


def test_account_tells_its_story_with_interventions_on_the_chart(board: str, page: Page) -> None:
    page.goto(f"{board}#/account/acct-0001")
    expect(page.get_by_role("heading", name="acct-0001")).to_be_visible()
    expect(page.locator(".chart polyline").first).to_be_visible()
    expect(page.locator(".chart > svg .mark.opened")).to_have_count(1)
    expect(page.locator(".chart > svg .mark.recovered")).to_have_count(1)
    expect(page.get_by_text("Everything that happened")).to_be_visible()
    assert page.locator(".story li.outcome").count() >= 1


def test_chart_is_read_with_the_arrow_keys(board: str, page: Page) -> None:
    page.goto(f"{board}#/account/acct-0001")
    page.locator(".chart > svg").focus()
    last = page.locator(".readout").inner_text()
    page.keyboard.press("ArrowLeft")
    assert "UTC:" in last
    assert page.locator(".readout").inner_text() != last


def test_mark_on_the_chart_opens_its_episode_by_keyboard(board: str, page: Page) -> None:
    page.goto(f"{board}#/account/acct-0001")
    expect(page.locator("details.episode[open]")).to_have_count(0)
    page.locator(".chart > svg .mark.opened").focus()
    page.keyboard.press("Enter")
    expect(page.locator("details.episode[open]")).to_have_count(1)
    expect(page.locator("details.episode summary")).to_be_focused()


def test_everything_is_reached_by_keyboard_alone(board: str, page: Page) -> None:
    page.goto(board)
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(focused)


def test_hostile_records_are_shown_as_text(board: str, page: Page) -> None:
    page.goto(f"{board}#/episodes?state=open")
    page.get_by_role("link", name=HOSTILE, exact=True).first.click()
    expect(page.locator("h1")).to_have_text(HOSTILE)
    expect(page.locator(".facts")).to_contain_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Account · Back on Track"


def test_search_finds_an_account(board: str, page: Page) -> None:
    page.goto(board)
    page.get_by_label("Find an account").fill("0002")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="acct-0002").click()
    expect(page.locator("h1")).to_have_text("acct-0002")


@pytest.mark.parametrize("width", [360, 900, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_its_width_in_both_schemes(board: str, browser: Browser, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    for path in PAGES:
        page.goto(f"{board}{path}")
        expect(page.locator("main h1, main .figures").first).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    red = page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red < 60) == (scheme == "dark")
    context.close()


def test_page_follows_new_records_and_keeps_the_focus(embedded: EmbeddedBroker, prefix: str, page: Page) -> None:
    settings = settings_of(embedded, prefix)
    with running_board(settings) as server:
        page.goto(server.url)
        expect(page.get_by_text("No open episodes.")).to_be_visible()
        expect(page.get_by_text("No drops yet.")).to_be_visible()
        first = step("acct-1", "opened", 0, START, START)
        write(settings, [(topics.INTERVENTIONS, "acct-1", first)])
        link = page.get_by_role("link", name="acct-1")
        expect(link).to_be_visible(timeout=10_000)
        link.focus()
        write(settings, [(topics.INTERVENTIONS, "acct-2", step("acct-2", "opened", 0, START, START))])
        expect(page.locator("tbody tr")).to_have_count(2, timeout=10_000)
        expect(link).to_be_focused()
        write(settings, [(topics.OUTCOMES, "acct-1", outcome(first, "back_on_track", 1, START + DAY))])
        expect(page.locator("tbody tr")).to_have_count(1, timeout=10_000)


def test_empty_states_say_so(embedded: EmbeddedBroker, prefix: str, page: Page) -> None:
    with running_board(settings_of(embedded, prefix)) as server:
        for path, text in (
            ("#/", "No open episodes."),
            ("#/episodes?state=open", "No open episodes."),
            ("#/accounts", "No accounts yet."),
            ("#/nowhere", "There is no such page."),
        ):
            page.goto(f"{server.url}{path}")
            expect(page.get_by_text(text)).to_be_visible()


def test_a_board_that_is_gone_is_told_and_the_old_figures_stay(
    embedded: EmbeddedBroker, prefix: str, browser: Browser
) -> None:
    page = browser.new_page()
    with running_board(settings_of(embedded, prefix)) as server:
        page.goto(server.url)
        expect(page.locator(".figure")).to_have_count(6)
    expect(page.get_by_text("The board does not answer; trying again.")).to_be_visible(timeout=10_000)
    expect(page.locator(".figure")).to_have_count(6)
    page.close()
