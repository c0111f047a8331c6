"""Builds the book from a copy of what git would give to a newcomer."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JUPYTER_BOOK = Path(sys.executable).with_name("jupyter-book")
PARTS = ("_config.yml", "_toc.yml", "chapters", "site", "companion")


def copy_book(folder):
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("_build"))
        else:
            shutil.copy(source, folder)
    return folder


def build(folder):
    return subprocess.run(
        [JUPYTER_BOOK, "build", ".", "-n", "-W", "--keep-going"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
