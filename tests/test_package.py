"""The package as it is installed: what a wheel and an sdist hold, their metadata, the types.

Both are built here, offline, from a copy of what git would give to a newcomer.
"""

import inspect
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_string
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path, PurePosixPath
from typing import Any, get_args, get_origin
from zipfile import ZipFile

import nbformat
import numpy as np
import pytest
import yaml

import companion
from tools.refresh import GUARD, GUARD_SOURCE, INSTALL

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PARTS = ("companion", "tests", "chapters", "CHANGELOG.md", "CITATION.cff", "LICENSE")
PARTS += ("MANIFEST.in", "README.md", "conftest.py", "pyproject.toml")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"
CORE = sorted({getattr(companion, name).__module__ for name in companion.__all__})


def built(kind, folder, target):
    """The file of a wheel or an sdist, built from a folder."""
    target.mkdir()
    subprocess.run(
        [sys.executable, "-c", BUILD.format(kind), target],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (file,) = target.iterdir()
    return file


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the repository, as far as a build looks at it."""
    folder = tmp_path_factory.mktemp("source")
    junk = shutil.ignore_patterns("__pycache__", "_build", ".*")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=junk)
        else:
            shutil.copy(ROOT / part, folder)
    return folder


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    file = built("sdist", source, folder / "made")
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    return folder / file.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel, built from the sdist as an installer does."""
    return built("wheel", sdist, tmp_path_factory.mktemp("wheel") / "made")


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_wheel_holds_the_whole_package_and_nothing_else(source, wheel):
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {name for name in names if ".dist-info/" not in name}
    data = ("companion/book/measured.json", "companion/py.typed", "companion/losses.pyi")
    data += ("companion/digits.npz",)
    assert set(data) <= package
    not_installed = {"companion/README.md"}  # it is in the metadata
    assert package == {f"companion/{n}" for n in files(source / "companion")} - not_installed


def test_the_sdist_holds_the_package_and_no_part_of_the_tests(source, sdist):
    names = files(sdist)
    assert {f"companion/{name}" for name in files(source / "companion")} <= names
    assert {"CHANGELOG.md", "LICENSE", "pyproject.toml"} <= names
    assert not [n for n in names if {"tests", "chapters"} & set(PurePosixPath(n).parts)]
    assert not [name for name in names if "conftest" in name or "test_" in name]


@pytest.fixture(scope="module")
def metadata(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
        return message_from_string(archive.read(name).decode())


def test_the_metadata_say_who_and_what(metadata):
    assert metadata["Name"] == PROJECT["project"]["name"]
    assert (
        metadata["Author"]
        == yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["author"]
    )
    assert metadata["License-Expression"] == "BSD-3-Clause AND CC-BY-4.0 AND OFL-1.1"
    assert "softmax" in metadata["Keywords"]
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert metadata.get_all("Project-URL") is None  # while there is no address


def test_the_long_description_has_no_link_that_leads_nowhere(metadata):
    text = metadata.get_payload()
    assert "softmax_cross_entropy_with_labels" in text
    assert relative_links(text) == []


def relative_links(text):
    links = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)\"", text)
    return [a or b for a, b in links if not re.match(r"https://|#", a or b)]


def test_a_relative_link_would_be_seen():
    text = '![a](b.png) [c](https://example.org) <img src="d.png"> [e](#f)'
    assert relative_links(text) == ["b.png", "d.png"]


# One version.


def test_there_is_one_version(metadata):
    assert metadata["Version"] == companion.__version__
    assert "version" not in PROJECT["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == companion.__version__


def test_the_version_needs_no_installation(sdist):
    code = "import companion; print(companion.__file__, companion.__version__)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sdist,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert run.stdout.split() == [
        str(sdist / "companion" / "__init__.py"),
        companion.__version__,
    ]


def test_the_changelog_has_the_version_and_its_date():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\](?: - (.+))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert versions[1] == (companion.__version__, str(citation["date-released"]))


def test_what_the_changelog_names_is_there():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("## [0.1.0]")[0]
    source = "\n".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "companion").rglob("*.py")
    )
    functions = {n for n in re.findall(r"`(\w+)`", text) if "_" in n.strip("_")}
    assert len(functions) > 5
    assert [name for name in sorted(functions) if f"def {name}(" not in source] == []


# Types.


def stub(module):
    """The stub of a module, run as Python."""
    path = ROOT / f"{module.replace('.', '/')}.pyi"
    loader = SourceFileLoader("stub", str(path))
    loaded = module_from_spec(spec_from_loader("stub", loader))
    loader.exec_module(loaded)
    return loaded


