"""The live picture and the plain lines of `watch`."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from streams import topics
from streams.domain.time import DAY
from streams.views.summary import summarise
from streams.views.terminal import line, picture, totals
from streams.views.view import Recent, View
from tests.support.sample_outputs import START, health, outcome, step, suppressed


def drawn(view: View, trouble: str | None = None) -> str:
    """The picture as text."""
    console = Console(width=140, record=True, file=StringIO())
    console.print(picture(view, START + DAY, trouble=trouble))
    return console.export_text()


def filled() -> View:
    """One open and one recovered episode, one suppressed."""
    view = View()
    second = step("acct-2", "opened", 0, START, START)
    for topic, record in (
        (topics.HEALTH, health("acct-1", START, 30.0)),
        (topics.INTERVENTIONS, step("acct-1", "opened", 0, START, START)),
        (topics.INTERVENTIONS, second),
        (topics.OUTCOMES, outcome(second, "back_on_track", 1, START + DAY)),
        (topics.SUPPRESSED, suppressed("acct-1", "quiet_hours", START + DAY)),
    ):
        view.apply(topic, record["account_id"], record)
    return view


def test_picture_shows_open_episodes_drops_outcomes_and_what_was_held_back() -> None:
    text = drawn(filled())
    for part in ("1 open", "Open episodes, 1", "Newest drops", "Newest outcomes", "Held back", "it is night"):
        assert part in text


def test_picture_of_nothing_says_so() -> None:
    text = drawn(View())
    assert "No open episodes." in text
    assert "no records yet" in text


def test_picture_tells_trouble() -> None:
    assert "not up to date: broker gone" in drawn(filled(), "broker gone")


def test_markup_and_control_characters_of_records_are_shown_not_obeyed() -> None:
    view = View()
    hostile: dict[str, Any] = step("[red]a\x1b[2J[/red]", "opened", 0, START, START)
    hostile["cause"] = hostile["cause"] | {"text": "[link=http://x]click[/link]\x07"}
    view.apply(topics.INTERVENTIONS, hostile["account_id"], hostile)
    text = drawn(view)
    assert "[red]a\ufffd[2J[/red]" in text
    assert "[link=http://x]click[/link]\ufffd" in text


def test_line_names_time_account_and_what_happened() -> None:
    opened = step("acct-1", "opened", 0, START, START)
    assert line(Recent(topics.INTERVENTIONS, opened)) == (
        "2026-03-02 08:00  acct-1  opened: weekly active users fell to 12 from a normal of 31"
        " -> guided session by video call"
    )
    record = outcome(opened, "back_on_track", 1, START + DAY, time_to_recovery_s=7200.0)
    assert line(Recent(topics.OUTCOMES, record)) == (
        "2026-03-03 08:00  acct-1  outcome back on track, grade 4 compassion, well again after 2h"
    )
    assert line(Recent(topics.HEALTH, health("acct-1", START, 50.0))) is None


def test_totals_fit_one_line() -> None:
    assert totals(summarise(filled())) == "2 accounts, 1 open, 1 of 1 back on track, median 2d to recovery, 1 held back"
