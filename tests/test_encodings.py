"""Files are UTF-8 whatever the locale says, as it does on Windows; commands run in cmd.exe."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("companion", "tools", "site", "tests", "benchmarks")
SOURCES = [ROOT / "conftest.py", *(f for name in FOLDERS for f in (ROOT / name).rglob("*.py"))]


def leaves_it_to_the_locale(source):
    """Lines that read or write text, or what a process prints, without saying how."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        modes = [ast.unparse(a) for a in [*node.args[:2], given.get("mode", ast.Constant(""))]]
        text = name == "open" and not any(re.fullmatch(r"'[rwxa+]*b[+]*'", m) for m in modes)
        text &= ast.unparse(node.func) not in ("tarfile.open", "webbrowser.open", "os.open")
        # The first argument of read_text, the second of write_text.
        text |= name == "read_text" and not node.args
        text |= name == "write_text" and len(node.args) < 2
        text |= name in ("run", "Popen", "check_output") and bool({"text"} & set(given))
        if text and "encoding" not in given:
            yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_read_or_written_in_the_encoding_of_the_locale(path):
    assert list(leaves_it_to_the_locale(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open(name)", True),
        ("open(name, 'w')", True),
        ("open(name, mode='a')", True),
        ("path.open()", True),
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("subprocess.run(c, text=True)", True),
        ("open(name, 'rb')", False),
        ("path.open('wb')", False),
        ("open(name, encoding='utf-8')", False),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text, encoding='utf-8')", False),
        ("subprocess.run(c, encoding='utf-8')", False),
        ("tarfile.open(name)", False),
    ],
)
def test_this_test_would_see_one(source, found):
    assert bool(list(leaves_it_to_the_locale(source))) == found


def test_a_chapter_is_read_where_the_locale_knows_ascii_alone():
    script = (
        "import locale, tools.refresh as r, nbformat;"
        "assert 'utf' not in locale.getpreferredencoding(False).lower();"
        "path = next(r.CHAPTERS.glob('derivation.ipynb'));"
        "text = path.read_text(encoding='utf-8');"
        "r.canonical(nbformat.reads(text, as_version=4))"
    )
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **ascii_alone},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "site").glob("*.md")]
PAGES += [*(ROOT / "chapters").glob("*.md"), *(ROOT / "chapters").glob("*.ipynb")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_has_single_quotes_which_cmd_hands_on_as_they_are(page):
    for line in page.read_text(encoding="utf-8").splitlines():
        if re.search(r"\b(pip|uv|python) (-m pip )?install\b", line):
            assert "'" not in re.sub(r"\w'\w", "", line), line


def test_the_commands_without_make_are_those_of_the_makefile():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?s)```\n(python -m venv .*?)```", readme)
    told = " ".join(re.sub(r" *#.*", "", block).split()).replace("\\", "/")
    for part in (
        "-m pip install -c constraints.txt -e",
        "jupyter-book build . -n -W --keep-going",
        "-m pytest --nbval --nbval-current-env --nbval-cell-timeout 300",
    ):
        assert part in told
    made = " ".join(makefile.replace("\\\n", " ").split())
    assert "jupyter-book build . -n -W --keep-going" in made
    assert "--nbval --nbval-current-env --nbval-cell-timeout 300" in made
    assert "-c constraints.txt" in made
