"""Pages in Chromium, for the tests of what people see and click."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage")
"""For containers, where everything is root's and shared memory is small."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser, without a window; it is gone afterwards."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, f"none of {', '.join(NAMES)} is installed: run `make setup`"
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=list(OPTIONS)) as browser,
    ):
        yield browser


class Opened:
    """A report in the browser, what went wrong on it, and what it asked for."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked_for: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.asked_for.append(request.url))
        self.address = path.as_uri()
        page.goto(self.address)

    def __call__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    @property
    def title(self) -> str:
        return self("#decision-title").inner_text()

    @property
    def chosen(self) -> int:
        """The place of the decision whose card is shown."""
        return int(self.title.split()[1]) - 1

    def click_timeline(self, share: float, y: float = 60) -> None:
        box = self("#timeline").bounding_box()
        assert box
        self("#timeline").click(position={"x": share * box["width"], "y": y})

    def press(self, *keys: str) -> int:
        for key in keys:
            self.page.keyboard.press(key)
        return self.chosen
