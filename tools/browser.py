"""The Chromium that opens the pages for the tests and prints the PDF, found or got.

    python -m tools.browser

Makefile runs this before the tests, so that one process gets what is missing: a Chromium, by
Playwright's own download, else on Debian as root by apt-get; and there a font with Chinese
characters, without which the glossary prints as boxes.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DOWNLOAD = [sys.executable, "-m", "playwright", "install", "chromium"]
PATIENCE = 300  # seconds for a download that does not fail by itself
MISSING = (
    "Chromium must be there, and none was found or could be got. Install Chromium or Chrome, "
    "or name the program in the environment variable CHROMIUM."
)
NO_FONT = (
    "A font with Chinese characters must be there, and none was found or could be got. "
    "Install one, such as fonts-noto-cjk on Debian and Ubuntu."
)


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
    path = installed() or of_playwright()
    if not path:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def installed():
    """The system's Chromium or Chrome, or the one that CHROMIUM names, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def of_playwright():
    """The Chromium that Playwright has downloaded before; None if it has not."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def has_chinese():
    """Whether a font has Chinese characters. Where nothing lists fonts, the system has some."""
    if not shutil.which("fc-list"):
        return sys.platform != "linux"
    listed = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False)
    return bool(listed.stdout.strip())


def get():
    """Find Chromium and a Chinese font, or get them.

    Returns
    -------
    str
        Where Chromium is.

    Raises
    ------
    FileNotFoundError
        If one of them cannot be had, in words that say what to install.
    """
    path = installed() or of_playwright() or (_ran(DOWNLOAD) and of_playwright())
    if not path and _from_debian("chromium"):
        path = installed()
    if not path:
        raise FileNotFoundError(MISSING)
    if not has_chinese() and not (
        _from_debian("fonts-noto-cjk", "fontconfig") and has_chinese()
    ):
        raise FileNotFoundError(NO_FONT)
    return path


def _ran(command):
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _from_debian(*packages):
    """Whether apt-get has installed them. Only root may ask it to."""
    root = getattr(os, "geteuid", lambda: 1)() == 0
    if not root or not shutil.which("apt-get"):
        return False
    _ran(["apt-get", "update", "-qq"])  # may fail, where the old list is enough
    return _ran(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


if __name__ == "__main__":
    try:
        print(f"The pages are tested in {get()}")
    except FileNotFoundError as error:
        sys.exit(str(error))
