"""Python as it runs in the page, for tests that need no page: Pyodide in Node.

The files of Pyodide are those that `tools/fetch_python.py` fetches, Node is that of Playwright.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

ROOT = Path(__file__).resolve().parent.parent
PYTHON = Path(sys.prefix) / "python-in-the-page"
SCRIPT = Path(__file__).with_suffix(".mjs")


class PythonEnded(Exception):
    """There is no result: the source raised, or Python ended. Holds what was written last."""


def run(source, *, packages=("numpy",), folders=(ROOT / "companion",), limit=300):
    """Execute Python source in a Pyodide of its own.

    Parameters
    ----------
    source : str
        It sets `result` to what can be written as JSON.
    packages : tuple of str
        What Pyodide loads before.
    folders : tuple of Path
        Copied to where it can import from: `companion` is then importable.
    limit : float
        In seconds. Of all that takes longer, `subprocess.TimeoutExpired` says so.

    Returns
    -------
    object
        `result`, read from JSON; None if the source does not set it.

    Raises
    ------
    PythonEnded
        If there is no result.
    """
    if not (PYTHON / "pyodide.mjs").is_file():
        raise FileNotFoundError(
            f"{PYTHON} must hold Pyodide: run `python -m tools.fetch_python`"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        work = {"python": str(PYTHON), "packages": list(packages), "source": source}
        (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")
        _pack(folders, folder / "folders.zip")
        ended = _in_node(folder, limit)
        result = folder / "result.json"
        if not result.is_file():
            raise PythonEnded(ended.stdout[-1500:] + ended.stderr[-1500:])
        return json.loads(result.read_text(encoding="utf-8"))


def _pack(folders, path):
    """A zip of folders, without what Python or a Mac has put into them."""
    with zipfile.ZipFile(path, "w") as archive:
        for folder in folders:
            for file in sorted(folder.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, file.relative_to(folder.parent))


def _in_node(folder, limit):
    node, *_ = compute_driver_executable()
    return subprocess.run(
        [node, SCRIPT, folder],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=limit,
        check=False,
    )
