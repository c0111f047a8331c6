"""The command: `python -m companion.diagnose logits.npy labels.npy --loss 2.303`.

Exit status 0: nothing looks wrong. 1: there are findings. 2: a file cannot be read.
"""

import argparse
import csv
import importlib
import sys
from pathlib import Path

import numpy as np

from companion.diagnose import diagnose

UNREADABLE = {"unreadable", "ragged", "not numbers", "empty"}


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
            return {"": _of_text(path)}
        case ".parquet":
            return {"": _column_or_table(importlib.import_module("pandas").read_parquet(path))}
    raise ValueError(f"{path.name} must be .npy, .npz, .csv, .tsv, .txt or .parquet.")


def _column_or_table(frame):
    values = frame.to_numpy()
    return values[:, 0] if values.shape[1] == 1 else values


def _of_text(path):
    """Integers if all are, else floats; one line of names at the top is left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read()
    separator = next((s for s in ",;\t" if s in text.partition("\n")[0]), " ")
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    rows = rows[1:] if rows and not _are_numbers(rows[0]) else rows
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"{path.name} needs rows of one length.")
    cells = np.array(rows)
    try:
        values = cells.astype(np.int64)
    except ValueError:
        values = cells.astype(np.float64)
    return values[:, 0] if values.shape[1] == 1 else values


def _are_numbers(cells):
    try:
        np.array(cells, dtype=np.float64)
    except ValueError:
        return False
    return True


def _outputs_and_labels(files):
    """The two arrays of one .npz file, or one array each of one or two files."""
    loaded = [load(path) for path in files]
    if len(loaded) == 1 and len(loaded[0]) > 1:
        named = loaded[0]
        first = next((n for n in ("outputs", "logits", "probs") if n in named), None)
        second = next((n for n in ("labels", "targets", "y") if n in named), None)
        if first is None:
            raise ValueError(f"name the outputs 'outputs' or 'logits'; got {sorted(named)}.")
        return named[first], None if second is None else named[second]
    arrays = [next(iter(arrays.values())) for arrays in loaded]
    return arrays[0], arrays[1] if len(arrays) > 1 else None


def main(arguments=None):
    """Read the files, print the diagnosis, return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.diagnose",
        description="Say what looks wrong in the outputs of a model, its labels and its loss.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="outputs [labels]")
    parser.add_argument("--loss", type=float, help="what the program printed")
    parser.add_argument("--axis", type=int, default=-1, help="where the classes are")
    given = parser.parse_args(arguments)
    if len(given.files) > 2:
        parser.error("give outputs, or outputs and labels")
    try:
        outputs, labels = _outputs_and_labels(given.files)
    except Exception as error:  # a file can be wrong in any way
        print(f"{', '.join(path.name for path in given.files)}: {error}", file=sys.stderr)
        return 2
    found = diagnose(outputs, labels, loss=given.loss, axis=given.axis)
    print(found)
    return 2 if UNREADABLE & set(found.kinds) else int(not found.healthy)


if __name__ == "__main__":
    sys.exit(main())
