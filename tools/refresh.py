"""Execute the chapters and store them in canonical form. Run by `make refresh`.

    python -m tools.refresh [chapters/derivation.ipynb ...]

A canonical notebook has its outputs, fixed cell ids, no stderr, no timestamps, only the
tags that we use, and the description of its page. Its first code cell stops in words where the
companion is missing, or is another package of that name. Once `_config.yml` has the address of
the repository, a cell before it installs the companion where it is missing. Markdown cells
that begin with GENERATED are written from the exercise's data, so that hints and solutions
exist once; those with QUESTIONS are items of a self-test. An output that is equal to the
stored one within the tolerance is left alone, so that a refresh makes no noise in git.
"""

import hashlib
import importlib
import os
import re
import sys
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient

from tools.approx import Approx
from tools.environment import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
GENERATED = "<!-- generated from companion/exercises/{module}.py: {name} -->"
GENERATED_PATTERN = re.compile(GENERATED.format(module=r"(\w+)", name=r"(\w+)"))
QUESTIONS = GENERATED.format(module="{module}", name="{name}, {first} to {last}")
QUESTIONS_PATTERN = re.compile(
    QUESTIONS.format(module=r"(\w+)", name=r"(\w+)", first=r"(\d+)", last=r"(\d+)")
)
INSTALL = "# Installs the companion where it is missing, as on Colab."
INSTALL_SOURCE = """
import importlib.util

if importlib.util.find_spec("companion") is None:
    %pip install --quiet "softmax-companion[chapters] @ git+{repository}"
"""
GUARD = "# Stops in words if `companion` is missing, or another package of that name."
GUARD_SOURCE = """
try:
    from companion import one_hot
except ImportError as error:
    if error.name != "companion":
        raise
    raise ImportError(
        "companion must be the package of this book, but it is missing here, "
        "or another package has its name. Run pip uninstall companion, then "
        "pip install . in the folder of the book that has pyproject.toml."
    ) from None
del one_hot
"""
CELL_METADATA = ("jupyter", "mystnb", "tags")
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def generate(source):
    """A generated Markdown cell anew from its exercise; any other text as it is."""
    marker = GENERATED_PATTERN.match(source) or QUESTIONS_PATTERN.match(source)
    if not marker:
        return source
    module, name, *numbers = marker.groups()
    exercise = getattr(importlib.import_module(f"companion.exercises.{module}"), name)
    text = exercise.questions(*map(int, numbers)) if numbers else exercise.folded()
    return f"{marker[0]}\n\n{text}"


def repository_address():
    """The address of the repository, empty while it is not known."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"][
        "url"
    ]


def with_first_cells(cells, repository):
    """The cells, with those before all other code that install and recognise the companion."""
    kept = [cell for cell in cells if not cell.source.startswith((INSTALL, GUARD))]
    first = next((i for i, cell in enumerate(kept) if cell.cell_type == "code"), None)
    if first is not None:
        install = INSTALL + INSTALL_SOURCE.format(repository=repository)
        sources = [*([install] if repository else []), GUARD + GUARD_SOURCE]
        kept[first:first] = [_hidden_cell(source.rstrip(), cells) for source in sources]
    return kept


def _hidden_cell(source, cells):
    """A code cell that is not on the page: the stored one, if it is there."""
    stored = [cell for cell in cells if cell.source == source]
    cell = stored[0] if stored else nbformat.v4.new_code_cell(source)
    cell.metadata["tags"] = ["remove-cell"]
    return cell


def canonical(notebook, repository=None):
    """The same notebook in canonical form. Changes nothing if it is canonical already."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = nbformat.from_dict(
        NOTEBOOK_METADATA | {k: v for k, v in notebook.metadata.items() if k == "myst"}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    repository = repository_address() if repository is None else repository
    notebook.cells = with_first_cells(notebook.cells, repository)
    seen = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = generate(cell.source)
            cell.pop("attachments", None)
        name = hashlib.sha256(f"{cell.cell_type} {cell.source}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)}
        )
        if cell.cell_type == "code":
            cell.outputs = [_clean(output) for output in cell.outputs if not _is_stderr(output)]
    return notebook


def execute(notebook, folder):
    """Run every cell in `folder` and number them from 1."""
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def refresh(path):
    """Execute and store one notebook. True if the file changed."""
    before = path.read_text(encoding="utf-8")
    stored = nbformat.reads(before, as_version=4)
    notebook = canonical(execute(canonical(stored), path.parent))
    old = {cell.id: cell for cell in canonical(stored).cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.id in old and _same_outputs(old[cell.id].outputs, cell.get("outputs", [])):
            cell.outputs = old[cell.id].outputs
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    text = nbformat.writes(notebook) + "\n"
    path.write_text(text, encoding="utf-8")
    return text != before


def _is_stderr(output):
    return output.output_type == "stream" and output.name == "stderr"


def _clean(output):
    if "metadata" in output:
        # A figure is ink without a ground: in the dark JupyterLab then puts one under it.
        ground = {k: v for k, v in output.metadata.items() if k == "needs_background"}
        output.metadata = nbformat.from_dict(ground)
    if output.output_type == "stream":
        output.text = "".join(output.text)
    return output


def _same_outputs(old, new):
    def texts(outputs):
        for output in outputs:
            yield output.output_type
            yield from [output.text] if "text" in output else []
            for kind, value in sorted(output.get("data", {}).items()):
                yield kind
                yield value

    old, new = list(texts(old)), list(texts(new))
    return len(old) == len(new) and all(
        a == b if len(a) > 10_000 else Approx(a) == b for a, b in zip(old, new, strict=True)
    )


def main(arguments):
    os.environ.update(ENVIRONMENT)
    paths = [Path(a).resolve() for a in arguments] or sorted(CHAPTERS.glob("*.ipynb"))
    for path in paths:
        print(f"{path.name}: {'changed' if refresh(path) else 'as it was'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
