"""The command: `python -m companion.diagnose logits.npy labels.npy --loss 2.303`.

Exit status 0: nothing looks wrong. 1: there are findings. 2: a file cannot be read.
"""

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np

from companion.diagnose import diagnose

UNREADABLE = {"unreadable", "ragged", "not numbers", "empty"}
# What the arrays of an .npz file may be called: outputs, labels, loss.
NAMES = (
    ("outputs", "logits", "probs", "predictions"),
    ("labels", "label", "targets", "y_true", "y"),
    ("loss",),
)


def load(path):
    """The arrays of a file: one, or of an .npz file all that it has, by name.

    Parameters
    ----------
    path : Path
        .npy, .npz, .csv, .tsv, .txt or .parquet.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError, OSError, ImportError
        If it cannot be read, in words.
    """
    match path.suffix.lower():
        case ".npy":
            return {"": np.load(path)}
        case ".npz":
            with np.load(path) as arrays:
                return dict(arrays)
        case ".csv" | ".tsv" | ".txt":
            return {"": _column_or_table(_of_text(path))}
        case ".parquet":
            frame = importlib.import_module("pandas").read_parquet(path)
            return {"": _column_or_table(frame.to_numpy())}
    raise ValueError("a file must be .npy, .npz, .csv, .tsv, .txt or .parquet.")


def _column_or_table(values):
    return values[:, 0] if values.shape[1] == 1 else values


def _of_text(path):
    """A table of numbers. Names at its top, and the index that pandas writes, are left out."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    lines = [line for line in lines if line.strip()]
    first = lines[0].strip() if lines else ""
    separator = next((s for s in ";\t," if s in first), None)
    if separator == ";":  # the comma is then a decimal point
        first, lines = first.replace(",", "."), [line.replace(",", ".") for line in lines]
    cells = first.split(separator)
    names = not any(map(_is_number, cells)) or _are_numbered(cells)
    if len(lines) <= names:
        raise ValueError("there are no rows of numbers in it.")
    values = np.loadtxt(lines[names:], delimiter=separator, ndmin=2)
    if names and not cells[0].strip():
        values = values[:, 1:]
    return values.astype(np.int64) if np.all(values % 1 == 0) else values


def _is_number(cell):
    try:
        return bool(float(cell) + 1)
    except ValueError:
        return False


def _are_numbered(cells):
    """Whether a first line has the numbers 0, 1, 2 that pandas gives to columns."""
    names = cells if cells[0].strip() else cells[1:]
    return len(names) > 1 and names == [str(number) for number in range(len(names))]


def _read(files):
    """Outputs, labels and loss of one .npz file, or one array each of one or two files."""
    loaded = [load(path) for path in files]
    if len(loaded) == 1 and len(loaded[0]) > 1:
        return _by_name(loaded[0])
    if any(len(arrays) > 1 for arrays in loaded):
        raise ValueError("of two files each has one array; put both arrays into one .npz.")
    arrays = [next(iter(arrays.values())) for arrays in loaded]
    return arrays[0], arrays[1] if len(arrays) > 1 else None, None


def _by_name(named):
    found = [
        next((named.pop(name) for name in names if name in named), None) for names in NAMES
    ]
    if found[0] is None or named:
        known = "; ".join(" or ".join(names) for names in NAMES)
        raise ValueError(f"names must be {known}; got {sorted(named)}.")
    return found


def main(arguments=None):
    """Read the files, print the diagnosis, return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.diagnose",
        description="Say what looks wrong in the outputs of a model, its labels and its loss.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="outputs [labels]")
    parser.add_argument("--loss", type=float, help="what was printed, as in --loss=-inf")
    parser.add_argument("--axis", type=int, default=-1, help="where the classes are")
    given = parser.parse_args(arguments)
    if len(given.files) > 2:
        parser.error("give outputs, or outputs and labels")
    try:
        outputs, labels, loss = _read(given.files)
    except Exception as error:  # a file can be wrong in any way
        print(f"{', '.join(path.name for path in given.files)}: {error}", file=sys.stderr)
        return 2
    loss = loss if given.loss is None else given.loss
    found = diagnose(outputs, labels, loss=loss, axis=given.axis)
    if hasattr(sys.stdout, "reconfigure"):  # a console may lack the sign of a product
        sys.stdout.reconfigure(errors="replace")
    print(found)
    return 2 if UNREADABLE & set(found.kinds) else int(not found.healthy)


if __name__ == "__main__":
    sys.exit(main())
