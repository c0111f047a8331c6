"""`make test` finds a browser and a Chinese font, or gets them, or says what to install."""

import shutil
import subprocess
import sys

import pytest

from tools import browser

DEBIAN = ("apt-get", "install")


class Machine:
    """One that has some programs and fonts, and on which some commands bring others."""

    def __init__(self, programs=(), fonts=True, brings=None, root=True):
        self.programs, self.fonts, self.root = set(programs), fonts, root
        self.brings, self.ran, self.downloaded = brings or {}, [], False

    def which(self, name):
        return f"/bin/{name}" if name in self.programs else None

    def of_playwright(self):
        return "/cache/chromium" if self.downloaded else None

    def run(self, command, **given):
        self.ran.append(command)
        if command[0] == "fc-list":
            return subprocess.CompletedProcess(command, 0, b"a font" if self.fonts else b"\n")
        assert given["timeout"] > 0  # none may hang
        for key, change in self.brings.items():
            if key in " ".join(command):
                change(self)
                return subprocess.CompletedProcess(command, 0, b"")
        return subprocess.CompletedProcess(command, 1, b"")


@pytest.fixture
def on(monkeypatch):
    def be(machine):
        monkeypatch.delenv("CHROMIUM", raising=False)
        monkeypatch.setattr(shutil, "which", machine.which)
        monkeypatch.setattr(subprocess, "run", machine.run)
        monkeypatch.setattr(browser, "of_playwright", machine.of_playwright)
        monkeypatch.setattr(browser.os, "geteuid", lambda: 0 if machine.root else 1000)
        return machine

    return be


def downloads(machine):
    machine.downloaded = True


def installs_chromium(machine):
    machine.programs.add("chromium")


def installs_fonts(machine):
    machine.fonts = True


TOOLS = ("apt-get", "fc-list")


@pytest.mark.parametrize("name", browser.NAMES)
def test_what_the_system_has_is_taken_and_nothing_is_run(on, name):
    machine = on(Machine([name, "fc-list"]))
    assert browser.get() == f"/bin/{name}"
    assert [command[0] for command in machine.ran] == ["fc-list"]


def test_the_one_that_is_named_comes_first(on, monkeypatch):
    on(Machine(["chromium", "fc-list"]))
    monkeypatch.setenv("CHROMIUM", "/my/chrome")
    assert browser.get() == "/my/chrome"


def test_else_playwright_downloads_its_own(on):
    machine = on(Machine(TOOLS, brings={"playwright install": downloads}))
    assert browser.get() == "/cache/chromium"
    assert not [command for command in machine.ran if command[0] == "apt-get"]


def test_else_debian_gives_one_to_root(on):
    machine = on(Machine(TOOLS, brings={"apt-get install": installs_chromium}))
    assert browser.get() == "/bin/chromium"
    tried = [command[-2:] for command in machine.ran if command[0] != "fc-list"]
    assert tried[0] == ["install", "chromium"]  # Playwright's, first


@pytest.mark.parametrize(
    "machine",
    [
        Machine(TOOLS),
        Machine(TOOLS, brings={"apt-get install": installs_chromium}, root=False),
        Machine(["fc-list"], brings={"apt-get install": installs_chromium}),
    ],
    ids=["no network", "not root", "not Debian"],
)
def test_else_one_sentence_says_what_to_do(on, machine):
    on(machine)
    with pytest.raises(FileNotFoundError) as caught:
        browser.get()
    assert str(caught.value) == browser.MISSING
    assert "CHROMIUM" in browser.MISSING
    with pytest.raises(FileNotFoundError, match="Chromium must be there"), browser.chromium():
        pass


def test_a_font_with_chinese_is_got_too_or_asked_for(on):
    machine = on(Machine(["chromium", *TOOLS], fonts=False))
    with pytest.raises(FileNotFoundError, match="font with Chinese characters must be there"):
        browser.get()
    machine.brings = {"fonts-noto-cjk": installs_fonts}
    assert browser.get() == "/bin/chromium"


def test_a_download_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(browser, "PATIENCE", 0.5)
    assert not browser._ran([sys.executable, "-c", "import time; time.sleep(60)"])
    assert not browser._ran(["no-such-program-anywhere"])