@pytest.fixture(autouse=True)
def nothing_is_written_beside_stubs(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.mark.parametrize("module", CORE)
def test_the_stub_has_the_public_functions(module):
    functions = inspect.getmembers(stub(module), inspect.isfunction)
    homes = {name: getattr(companion, name).__module__ for name in companion.__all__}
    public = {name for name in homes if homes[name] == module}
    assert {name for name, f in functions if f.__module__ == "stub"} == public


@pytest.mark.parametrize("name", companion.__all__)
def test_the_stub_has_the_signature(name):
    function = getattr(companion, name)
    real = inspect.signature(function)
    stated = inspect.signature(getattr(stub(function.__module__), name))
    plain = [p.replace(annotation=p.empty) for p in stated.parameters.values()]
    assert plain == list(real.parameters.values())
    assert all(p.annotation is not p.empty for p in stated.parameters.values())
    assert stated.return_annotation is not stated.empty


def call(function, shape, dtype):
    """The results, as a tuple, for uniform distributions: they can be logits, too."""
    given = {"labels": np.zeros(shape[:-1], int), "f": np.sum, "num_classes": 2}
    given |= {"temperature": 2.0, "alpha": 0.5}
    optional = ("axis", "keepdims", "step", "weights")
    names = [name for name in inspect.signature(function).parameters if name not in optional]
    uniform = np.full(shape, 1 / shape[-1]).astype(dtype)
    results = function(**{name: given.get(name, uniform) for name in names})
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", companion.__all__)
def test_the_stub_says_what_comes_back(name, dtype):
    function = getattr(companion, name)
    stated = inspect.signature(getattr(stub(function.__module__), name)).return_annotation
    types = get_args(stated) if get_origin(stated) is tuple else (stated,)
    for shape in ((2,), (3, 2), (0, 2)):
        for result, kind in zip(call(function, shape, dtype), types, strict=True):
            assert np.issubdtype(result.dtype, np.floating)
            # An array; for one example a number where the stub says "or something else".
            assert isinstance(result, np.ndarray) or (len(shape) == 1 and Any in get_args(kind))


# The name to import belongs to another package, too. Notebooks recognise it.

MISSING = ("ImportError", "companion must be the package of this book")
# What stands in the folder where the cell is run, and the type and the first words that come.
COMPANIONS = {
    "ours": ({}, ("", "")),
    "missing": (None, MISSING),
    "another package": ({"companion/__init__.py": ""}, MISSING),
    "another module": ({"companion.py": "def softmax(): pass"}, MISSING),
    "another one over ours": (
        {"companion/__init__.py": "", "companion/losses.py": None},
        MISSING,
    ),
    "ours without NumPy": (
        {"numpy.py": "raise ImportError('no numpy', name='numpy')"},
        ("ImportError", "no numpy"),
    ),
}
RUN = """
import sys
sys.path[:] = [p for p in sys.path if not p.endswith("site-packages")] if {alone} else sys.path
sys.path[:0], before = {path}, set(globals())
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(f).lower()]
try:
    exec({source!r}, globals())
except ImportError as error:
    print(type(error).__name__, error, sep="|")
else:
    print("|", sorted(set(globals()) - before - {{"before"}}))
"""


@pytest.mark.parametrize("case", COMPANIONS)
def test_the_first_cell_recognises_the_companion(tmp_path, case):
    there, (kind, words) = COMPANIONS[case]
    for name, text in (there or {}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        source = (ROOT / name).read_text(encoding="utf-8") if text is None else text
        (tmp_path / name).write_text(source, encoding="utf-8")
    path = [str(tmp_path)] + [str(ROOT)] * case.startswith("ours")
    source = GUARD + GUARD_SOURCE
    script = RUN.format(path=path, source=source, alone=there is None)
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    found, said = run.stdout.strip().split("|")
    assert found == kind
    assert said.startswith(words) if words else said.strip() == "[]"  # and no name is left


@pytest.mark.parametrize(
    "path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_it_is_the_first_cell_of_each_chapter_and_not_on_the_page(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code = [cell for cell in code if not cell.source.startswith(INSTALL)]
    guards = [cell for cell in notebook.cells if cell.source.startswith(GUARD)]
    assert guards == code[:1]
    assert guards[0].source == (GUARD + GUARD_SOURCE).rstrip()
    assert guards[0].metadata.tags == ["remove-cell"]
    assert guards[0].outputs == []
