"""Python for the page: each file is the one that the manifest names, or there is no Python.

A small wheel stands for the one of the package index, and a folder for the index, so that
nothing large is fetched here. The last tests look at the files that the book ships.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools import fetch_python

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "some_site/deep/pyodide/"
NEEDS = {"numpy": [], "six": [], "matplotlib": ["numpy", "fonttools", "six"], "mpmath": []}
NEEDS |= {"scipy": ["numpy"], "scikit-learn": ["scipy"], "fonttools": [], "openai": ["numpy"]}
SHIPPED = {"numpy", "six", "matplotlib", "mpmath", "scipy", "scikit-learn"}
REQUIREMENT = "carrier==1.2"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def carried():
    """What a small wheel holds: name -> content."""
    files = {name: name.encode() * 50 for name in fetch_python.CORE}
    packages = {}
    for name, needs in NEEDS.items():
        file = f"{name}-1.0-py3-none-any.whl"
        files[file] = f"wheel of {name}".encode()
        packages[name] = {
            "name": name.title(),
            "version": "1.0",
            "file_name": file,
            "install_dir": "site",
            "sha256": sha256(files[file]),
            "package_type": "package",
            "imports": [name],
            "depends": needs,
            "unvendored_tests": False,
        }
    lock = {"info": {"arch": "wasm32", "python": "3.99.0"}, "packages": packages}
    files["pyodide-lock.json"] = json.dumps(lock).encode()
    files["package.json"] = b'{"version": "399.0.1"}'
    return {INSIDE + name: data for name, data in files.items()}


def write_wheel(folder, files):
    """It is for one Python and needs what nobody has: it is unpacked, and not installed."""
    path = folder / "carrier-1.2-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: carrier\nVersion: 1.2\n"
    metadata += "Requires-Python: ==3.12.*\nRequires-Dist: nowhere-to-be-found\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr("carrier-1.2.dist-info/METADATA", metadata)
        wheel.writestr("carrier-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return path


class Index:
    """A package index with one wheel; `asked` counts what pip was called for."""

    def __init__(self, files):
        self.files, self.asked = files, 0

    def download(self, requirement, folder):
        assert requirement == REQUIREMENT
        self.asked += 1
        if self.files is None:
            raise fetch_python.NotFetched("there is no network")
        return write_wheel(Path(folder), self.files)


@pytest.fixture
def index(monkeypatch, tmp_path):
    """The manifest and the index are those of the small wheel."""
    served = Index(carried())
    path = write_wheel(tmp_path, served.files)
    described = fetch_python.describe(path, REQUIREMENT)
    file = tmp_path / "python_files.json"
    file.write_text(json.dumps(described), encoding="utf-8")
    monkeypatch.setattr(fetch_python, "MANIFEST", file)
    monkeypatch.setattr(fetch_python, "download", served.download)
    return served


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "prefix" / "python-in-the-page"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_folder_holds_what_is_needed_and_nothing_else(index, folder):
    assert fetch_python.main(folder=folder) == 0
    wheels = {f"{name}-1.0-py3-none-any.whl" for name in SHIPPED}
    own = {"LICENCES.txt", "pyodide-lock.json"}
    assert set(contents(folder)) == {*fetch_python.CORE, *wheels, *own}
    for name in {*fetch_python.CORE, *wheels}:
        assert (folder / name).read_bytes() == index.files[INSIDE + name]


def test_the_lock_names_what_is_there_and_asks_for_nothing_more(index, folder):
    fetch_python.main(folder=folder)
    lock = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))
    assert set(lock["packages"]) == SHIPPED
    for entry in lock["packages"].values():
        assert sha256((folder / entry["file_name"]).read_bytes()) == entry["sha256"]
        assert set(entry["depends"]) <= SHIPPED
    assert lock["packages"]["matplotlib"]["depends"] == ["numpy", "six"]


def test_a_second_run_asks_for_nothing_and_says_nothing(index, folder, capsys):
    fetch_python.main(folder=folder)
    said = capsys.readouterr().out.splitlines()
    assert said == ["Fetching Python for the page, once (0 MB).", "Pyodide 399.0.1 is there."]
    before = contents(folder)
    index.files = None
    assert fetch_python.main(folder=folder) == 0
    assert index.asked == 1
    assert capsys.readouterr().out == ""
    assert contents(folder) == before


NAMES = [*fetch_python.CORE, "LICENCES.txt", "pyodide-lock.json"]
NAMES += [f"{name}-1.0-py3-none-any.whl" for name in sorted(SHIPPED)]
DAMAGES = st.one_of(st.none(), st.integers(0, 12), st.binary(max_size=4))


def damage(path, how):
    """Remove it, change one byte of it, or put something else in its place."""
    data = path.read_bytes()
    if how is None:
        path.unlink()
    elif isinstance(how, int):
        path.write_bytes(data[:how] + bytes([data[how] ^ 1]) + data[how + 1 :])
    else:
        path.write_bytes(how)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), DAMAGES, min_size=1), st.booleans())
def test_whatever_is_damaged_is_mended_or_there_is_no_python(index, folder, damages, online):
    files = index.files
    fetch_python.main(folder=folder)
    whole, asked = contents(folder), index.asked
    for name, how in damages.items():
        damage(folder / name, how)
    index.files = files if online else None
    from_the_wheel = not {"LICENCES.txt", "pyodide-lock.json"}.issuperset(damages)
    assert fetch_python.main(folder=folder) == (from_the_wheel and not online)
    assert index.asked == asked + from_the_wheel
    if online or not from_the_wheel:
        assert contents(folder) == whole
    else:
        assert not (folder / "pyodide-lock.json").exists()
    index.files = files


@pytest.mark.parametrize("name", [*fetch_python.CORE, "numpy-1.0-py3-none-any.whl"])
def test_a_wrong_byte_in_the_wheel_is_refused(index, folder, name, capsys):
    good = index.files[INSIDE + name]
    index.files[INSIDE + name] = bytes([good[0] ^ 1]) + good[1:]
    assert fetch_python.main(folder=folder) == 1
    there = contents(folder)
    assert name not in there
    assert "pyodide-lock.json" not in there
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "The book gets no Run buttons, as Python for the page is not there: "
        f"{name} in carrier==1.2 is not the file that it must be."
    )
    index.files[INSIDE + name] = good
    assert fetch_python.main(folder=folder) == 0
    assert contents(folder)[name] == good


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("turn", range(len(NAMES)))
def test_an_interrupted_run_leaves_no_half_file_and_the_next_one_heals(
    index, folder, turn, monkeypatch
):
    replace, left = fetch_python.os.replace, [turn]

    def until(source, target):
        if left[0] == 0:
            raise Interrupted
        left[0] -= 1
        replace(source, target)

    with monkeypatch.context() as now:
        now.setattr(fetch_python.os, "replace", until)
        with pytest.raises(Interrupted):
            fetch_python.main(folder=folder)
    assert "pyodide-lock.json" not in contents(folder)  # the last one
    assert len(contents(folder)) == turn
    assert set(fetch_python.faulty(folder, fetch_python.manifest())).isdisjoint(
        contents(folder)
    )
    (folder / "pyodide.mjs.77.part").write_bytes(b"of a process that was killed")
    assert fetch_python.main(folder=folder) == 0
    assert set(contents(folder)) == set(NAMES)


def test_two_at_once_do_no_harm(index, folder, monkeypatch):
    replace, together, ended = fetch_python.os.replace, threading.Barrier(2, timeout=30), []

    def begin_together(source, target):
        if target.name == fetch_python.CORE[0]:
            together.wait()
        replace(source, target)

    def run():
        ended.append(fetch_python.main(folder=folder))

    monkeypatch.setattr(fetch_python.os, "replace", begin_together)
    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert (index.asked, ended) == (2, [0, 0])
    assert fetch_python.faulty(folder, fetch_python.manifest()) == []
    assert set(contents(folder)) == set(NAMES)


FAILURES = {
    "a full disk": (
        OSError(28, "No space left on device"),
        "[Errno 28] No space left on device",
    ),
    "no rights": (PermissionError(13, "Not permitted"), "[Errno 13] Not permitted"),
    "two lines": (fetch_python.NotFetched("pip did not\nget it."), "pip did not get it"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_is_told_in_one_line(index, folder, failure, monkeypatch, capsys):
    error, words = FAILURES[failure]

    def fails(*_):
        raise error

    monkeypatch.setattr(fetch_python, "_replace", fails)
    assert fetch_python.main(folder=folder) == 1
    announced, told = capsys.readouterr().out.splitlines()
    assert announced.startswith("Fetching")
    assert told == f"{fetch_python.NO_BUTTONS}: {words}."


def test_a_folder_that_another_process_has_filled_is_no_failure(
    index, folder, monkeypatch, capsys
):
    def late(wanted_folder, wanted):
        fill(wanted_folder, wanted)
        raise FileNotFoundError("a part that the other one removed")

    fill = fetch_python.fill
    monkeypatch.setattr(fetch_python, "fill", late)
    assert fetch_python.main(folder=folder) == 0
    assert "no Run buttons" not in capsys.readouterr().out


# The wheel itself.

BROKEN = {
    "no zip": lambda data: b"<html>Sign in to this network</html>",
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "a byte of a file": lambda data: data.replace(b"pyodide.mjspyo", b"pyodide.mjsPyo", 1),
    "another wheel": lambda data: data.replace(INSIDE.encode(), INSIDE.upper().encode()),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_wheel_is_told_in_one_line(index, folder, fault, monkeypatch, capsys):
    def download(requirement, temporary):
        path = Index(index.files).download(requirement, temporary)
        data = path.read_bytes()
        assert BROKEN[fault](data) != data
        path.write_bytes(BROKEN[fault](data))
        return path

    monkeypatch.setattr(fetch_python, "download", download)
    assert fetch_python.main(folder=folder) == 1
    assert capsys.readouterr().out.count("\n") == 2
    assert not list(folder.iterdir())


# pip.


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder in place of the package index, as the environment tells pip."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "shelf").mkdir()
    return tmp_path / "shelf"


def test_pip_gets_the_wheel_from_where_the_environment_says(shelf, tmp_path):
    wheel = write_wheel(shelf, carried())
    (tmp_path / "got").mkdir()
    got = fetch_python.download(REQUIREMENT, tmp_path / "got")
    assert got.read_bytes() == wheel.read_bytes()


def test_what_pip_could_not_get_is_said_with_its_reason(shelf, tmp_path):
    with pytest.raises(fetch_python.NotFetched) as caught:
        fetch_python.download(REQUIREMENT, tmp_path)
    assert str(caught.value) == (
        "pip did not get carrier==1.2 (No matching distribution found for carrier==1.2)"
    )


def test_without_a_network_that_is_the_reason(shelf, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # where nobody answers
    with pytest.raises(fetch_python.NotFetched, match="no connection to the package index"):
        fetch_python.download(REQUIREMENT, tmp_path)


def test_without_pip_that_is_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_python, "PIP", [sys.executable, "-S", "-m", "pip", "download"])
    with pytest.raises(fetch_python.NotFetched, match=r"\(.*No module named pip\)"):
        fetch_python.download(REQUIREMENT, tmp_path)


def test_a_pip_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_python, "PATIENCE", 0.5)
    hangs = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(fetch_python, "PIP", hangs)
    with pytest.raises(fetch_python.NotFetched, match=r"in 0\.5 seconds"):
        fetch_python.download(REQUIREMENT, tmp_path)


def test_no_index_is_named_by_the_project():
    options = {word for word in fetch_python.PIP if word.startswith("-")}
    assert options == {"-m", "--quiet", "--retries"}
    assert "index" not in fetch_python.WITHOUT_INSTALLING


# Moving to another wheel.


def test_a_manifest_is_written_from_a_wheel_and_then_holds(index, folder, tmp_path):
    stored = fetch_python.MANIFEST.read_text(encoding="utf-8")
    index.files[INSIDE + "pyodide.mjs"] = b"a newer one"
    assert fetch_python.main(REQUIREMENT, folder) == 0
    assert fetch_python.MANIFEST.read_text(encoding="utf-8") != stored
    assert fetch_python.manifest()["bytes"] == write_wheel(tmp_path, index.files).stat().st_size
    assert (folder / "pyodide.mjs").read_bytes() == b"a newer one"
    assert fetch_python.main(folder=folder) == 0


@pytest.mark.parametrize("gone", ["pyodide-lock.json", "package.json", "python_stdlib.zip"])
def test_a_wheel_that_lacks_something_changes_no_manifest(index, folder, gone, capsys):
    stored = fetch_python.MANIFEST.read_bytes()
    del index.files[INSIDE + gone]
    assert fetch_python.main(REQUIREMENT, folder) == 1
    assert fetch_python.MANIFEST.read_bytes() == stored
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("python_files.json stays as it was: carrier==1.2 lacks something: ")
    assert gone in line


def test_a_wheel_without_pyodide_or_with_two_is_refused(index, folder, capsys):
    for others in ({}, {"a/pyodide.mjs": b"", "b/pyodide.mjs": b""}):
        index.files = others
        assert fetch_python.main(REQUIREMENT, folder) == 1
        assert f"must hold one pyodide.mjs, and holds {len(others)}" in capsys.readouterr().out


# The files that the book ships.


@pytest.fixture(scope="module")
def manifest():
    return fetch_python.manifest()


def test_python_for_the_page_is_there_and_right(manifest):
    wrong = fetch_python.faulty(fetch_python.FOLDER, manifest)
    assert wrong == [], "run python -m tools.fetch_python, which says why it is not there"


def test_the_manifest_names_the_packages_of_the_chapters_and_what_they_need(manifest):
    packages = manifest["lock"]["packages"]
    assert set(fetch_python.PACKAGES) <= set(packages)
    needed = {n for entry in packages.values() for n in entry["depends"]}
    assert set(packages) == needed | set(fetch_python.PACKAGES)
    assert not needed & set(fetch_python.NOT_NEEDED)


def test_pyodide_and_its_python_are_of_one_version(manifest):
    # Pyodide's major version is that of Python: 314 is 3.14
    major = manifest["pyodide"].partition(".")[0]
    python = manifest["lock"]["info"]["python"].split(".")
    assert major == "".join(python[:2])
    with zipfile.ZipFile(fetch_python.FOLDER / "python_stdlib.zip") as library:
        assert library.namelist()
    for entry in manifest["lock"]["packages"].values():
        name = entry["file_name"].removesuffix(".whl").split("-")
        assert name[1] == entry["version"]
        assert name[2] in (f"cp{major}", "py3", "py2.py3")


def test_each_wheel_carries_its_licence(manifest):
    for entry in manifest["lock"]["packages"].values():
        with zipfile.ZipFile(fetch_python.FOLDER / entry["file_name"]) as wheel:
            about = [name for name in wheel.namelist() if ".dist-info/" in name]
        assert any("LICENSE" in name or "COPYING" in name for name in about), entry["name"]


def test_the_licences_beside_them_name_each_version_and_where_the_source_is(manifest):
    text = (fetch_python.FOLDER / "LICENCES.txt").read_text(encoding="utf-8")
    assert "{" not in text
    assert f"https://github.com/pyodide/pyodide/tree/{manifest['pyodide']}\n" in text
    python = manifest["lock"]["info"]["python"].rpartition(".")[0]
    assert f"CPython {python} " in text
    for entry in manifest["lock"]["packages"].values():
        assert f"  {entry['name']} {entry['version']}\n" in text
    for name in manifest["core"]:
        assert name in text
    for licence in (
        "Mozilla Public License 2.0",
        "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2",
    ):
        assert licence in text


# Where it is called.


def test_a_build_and_the_tests_fetch_first_and_go_on_without():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "FETCH_PYTHON := $(BIN)/python -m tools.fetch_python || true\n" in makefile
    for target, then in {"book": "jupyter-book build", "test": "-m pytest"}.items():
        (_, recipe) = makefile.split(f"\n{target}: ")
        recipe = recipe.partition("\n\n")[0]
        assert recipe.index("$(FETCH_PYTHON)") < recipe.index(then)


def test_the_site_is_not_replaced_by_one_without_python():
    workflow = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    runs = [step.get("run", "") for step in yaml.safe_load(workflow)["jobs"]["build"]["steps"]]
    fetch = runs.index(".venv/bin/python -m tools.fetch_python")  # whose status counts
    assert runs.index("make .venv/.book") < fetch < runs.index("make pdf")


def test_the_command_ends_with_1_and_without_a_traceback(shelf, tmp_path):
    script = (
        "import runpy, sys; sys.prefix = sys.argv.pop();"
        "runpy.run_module('tools.fetch_python', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "prefix")],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (1, "")
    _, told = done.stdout.splitlines()
    wheel = fetch_python.manifest()["wheel"]
    assert told.startswith(f"{fetch_python.NO_BUTTONS}: pip did not get {wheel} (")
