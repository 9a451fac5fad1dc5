"""Pages in Chromium, for the tests of what people see and click."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opened_page import DESKTOP, Opened, chromium
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path):
    """Opens HTML; the test fails if the page complained, or asked for anything but itself."""
    contexts, pages = [], []

    def open_html(html: str, fragment: str = "", **options: object) -> Opened:
        path = tmp_path / f"page{len(pages)}.html"
        path.write_text(html, encoding="utf-8")
        usual = {"viewport": DESKTOP, "reduced_motion": "reduce"}
        contexts.append(browser.new_context(**{**usual, **options}))
        contexts[-1].set_default_timeout(10_000)
        page = Opened(contexts[-1].new_page(), path)
        if fragment:
            page.page.goto(f"{page.address}#{fragment}")
            page.page.reload()
        pages.append(page)
        return page

    yield open_html
    for page in pages:
        assert page.said == []
        assert not [a for a in page.asked_for if not a.startswith((page.address, "data:"))]
    for context in contexts:
        context.close()
