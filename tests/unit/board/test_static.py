"""The page's files: nothing from elsewhere, and no way for a record to become markup."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams.board.follow import Follower
from streams.board.server import build
from streams.settings import Settings

PAGES = {page.name: page.read_text(encoding="utf-8") for page in (files("streams.board") / "static").iterdir()}
SCRIPTS = sorted(name for name in PAGES if name.endswith(".js"))
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\b|new Function|javascript:"
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_turns_text_into_markup(name: str) -> None:
    assert not MARKUP.search(PAGES[name])


@pytest.mark.parametrize("name", sorted(PAGES))
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", PAGES[name]))
    # The name of the vector format is a name, not an address that is loaded.
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_page_has_no_inline_script_or_style() -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", PAGES["index.html"])


async def test_every_file_that_the_page_names_is_served() -> None:
    async with TestClient(TestServer(build(Follower(Settings())))) as client:
        client_any: Any = client
        wanted = set(re.findall(r"(?:href|src)=\"([\w./-]+\.(?:css|js|svg))\"", PAGES["index.html"]))
        wanted |= {name for text in PAGES.values() for name in re.findall(r"from \"\./([\w-]+\.js)\"", text)}
        assert wanted >= {"app.css", "app.js", "favicon.svg", "chart.js", "dom.js"}
        for path in [*sorted(wanted), "", "favicon.ico"]:
            response = await client_any.get(f"/{path}")
            assert response.status == 200, path
            assert await response.read()
