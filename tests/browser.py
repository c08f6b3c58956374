"""A real browser to look at pages with: Chromium, driven by Playwright, and axe-core in it.

The Chromium is the one on this machine, or the one that ``playwright install chromium`` brought. Without them tests
skip; in CI they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (1280, 390)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without a window, for the tests of a file."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _missing("pip install axe-playwright-python")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except Error:
            _missing("apt-get install chromium, or playwright install --with-deps chromium")
        yield browser
        browser.close()


def _missing(install: str) -> Any:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have a browser: {install}")
    pytest.skip(f"no browser: {install}")


@contextmanager
def opened(browser: Browser, file: Path, width: int = 1280, **context: Any) -> Iterator[Page]:
    """Open a page from disk; fails if it asks for anything but itself, or if its script fails or is not let run."""
    wrong: list[str] = []
    own = browser.new_context(viewport={"width": width, "height": 900}, **context)
    page = own.new_page()
    page.on("request", lambda request: None if request.url == file.as_uri() else wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(file.as_uri())
    yield page
    own.close()
    assert wrong == []


def flaws(browser: Browser, file: Path) -> list[str]:
    """Return what axe finds on a page, wide and narrow, light and dark, and where it is wider than the screen."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            with opened(browser, file, width, color_scheme=scheme, bypass_csp=True) as page:
                if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
                    found.append(f"{width} {scheme}: {needed} px wide")
                for one in Axe().run(page).response["violations"]:
                    first = one["nodes"][0]["html"][:120]
                    found.append(f"{width} {scheme}: {one['impact']} {one['id']}, {len(one['nodes'])} times: {first}")
    return found
