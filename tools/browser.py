"""The system's Chromium, for the tests of the pages and for the PDF. None is downloaded."""

import os
import shutil
from contextlib import contextmanager

from playwright.sync_api import sync_playwright


@contextmanager
def chromium():
    """A running Chromium, closed at the end.

    Yields
    ------
    playwright.sync_api.Browser

    Raises
    ------
    FileNotFoundError
        If there is none, in words that say how to get one.
    """
    path = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    if not path:
        raise FileNotFoundError(
            "Chromium is needed: apt-get install chromium, or name yours in CHROMIUM"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
